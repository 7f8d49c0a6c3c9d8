package httptool

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/redact"
	"github.com/trestle-mcp/trestle/internal/yamljson"
)

// maxSecret bounds a secret, in bytes. Shorter ones than minSecret are not
// looked for in answers: they would be found everywhere.
const (
	maxSecret = 64 << 10
	minSecret = 6
)

// A field is a [Field] whose secret, if it has one, can be had.
type field struct {
	name, value string
	secret      *Secret
	env         string // what Secret.Env holds
}

// read returns the value to send, and beside it the texts that are secret in it.
func (f *field) read(ctx context.Context) (value string, secrets []string, err error) {
	if f.secret == nil {
		return f.value, nil, nil
	}
	bare, err := f.bare(ctx)
	if err == nil {
		err = checkSecret(bare)
	}
	if err != nil {
		return "", nil, mcperrors.Wrap(mcperrors.Unavailable, "the server cannot sign in to the service", fmt.Errorf("%s: %w", f.name, err))
	}
	if f.secret.BasicUser != "" {
		encoded := base64.StdEncoding.EncodeToString([]byte(f.secret.BasicUser + ":" + bare))
		return "Basic " + encoded, []string{encoded, bare}, nil
	}
	return f.secret.Prefix + bare, []string{bare}, nil
}

func (f *field) bare(ctx context.Context) (string, error) {
	switch {
	case f.secret.Get != nil:
		return f.secret.Get(ctx)
	case f.secret.File != "":
		return readSecret(f.secret.File)
	}
	return f.env, nil
}

func readSecret(path string) (string, error) {
	if info, err := os.Stat(path); err != nil {
		return "", err
	} else if !info.Mode().IsRegular() {
		return "", errors.New("the secret's file is not a regular one")
	}
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	return strings.TrimSpace(string(text)), err
}

func checkSecret(s string) error {
	switch {
	case s == "":
		return errors.New("the secret is empty")
	case len(s) > maxSecret:
		return fmt.Errorf("the secret is longer than %d bytes", maxSecret)
	case !validHeaderValue(s):
		return errors.New("the secret has a control character")
	}
	return nil
}

// validHeaderValue reports whether s may be the value of a header. Blanks at its
// ends would be lost.
func validHeaderValue(s string) bool {
	return strings.TrimSpace(s) == s && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// newFields reads headers or query parameters. Environment variables are looked
// up only if resolve is set: a description may be checked elsewhere than it runs.
func newFields(at string, list []Field, header, resolve bool, m *mistakes) []field {
	fields := make([]field, 0, len(list))
	for i, given := range list {
		at := index(at, i)
		f := field{name: given.Name, value: given.Value, secret: given.Secret}
		switch {
		case header && !validHeaderName(given.Name):
			m.add(yamljson.Join(at, "name"), "not the name of a header that may be set")
		case given.Name == "":
			m.add(yamljson.Join(at, "name"), "missing")
		case slices.ContainsFunc(fields, func(other field) bool { return sameName(header, other.name, given.Name) }):
			m.add(yamljson.Join(at, "name"), "%q is there twice", given.Name)
		}
		switch {
		case given.Secret != nil && given.Value != "":
			m.add(at, "has both a value and a secret")
		case given.Secret != nil:
			f.checkSource(yamljson.Join(at, "secret"), header, resolve, m)
		case !validHeaderValue(given.Value):
			m.add(yamljson.Join(at, "value"), "has a control character, or a blank at an end")
		}
		fields = append(fields, f)
	}
	return fields
}

func (f *field) checkSource(at string, header, resolve bool, m *mistakes) {
	s := f.secret
	sources := 0
	for _, there := range []bool{s.Env != "", s.File != "", s.Get != nil} {
		if there {
			sources++
		}
	}
	switch {
	case sources != 1:
		m.add(at, "wants exactly one of env and file")
		return
	case s.BasicUser != "" && (s.Prefix != "" || !header || strings.Contains(s.BasicUser, ":") || !validHeaderValue(s.BasicUser)):
		m.add(yamljson.Join(at, "basic_user"), "for a header alone, without a prefix, a colon and control characters")
	case !validHeaderValue(strings.TrimRight(s.Prefix, " ")):
		m.add(yamljson.Join(at, "prefix"), "has a control character, or starts with a blank")
	}
	if !resolve {
		return
	}
	var err error
	switch {
	case s.Env != "":
		f.env = strings.TrimSpace(os.Getenv(s.Env))
		err = checkSecret(f.env)
	case s.File != "":
		var text string
		if text, err = readSecret(s.File); err == nil {
			err = checkSecret(text)
		}
	}
	if err != nil {
		m.add(at, "%v", err)
	}
}

func sameName(header bool, a, b string) bool {
	return a == b || header && strings.EqualFold(a, b)
}

// withoutSecrets takes secrets out of what a service answered.
func withoutSecrets(body []byte, secrets []string) []byte {
	for _, secret := range secrets {
		if len(secret) < minSecret {
			continue
		}
		quoted, _ := encode(secret) // a string
		html := yamljson.AppendText(nil, secret)
		for _, form := range [][]byte{[]byte(secret), quoted[1 : len(quoted)-1], html[1 : len(html)-1]} {
			body = bytes.ReplaceAll(body, form, []byte(redact.Mark))
		}
	}
	return body
}
