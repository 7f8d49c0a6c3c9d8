package openapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/trestle-mcp/trestle/adapter/openapi"
	"github.com/trestle-mcp/trestle/plugin/httptool"
)

// document is one of an operation with that body and those schemas.
func document(version, body, schemas string) string {
	return fmt.Sprintf(`{"openapi":%q,"info":{"title":"t","version":"1.0.0"},"servers":[{"url":"https://a.example"}],
"paths":{"/x":{"post":{"operationId":"x","requestBody":{"required":true,"content":{"application/json":{"schema":%s}}},"responses":{"200":{"description":"d"}}}}},
"components":{"schemas":{%s}}}`, version, body, schemas)
}

var everything = &openapi.Options{Operations: []string{"*"}}

func TestSpec_WritesSchemasAsJSONSchemaHasThem(t *testing.T) {
	for name, tt := range map[string]struct{ version, body, schemas, want, defs string }{
		"exact numbers":      {"3.0.3", `{"type":"integer","maximum":9007199254740993}`, "", `{"type":"integer","maximum":9007199254740993}`, ""},
		"exclusive bounds":   {"3.0.3", `{"type":"number","minimum":1,"exclusiveMinimum":false,"maximum":2,"exclusiveMaximum":true}`, "", `{"type":"number","minimum":1,"exclusiveMaximum":2}`, ""},
		"bounds of 3.1":      {"3.1.0", `{"type":"number","exclusiveMinimum":1}`, "", `{"type":"number","exclusiveMinimum":1}`, ""},
		"types of 3.1":       {"3.1.0", `{"type":["string","null"],"const":"a","examples":["b"]}`, "", `{"type":["string","null"],"const":"a"}`, ""},
		"prefix items":       {"3.1.0", `{"type":"array","prefixItems":[{"type":"string"},{"$ref":"#/components/schemas/A"}]}`, `"A":{"type":"null"}`, `{"type":"array","prefixItems":[{"type":"string"},{"$ref":"#/$defs/A"}]}`, `{"A":{"type":"null"}}`},
		"beside a $ref":      {"3.1.0", `{"$ref":"#/components/schemas/A","maxLength":3}`, `"A":{"type":"string"}`, `{"$ref":"#/$defs/A","maxLength":3}`, `{"A":{"type":"string"}}`},
		"beside an old $ref": {"3.0.3", `{"type":"object","properties":{"a":{"$ref":"#/components/schemas/A","maxLength":3}}}`, `"A":{"type":"string"}`, `{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}}}`, `{"A":{"type":"string"}}`},
		"into a schema":      {"3.1.0", `{"$ref":"#/components/schemas/A/properties/b"}`, `"A":{"type":"object","properties":{"b":{"type":"string"}}}`, `{"$ref":"#/$defs/b"}`, `{"b":{"type":"string"}}`},
		"two of one name":    {"3.1.0", `{"type":"object","properties":{"x":{"$ref":"#/components/schemas/A/properties/b"},"y":{"$ref":"#/components/schemas/b"}}}`, `"A":{"type":"object","properties":{"b":{"type":"string"}}},"b":{"type":"null"}`, "", ""},
		"a mapping":          {"3.0.3", `{"oneOf":[{"$ref":"#/components/schemas/A"}],"discriminator":{"propertyName":"k"}}`, `"A":{"type":"object","required":["k"],"properties":{"k":{"type":"string"}}}`, `{"oneOf":[{"$ref":"#/$defs/A"}]}`, `{"A":{"type":"object","required":["k"],"properties":{"k":{"type":"string"}}}}`},
		"a property example": {"3.0.3", `{"type":"object","properties":{"example":{"type":"string"},"x-y":{"type":"string"},"$ref":{"type":"string"}}}`, "", `{"type":"object","properties":{"example":{"type":"string"},"x-y":{"type":"string"},"$ref":{"type":"string"}}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := openapi.Spec([]byte(document(tt.version, tt.body, tt.schemas)), everything)
			must(t, err)
			if tt.want == "" {
				return
			}
			want := `{"type":"object","additionalProperties":false,"required":["body"],"properties":{"body":` + tt.want + `}}`
			if tt.defs != "" {
				want = strings.TrimSuffix(want, "}") + `,"$defs":` + tt.defs + `}`
			}
			same(t, name, s.Tools[0].InputSchema, want)
			if name == "exact numbers" && !strings.Contains(string(s.Tools[0].InputSchema), "9007199254740993") {
				t.Errorf("%s", s.Tools[0].InputSchema)
			}
		})
	}
}

func TestSpec_FetchesNothing(t *testing.T) {
	var asked atomic.Int64
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte(`{"type":"string"}`))
	}))
	t.Cleanup(up.Close)
	file := filepath.Join(t.TempDir(), "schema.json")
	must(t, os.WriteFile(file, []byte(`{"type":"string"}`), 0o600))
	for name, ref := range map[string]string{
		"the network": up.URL + "/s.json", "a file": file, "a relative file": "other.yaml#/x", "a file URL": "file://" + file, "nothing": "", "metadata": "http://169.254.169.254/",
	} {
		for _, version := range []string{"3.0.3", "3.1.0"} {
			for what, text := range map[string]string{
				"a body":    document(version, fmt.Sprintf(`{"$ref":%q}`, ref), ""),
				"a schema":  document(version, `{}`, fmt.Sprintf(`"A":{"properties":{"a":{"$ref":%q}}}`, ref)),
				"a path":    strings.Replace(document(version, `{}`, ""), `"/x":{`, fmt.Sprintf(`"/y":{"$ref":%q},"/x":{`, ref), 1),
				"parameter": strings.Replace(document(version, `{}`, ""), `"operationId"`, fmt.Sprintf(`"parameters":[{"$ref":%q}],"operationId"`, ref), 1),
			} {
				if _, err := openapi.Spec([]byte(text), everything); err == nil && ref != "" {
					t.Errorf("%s to %s in %s: no error", what, name, version)
				}
			}
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestSpec_RefusesDocumentsThatCannotWork(t *testing.T) {
	deep := strings.Repeat(`{"not":`, 70) + `{}` + strings.Repeat(`}`, 70)
	var wide strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&wide, `,"A%d":{"type":"object","description":%q,"properties":{"a":{"$ref":"#/components/schemas/A%d"}}}`, i, strings.Repeat("x", 100), (i+1)%3000)
	}
	chain := strings.Replace(wide.String(), ",", "", 1)
	for name, tt := range map[string]struct{ text, want string }{
		"empty":                {"", "no documents"},
		"a list":               {"[]", "not an OpenAPI document"},
		"version 2":            {`{"swagger":"2.0","info":{}}`, "version 2: convert it"},
		"version 4":            {`{"openapi":"4.0.0"}`, "version 3.0 or 3.1"},
		"no version":           {`{"info":{}}`, "version 3.0 or 3.1"},
		"cut off":              {document("3.1.0", `{}`, "")[:100], ""},
		"a key twice":          {`{"openapi":"3.0.3","openapi":"3.0.3"}`, "duplicate key"},
		"a key twice in YAML":  {"openapi: 3.0.3\nopenapi: 3.0.3\n", "line 2: openapi: there twice"},
		"an alias":             {"openapi: 3.0.3\ninfo: &a {title: t, version: v}\nx-i: *a\n", "anchors, aliases and tags"},
		"a bomb":               {"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "anchors"},
		"not UTF-8":            {"{\"openapi\":\"3.0.3\xff\"}", ""},
		"large":                {strings.Repeat(" ", 9<<20), "longer than"},
		"deep":                 {document("3.1.0", deep, ""), "nest"},
		"deep by references":   {document("3.1.0", `{"$ref":"#/components/schemas/A0"}`, chain), "more than 1000 components"},
		"no info":              {`{"openapi":"3.0.3","paths":{}}`, "info"},
		"a dangling $ref":      {document("3.1.0", `{"$ref":"#/components/schemas/None"}`, ""), ""},
		"a $ref to an anchor":  {document("3.1.0", `{"$ref":"#here"}`, `"A":{"$anchor":"here"}`), ""},
		"a $ref to itself":     {document("3.1.0", `{"$ref":"#/components/schemas/A"}`, `"A":{"$ref":"#/components/schemas/A"}`), ""},
		"a ring":               {document("3.0.3", `{"$ref":"#/components/schemas/A"}`, `"A":{"$ref":"#/components/schemas/B"},"B":{"$ref":"#/components/schemas/A"}`), ""},
		"a ring by allOf":      {document("3.0.3", `{"$ref":"#/components/schemas/A"}`, `"A":{"allOf":[{"$ref":"#/components/schemas/A"}]}`), "leads back to itself"},
		"an $id":               {document("3.1.0", `{"$id":"https://b.example/","type":"object"}`, ""), "$id"},
		"no servers":           {strings.Replace(document("3.1.0", `{}`, ""), `"servers":[{"url":"https://a.example"}],`, "", 1), "BaseURL"},
		"a relative server":    {strings.Replace(document("3.1.0", `{}`, ""), "https://a.example", "/v1", 1), "BaseURL"},
		"plain HTTP":           {strings.Replace(document("3.1.0", `{}`, ""), "https://", "http://", 1), "want https"},
		"a server in a path":   {strings.Replace(document("3.1.0", `{}`, ""), `"post":`, `"servers":[{"url":"https://b.example"}],"post":`, 1), "servers of its own"},
		"a multipart body":     {strings.Replace(document("3.1.0", `{}`, ""), "application/json", "multipart/form-data", 1), "of no kind that is supported"},
		"a matrix":             {strings.NewReplacer(`"/x"`, `"/x/{a}"`, `"operationId"`, `"parameters":[{"name":"a","in":"path","required":true,"style":"matrix","schema":{"type":"string"}}],"operationId"`).Replace(document("3.1.0", `{}`, "")), `parameter "a" in path: is written in a way`},
		"a required cookie":    {strings.Replace(document("3.1.0", `{}`, ""), `"operationId"`, `"parameters":[{"name":"a","in":"cookie","required":true,"schema":{"type":"string"}}],"operationId"`, 1), `parameter "a" in cookie`},
		"an object in a query": {strings.Replace(document("3.1.0", `{}`, ""), `"operationId"`, `"parameters":[{"name":"a","in":"query","schema":{"type":"object"}}],"operationId"`, 1), `parameter "a" in query`},
		"two of one name":      {strings.Replace(document("3.1.0", `{}`, ""), `"operationId"`, `"parameters":[{"name":"a[","in":"query","schema":{}},{"name":"a]","in":"query","schema":{}},{"name":"a(","in":"query","schema":{}}],"operationId"`, 1), `two arguments would be "query_a"`},
		"no such version":      {strings.Replace(document("3.1.0", `{}`, ""), `"1.0.0"`, `"today"`, 1), "version"},
		"an unknown pattern":   {document("3.1.0", `{"type":"object","properties":{"a":{"pattern":"("}}}`, ""), ""},
	} {
		s, err := openapi.Spec([]byte(tt.text), everything)
		if err == nil {
			_, err = httptool.New(s, nil)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: want %q, got %.500v", name, tt.want, err)
		} else if len(err.Error()) > 64<<10 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
	}
}

func FuzzSpec(f *testing.F) {
	text, err := os.ReadFile("testdata/pets.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(document("3.1.0", `{"$ref":"#/components/schemas/A"}`, `"A":{"type":"object","properties":{"b":{"$ref":"#/components/schemas/A"}}}`)))
	f.Add([]byte(document("3.0.3", `{"allOf":[{"$ref":"#/components/schemas/A"}]}`, `"A":{"anyOf":[{"type":"string","nullable":true},{"$ref":"#/components/schemas/A"}]}`)))
	f.Add([]byte("openapi: 3.1.0\ninfo: {title: t, version: 1.0.0}\npaths: {/x: {$ref: '#/paths/~1x'}}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		o := &openapi.Options{
			Operations: []string{"*"}, BaseURL: "https://a.invalid", Version: "1.0.0", Name: "n",
			Secrets: map[string]*httptool.Secret{"key": secret("s"), "oauth": secret("t")},
		}
		s, err := openapi.Spec(text, o)
		if err != nil {
			return
		}
		p, err := httptool.New(s, nil)
		if err != nil {
			t.Fatalf("described, and refused: %v", err)
		}
		if len(s.Tools) > 0 { // no schema may end the process; the call itself gets nowhere
			_, _ = call(t, p, s.Tools[0].Name, `{"body":{"children":[{"owner":{"pets":[{}]}}],"b":{"b":{}}}}`)
		}
	})
}

func TestSpec_DoesNotMindMistakesElsewhere(t *testing.T) {
	text := strings.Replace(document("3.1.0", `{"$ref":"#/components/schemas/A"}`, `"A":{"type":"object"},"Bad":{"type":"none","$ref":"#/nowhere"}`),
		`"/x":{`, `"/bad":{"get":{"operationId":"bad","parameters":[{"name":""}],"responses":{}}},"/x":{`, 1)
	if _, err := openapi.Spec([]byte(text), &openapi.Options{Operations: []string{"x"}}); err != nil {
		t.Error(err)
	}
	if _, err := openapi.Spec([]byte(text), &openapi.Options{Operations: []string{"bad"}}); err == nil {
		t.Error("the bad one was taken")
	}
}

// Somebody points into the path of another operation.
func TestSpec_FollowsReferencesIntoPaths(t *testing.T) {
	text := strings.Replace(document("3.1.0", `{"type":"object","properties":{"n":{"type":"integer"}}}`, ""),
		`"/x":{`, `"/z":{"$ref":"#/paths/~1y"},"/y":{"get":{"operationId":"y","requestBody":{"content":{}},"parameters":[{"name":"q","in":"query","schema":{"$ref":"#/paths/~1x/post/requestBody/content/application~1json/schema/properties/n"}}],"responses":{"200":{"description":"d"}}}},"/x":{`, 1)
	s := spec(t, text, &openapi.Options{Operations: []string{"GET /y"}})
	same(t, "y", tool(t, s, "y").InputSchema, `{"type":"object","additionalProperties":false,"required":[],"properties":{"q":{"$ref":"#/$defs/n"}},"$defs":{"n":{"type":"integer"}}}`)
}

func TestSpec_TakesLongChainsOfReferences(t *testing.T) {
	var schemas []string
	for i := range 300 {
		schemas = append(schemas, fmt.Sprintf(`"A%d":{"type":"object","properties":{"a":{"$ref":"#/components/schemas/A%d"}}}`, i, (i+1)%300))
	}
	s := spec(t, document("3.1.0", `{"$ref":"#/components/schemas/A0"}`, strings.Join(schemas, ",")), everything)
	if got := strings.Count(string(s.Tools[0].InputSchema), `"type":"object"`); got != 301 {
		t.Errorf("%d schemas", got)
	}
}
