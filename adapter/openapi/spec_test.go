package openapi_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/adapter/openapi"
	"github.com/trestle-mcp/trestle/plugin/httptool"
)

func pets(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/pets.yaml")
	must(t, err)
	return string(text)
}

func all() *openapi.Options {
	return &openapi.Options{Operations: []string{"*"}, Secrets: map[string]*httptool.Secret{"key": secret("s3cr3t"), "oauth": secret("t0ken")}}
}

func TestSpec_MakesToolsOfOperations(t *testing.T) {
	s := spec(t, pets(t), all())
	if s.Name != "The_Pet_Store" || s.Version != "1.4.0" || s.BaseURL != "https://eu.pets.example/v2" {
		t.Errorf("%s %s %s", s.Name, s.Version, s.BaseURL)
	}
	var names []string
	for _, tool := range s.Tools {
		names = append(names, tool.Name+" "+tool.Method+" "+tool.URL)
	}
	if got, want := strings.Join(names, "; "), "listPets GET /pets; create_pet POST /pets; get_pets_pet-id GET /pets/{pet-id}; deletePet DELETE /pets/{pet-id}"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	list := tool(t, s, "listPets")
	if list.Description != "Lists the pets, newest first." || list.Title != "List pets" {
		t.Errorf("%+v", list)
	}
	same(t, "listPets", list.InputSchema, `{"type":"object","additionalProperties":false,"required":[],"properties":{
		"limit":{"type":"integer","format":"int32","exclusiveMinimum":0,"maximum":100,"description":"How many."},
		"tag":{"type":"array","items":{"type":"string"}},"ids":{"type":"array","items":{"type":"integer"}},
		"filter_name":{"type":["string","null"],"enum":["a","b",null]},
		"where":{"type":"object","additionalProperties":{"type":"string"}},"raw":{"type":"object"},"X-Trace":{"type":"string"}}}`)
	same(t, "the answer of listPets", list.Response.OutputSchema, "")
	pet := `{"type":"object","required":["name","secret"],"properties":{"name":{"type":"string"},"secret":{"type":"string"},"weight":{"type":["number","null"]},
		"owner":{"$ref":"#/$defs/Owner"},"children":{"type":"array","items":{"$ref":"#/$defs/Pet"}}}}`
	owner := `{"type":"object","properties":{"pets":{"type":"array","items":{"$ref":"#/$defs/Pet"}}}}`
	create := tool(t, s, "create_pet")
	same(t, "create_pet", create.InputSchema, `{"type":"object","additionalProperties":false,"required":["body"],
		"properties":{"X-Trace":{"type":"string"},"body":{"$ref":"#/$defs/Pet","description":"The pet."}},"$defs":{"Pet":`+pet+`,"Owner":`+owner+`}}`)
	answer := strings.NewReplacer(`"required":["name","secret"]`, `"required":["id","name"]`, `"secret":{"type":"string"}`, `"id":{"type":"string"}`).Replace(pet)
	same(t, "the answer of create_pet", create.Response.OutputSchema, strings.TrimSuffix(answer, "}")+`,"$defs":{"Pet":`+answer+`,"Owner":`+owner+`}}`)
	same(t, "the answer of get", tool(t, s, "get_pets_pet-id").Response.OutputSchema, "")
	o := all()
	o.LooseAnswers = true
	same(t, "a loose answer", tool(t, spec(t, pets(t), o), "create_pet").Response.OutputSchema, "")
}

func TestSpec_CallsGoWhereTheDocumentSays(t *testing.T) {
	up := serve(t, `{"id":"1","name":"Rex"}`)
	o := all()
	o.BaseURL, o.Addresses = up.URL+"/v2", []string{"loopback"}
	p, err := httptool.New(spec(t, pets(t), o), nil)
	must(t, err)
	for _, tt := range []struct{ tool, args, want string }{
		{
			"listPets", `{"limit":5,"tag":["a","b"],"ids":[1,2],"filter_name":"a","where":{"k":"v"},"raw":{"a":1},"X-Trace":"t"}`,
			"GET /v2/pets?limit=5&tag=a&tag=b&ids=1,2&filter%5Bname%5D=a&where%5Bk%5D=v&raw=%7B%22a%22%3A1%7D s3cr3t ",
		},
		{"create_pet", `{"body":{"name":"Rex","secret":"x"}}`, `POST /v2/pets s3cr3t {"name":"Rex","secret":"x"}`},
		{"get_pets_pet-id", `{"pet-id":"a/b","query_pet-id":"c"}`, `GET /v2/pets/a%2Fb?pet-id=c  `},
		{"deletePet", `{"pet-id":"7"}`, `DELETE /v2/pets/7 Bearer t0ken `},
	} {
		res, err := call(t, p, tt.tool, tt.args)
		if err != nil || res.IsError {
			t.Errorf("%s: %v %+v", tt.tool, err, res)
			continue
		}
		if got := up.sent(); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.tool, got, tt.want)
		}
	}
	if _, err := call(t, p, "create_pet", `{"body":{"name":"Rex","secret":"x","id":"1","children":[{"name":1}]}}`); err == nil || !strings.Contains(err.Error(), "name") {
		t.Errorf("a recursive schema does not hold: %v", err)
	}
}

