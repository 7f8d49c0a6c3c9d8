package secret_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"expvar"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	texttemplate "text/template"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.yaml.in/yaml/v4"

	"github.com/trestle-mcp/trestle/secret"
)

const canary = "hunter2-c4n4ry"

type holder struct {
	Name   string
	Secret secret.Secret
	Ptr    *secret.Secret
	List   []secret.Secret
	hidden secret.Secret // formatters read it by reflection, without its methods
}

type embeds struct {
	secret.Secret
}

// carriers have the secret in every way a program may.
func carriers() map[string]any {
	s := secret.New(canary)
	h := holder{Name: "n", Secret: s, Ptr: &s, List: []secret.Secret{s}, hidden: s}
	return map[string]any{
		"value": s, "pointer": &s, "struct": h, "pointer to struct": &h,
		"unexported": struct{ s secret.Secret }{s}, "unexported pointer": struct{ s *secret.Secret }{&s},
		"embedded": embeds{s}, "slice": []secret.Secret{s}, "array": [1]secret.Secret{s},
		"map": map[string]secret.Secret{"k": s}, "any": map[string]any{"k": any(s), "h": h},
		"error":         fmt.Errorf("login with %v: %w", s, errors.New("refused")),
		"error with it": secretError{s},
	}
}

type secretError struct{ s secret.Secret }

func (e secretError) Error() string { return fmt.Sprint("cannot log in with ", e.s) }

func verb(format string) func(any) ([]byte, error) {
	return func(v any) ([]byte, error) { return fmt.Appendf(nil, format, v), nil }
}

func zapLine(field func(string, any) zap.Field) func(any) ([]byte, error) {
	return func(v any) ([]byte, error) {
		var out bytes.Buffer
		for _, enc := range []zapcore.Encoder{
			zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig()),
		} {
			zap.New(zapcore.NewCore(enc, zapcore.AddSync(&out), zap.DebugLevel)).Info("x", field("k", v))
		}
		return out.Bytes(), nil
	}
}

func slogLine(newHandler func(*bytes.Buffer) slog.Handler) func(any) ([]byte, error) {
	return func(v any) ([]byte, error) {
		var out bytes.Buffer
		slog.New(newHandler(&out)).Info("x", "k", v, slog.Group("g", "k", v))
		return out.Bytes(), nil
	}
}

// printers are all that turns values into text or bytes.
func printers() map[string]func(any) ([]byte, error) {
	p := map[string]func(any) ([]byte, error){
		"json":        json.Marshal,
		"json indent": func(v any) ([]byte, error) { return json.MarshalIndent(v, "", " ") },
		"xml":         xml.Marshal,
		"yaml":        yaml.Marshal,
		"gob": func(v any) ([]byte, error) {
			var out bytes.Buffer
			err := gob.NewEncoder(&out).Encode(v)
			return out.Bytes(), err
		},
		"zap any":     zapLine(zap.Any),
		"zap reflect": zapLine(zap.Reflect),
		"zap sugar": func(v any) ([]byte, error) {
			return zapLine(func(k string, v any) zap.Field { return zap.String(k, fmt.Sprintf("%+v", v)) })(v)
		},
		"slog json":     slogLine(func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) }),
		"slog text":     slogLine(func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) }),
		"expvar":        func(v any) ([]byte, error) { return []byte(expvar.Func(func() any { return v }).String()), nil },
		"go-cmp":        func(v any) ([]byte, error) { return []byte(cmp.Diff(v, any(0))), nil },
		"text template": func(v any) ([]byte, error) { return execute(texttemplate.Must(texttemplate.New("").Parse("{{.}}")), v) },
		"html template": func(v any) ([]byte, error) {
			return execute(template.Must(template.New("").Parse("{{.}}<script>{{.}}</script>")), v)
		},
		"reflection": func(v any) ([]byte, error) { return []byte(dump(reflect.ValueOf(v), 0)), nil },
		"panic": func(v any) (out []byte, err error) {
			defer func() { out = fmt.Append(nil, recover()) }()
			panic(v)
		},
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%c", "%U", "%e", "%08b", "%p", "%T", "%100.50s", "%z", "%w"} {
		p[format] = verb(format)
	}
	return p
}

type executor interface {
	Execute(w io.Writer, v any) error
}

func execute(t executor, v any) ([]byte, error) {
	var out bytes.Buffer
	err := t.Execute(&out, v)
	return out.Bytes(), err
}

// dump reads all that reflection can reach, unexported or not, and asks no method.
func dump(v reflect.Value, depth int) string {
	if depth > 10 {
		return ""
	}
	var out strings.Builder
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return dump(v.Elem(), depth+1)
		}
	case reflect.Struct:
		for _, f := range v.Fields() {
			out.WriteString(dump(f, depth+1))
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			out.WriteString(dump(v.Index(i), depth+1))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			out.WriteString(dump(v.MapIndex(k), depth+1))
		}
	default:
	}
	return out.String()
}

func TestSecret_IsShownByNoFormatterAndNoEncoder(t *testing.T) {
	for printer, show := range printers() {
		for carrier, v := range carriers() {
			t.Run(printer+"/"+carrier, func(t *testing.T) {
				out, err := show(v) // gob and XML know no maps; what they say is looked at, too
				text := string(out) + fmt.Sprint(err)
				for _, bad := range []string{
					canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprintf("% x", canary),
					"aHVudGVyMi1jNG40cnk", strings.Trim(fmt.Sprintf("%d", []byte(canary)), "[]"), // base64, bytes
				} {
					if strings.Contains(text, bad) {
						t.Errorf("shown: %s", text)
					}
				}
			})
		}
	}
}

func TestSecret_IsReplacedByTheMark(t *testing.T) {
	s := secret.New(canary)
	for name, show := range printers() {
		if name == "reflection" || name == "go-cmp" || name == "%T" || name == "%p" || name == "%w" || name == "gob" {
			continue
		}
		if out, err := show(s); err != nil || !strings.Contains(string(out), secret.Mark) {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
	if got := fmt.Sprintf("%v|%s|%q", secret.Secret{}, secret.Secret{}, secret.New("")); got != "||" {
		t.Errorf("an empty secret is shown as %q", got)
	}
}

func TestSecret_IsReadByEveryDecoder(t *testing.T) {
	type config struct {
		S secret.Secret  `json:"s" xml:"s" yaml:"s"`
		P *secret.Secret `json:"p" xml:"p" yaml:"p"`
	}
	for name, decode := range map[string]func(*config) error{
		"json": func(c *config) error {
			return json.Unmarshal([]byte(`{"s":"`+canary+`","p":"`+canary+`"}`), c)
		},
		"yaml": func(c *config) error { return yaml.Unmarshal([]byte("s: "+canary+"\np: \""+canary+"\"\n"), c) },
		"xml": func(c *config) error {
			return xml.Unmarshal([]byte("<c><s>"+canary+"</s><p>"+canary+"</p></c>"), c)
		},
	} {
		var c config
		if err := decode(&c); err != nil || c.P == nil || c.S.Reveal() != canary || c.P.Reveal() != canary {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
	var c config
	if err := yaml.Unmarshal([]byte("s: 12345\n"), &c); err != nil || c.S.Reveal() != "12345" {
		t.Errorf("YAML with a number: %q, %v", c.S.Reveal(), err)
	}
}

func TestSecret_WhatWasWrittenIsNotReadAsOne(t *testing.T) {
	in := struct{ S secret.Secret }{secret.New(canary)}
	var out struct{ S secret.Secret }
	written, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(written, &out); err == nil || !out.S.IsZero() {
		t.Errorf("the mark was taken for a secret: %q, %v", out.S.Reveal(), err)
	}
	var stream bytes.Buffer
	if err := gob.NewEncoder(&stream).Encode(in); err != nil {
		t.Fatal(err)
	}
	if err := gob.NewDecoder(&stream).Decode(&out); err == nil || !out.S.IsZero() {
		t.Errorf("gob: the mark was taken for a secret: %q, %v", out.S.Reveal(), err)
	}
}

func TestSecret_ErrorsOfDecodingShowNothing(t *testing.T) {
	var v struct{ S secret.Secret }
	for _, in := range []string{`{"S":{"x":"` + canary + `"}}`, `{"S":["` + canary + `"]}`, `{"S":4242424242}`, `{"S":"` + canary} {
		err := json.Unmarshal([]byte(in), &v)
		if err == nil || strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "4242424242") {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestSecret_EqualComparesTexts(t *testing.T) {
	a, b := secret.New("a"), secret.New("b")
	for _, tt := range []struct {
		x, y secret.Secret
		want bool
	}{
		{a, secret.New("a"), true},
		{a, b, false},
		{a, secret.New("aa"), false},
		{secret.Secret{}, secret.New(""), true},
		{secret.Secret{}, a, false},
	} {
		if tt.x.Equal(tt.y) != tt.want || tt.y.Equal(tt.x) != tt.want {
			t.Errorf("%q and %q: not %v", tt.x.Reveal(), tt.y.Reveal(), tt.want)
		}
	}
	if reflect.TypeFor[secret.Secret]().Comparable() {
		t.Error("== compiles, and would compare something else")
	}
}

func TestSecret_OmitzeroLeavesOutAnEmptyOne(t *testing.T) {
	type config struct {
		S secret.Secret `json:"s,omitzero"`
	}
	for want, c := range map[string]config{`{}`: {}, `{"s":"[redacted]"}`: {secret.New("x")}} {
		if out, err := json.Marshal(c); err != nil || string(out) != want {
			t.Errorf("%s, %v, want %s", out, err, want)
		}
	}
}

func TestFromFile_TakesOffOneLineEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	for _, tt := range [][2]string{{canary, canary}, {canary + "\n", canary}, {canary + "\r\n", canary}, {"a\n\n", "a\n"}, {" a ", " a "}} {
		write(t, path, tt[0])
		if s, err := secret.FromFile(path); err != nil || s.Reveal() != tt[1] {
			t.Errorf("%q: %q, %v", tt[0], s.Reveal(), err)
		}
	}
	for _, bad := range []string{"", "\n", strings.Repeat(canary, 10_000)} {
		write(t, path, bad)
		if s, err := secret.FromFile(path); err == nil || !s.IsZero() || strings.Contains(err.Error(), canary) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	if _, err := secret.FromFile(path + "-none"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestFromEnv_TakesTheValueOrTheFileThatIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	write(t, path, "from file\n")
	read := func(want string) {
		t.Helper()
		if s, err := secret.FromEnv("SECRET_TEST"); err != nil || s.Reveal() != want {
			t.Errorf("%q, %v, want %q", s.Reveal(), err, want)
		}
	}
	read("")
	t.Setenv("SECRET_TEST_FILE", path)
	read("from file")
	t.Setenv("SECRET_TEST", canary)
	read(canary)
	if err := os.Unsetenv("SECRET_TEST"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SECRET_TEST_FILE", path+"-none")
	if _, err := secret.FromEnv("SECRET_TEST"); err == nil || !strings.Contains(err.Error(), "SECRET_TEST_FILE") {
		t.Error(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