func TestSpec_TakesTheChosenOperations(t *testing.T) {
	for _, tt := range []struct {
		o    openapi.Options
		want string
	}{
		{openapi.Options{Operations: []string{"listPets"}}, "listPets"},
		{openapi.Options{Operations: []string{"GET *"}}, "listPets get_pets_pet-id"},
		{openapi.Options{Operations: []string{"*Pet"}}, "deletePet"},
		{openapi.Options{Tags: []string{"admin"}}, "create_pet deletePet"},
		{openapi.Options{Tags: []string{"admin"}, Operations: []string{"list*"}, Except: []string{"DELETE *"}}, "listPets create_pet"},
		{openapi.Options{Operations: []string{"GET *"}, Names: map[string]string{"listPets": "list", "GET /pets/{pet-id}": "get"}}, "list get"},
	} {
		tt.o.Secrets = all().Secrets
		var names []string
		for _, tool := range spec(t, pets(t), &tt.o).Tools {
			names = append(names, tool.Name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.o, got, tt.want)
		}
	}
}

func TestSpec_SaysAllThatIsWrongWithTheOptions(t *testing.T) {
	_, err := openapi.Spec([]byte(pets(t)), &openapi.Options{
		Operations: []string{"*", "none*"}, Tags: []string{"nobody"}, Except: []string{"x"},
		Names:   map[string]string{"listPets": "same", "create pet": "same", "what": "x"},
		Secrets: map[string]*httptool.Secret{"basic": secret("x"), "other": secret("x")},
	})
	for _, want := range []string{
		`Operations: "none*" matches no operation`, `Tags: "nobody" matches no operation`, `Except: "x" matches`, `Names: "what" is no operation`,
		`Secrets: "other" is no security scheme`, "listPets: no secret is there to sign in with; Secrets lacks key",
		`deletePet: security scheme "basic": its secret wants a BasicUser`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in\n%v", want, err)
		}
	}
	o := all()
	o.Names = map[string]string{"listPets": "same", "create pet": "same"}
	if _, err := openapi.Spec([]byte(pets(t)), o); err == nil || !strings.Contains(err.Error(), `create pet: its tool would be "same", which is listPets`) {
		t.Error(err)
	}
	if _, err := openapi.Spec([]byte(pets(t)), nil); err == nil || !strings.Contains(err.Error(), "nothing is chosen") {
		t.Error(err)
	}
}

const signed = `{"openapi":"3.1.0","info":{"title":"t","version":"1.0.0"},"servers":[{"url":"https://a.example"}],
"paths":{"/x":{"get":{"operationId":"x","security":%s,"responses":{"200":{"description":"d"}}}}},
"components":{"securitySchemes":{"q":{"type":"apiKey","in":"query","name":"k"},"c":{"type":"apiKey","in":"cookie","name":"sid"},
"h":{"type":"apiKey","in":"header","name":"X-Key"},"b":{"type":"http","scheme":"Bearer"},"basic":{"type":"http","scheme":"basic"},
"o":{"type":"openIdConnect","openIdConnectUrl":"https://a.example/c"},"m":{"type":"mutualTLS"},"d":{"type":"http","scheme":"digest"}}}}`

func TestSpec_SignsInByTheFirstAlternativeItCan(t *testing.T) {
	up := serve(t, `{}`)
	for _, tt := range []struct{ security, have, want string }{
		{`[]`, "q", "GET /x  "},
		{`[{"q":[]}]`, "q", "GET /x?k=v  "},
		{`[{"h":[]},{"q":[]}]`, "q", "GET /x?k=v  "},
		{`[{"h":[],"q":[]}]`, "h q", "GET /x?k=v v "},
		{`[{"c":[]}]`, "c", "GET /x sid=v "},
		{`[{"b":[]}]`, "b", "GET /x Bearer v "},
		{`[{"o":["s"]}]`, "o", "GET /x Bearer v "},
		{`[{"basic":[]}]`, "basic", "GET /x Basic bWU6dg== "},
		{`[{"h":[]},{}]`, "q", "GET /x  "},
		{`[{},{"h":[]}]`, "h", "GET /x v "},
		{`[{"h":[]},{"b":[]}]`, "q", "lacks h or b"},
		{`[{"m":[]}]`, "m", "mutualTLS is not supported"},
		{`[{"d":[]}]`, "d", "http digest is not supported"},
	} {
		o := &openapi.Options{Operations: []string{"*"}, BaseURL: up.URL, Addresses: []string{"loopback"}, Secrets: map[string]*httptool.Secret{}}
		for name := range strings.SplitSeq(tt.have, " ") {
			o.Secrets[name] = secret("v")
			if name == "basic" {
				o.Secrets[name].BasicUser = "me"
			}
		}
		s, err := openapi.Spec(fmt.Appendf(nil, signed, tt.security), o)
		if err != nil {
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v", tt.security, err)
			}
			continue
		}
		p, err := httptool.New(s, nil)
		must(t, err)
		if _, err := call(t, p, "x", `{}`); err != nil || up.sent() != tt.want {
			t.Errorf("%s: %q, want %q; %v", tt.security, up.sent(), tt.want, err)
		}
	}
}
