package catalog_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/catalog"
)

func decode(t *testing.T, raw string) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Decode([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tool is a catalog of one tool with an input schema, and an output schema.
func tool(t *testing.T, input, output string) *catalog.Catalog {
	t.Helper()
	if output != "" {
		output = `,"outputSchema":` + output
	}
	return decode(t, `{"tools":[{"name":"t","description":"A tool.","inputSchema":`+input+output+`}]}`)
}

func object(properties, rest string) string {
	return `{"type":"object","properties":{` + properties + `}` + rest + `}`
}

func TestCompare_NamesWhatBreaksClientsAndWhatDoesNot(t *testing.T) {
	closed := `,"additionalProperties":false`
	tests := []struct {
		name                         string
		from, to, outputFrom, output string
		want                         []string
	}{
		{"nothing", object(`"a":{"type":"string"}`, ""), object(`"a":{"type":"string"}`, ""), "", "", nil},
		{
			"an argument gone", object(`"a":{"type":"string"}`, closed), object(``, closed), "", "",
			[]string{`breaks clients: tool "t": arguments: "a" is unknown`},
		},
		{
			"an argument gone that is still let through", object(`"a":{"type":"string"}`, ""), object(``, ""), "", "",
			[]string{`tool "t": arguments: "a" is not described`},
		},
		{
			"a required argument more", object(``, ""), object(`"a":{"type":"string"}`, `,"required":["a"]`), "", "",
			[]string{`breaks clients: tool "t": arguments: "a" added, and required`},
		},
		{
			"an argument more", object(``, ""), object(`"a":{"type":"string"}`, ""), "", "",
			[]string{`tool "t": arguments: "a" added`},
		},
		{
			"required now", object(`"a":{"type":"string"}`, ""), object(`"a":{"type":"string"}`, `,"required":["a"]`), "", "",
			[]string{`breaks clients: tool "t": arguments: "a" is required`},
		},
		{
			"optional now", object(`"a":{"type":"string"}`, `,"required":["a"]`), object(`"a":{"type":"string"}`, ""), "", "",
			[]string{`tool "t": arguments: "a" is optional`},
		},
		{
			"another type", object(`"a":{"type":"integer"}`, ""), object(`"a":{"type":"string"}`, ""), "", "",
			[]string{`breaks clients: tool "t": arguments.a: type [string] instead of [integer]`},
		},
		{
			"a wider type", object(`"a":{"type":"integer"}`, ""), object(`"a":{"type":"number"}`, ""), "", "",
			[]string{`tool "t": arguments.a: type [number] instead of [integer]`},
		},
		{
			"tighter and looser bounds", object(`"a":{"type":"integer","minimum":1,"maximum":9}`, ""), object(`"a":{"type":"integer","minimum":2,"maximum":10}`, ""), "", "",
			[]string{`breaks clients: tool "t": arguments.a: minimum 2 instead of 1`, `tool "t": arguments.a: maximum 10 instead of 9`},
		},
		{
			"values", object(`"a":{"enum":["x","y"]}`, ""), object(`"a":{"enum":["y","z"]}`, ""), "", "",
			[]string{`breaks clients: tool "t": arguments.a: [x] is none of its values`, `tool "t": arguments.a: may be [z]`},
		},
		{
			"inside of a list", object(`"a":{"type":"array","items":{"type":"string"}}`, ""), object(`"a":{"type":"array","items":{"type":"string","maxLength":3}}`, ""), "", "",
			[]string{`breaks clients: tool "t": arguments.a[]: maxLength 3 instead of none`},
		},
		{
			"nothing unknown", object(``, ""), object(``, closed), "", "",
			[]string{`breaks clients: tool "t": arguments: nothing unknown any more`},
		},
		{
			"answers", object(``, ""), object(``, ""),
			object(`"a":{"type":"integer"},"b":{"type":"string"}`, `,"required":["b"]`), object(`"b":{"type":"string"},"c":{"type":"string"}`, ""),
			[]string{
				`breaks clients: tool "t": output: "a" removed`, `breaks clients: tool "t": output: "b" may be missing`,
				`tool "t": output: "c" added`,
			},
		},
		{
			"wider answers", object(``, ""), object(``, ""), object(`"a":{"type":"integer"}`, ""), object(`"a":{"type":"number"}`, ""),
			[]string{`breaks clients: tool "t": output.a: type [number] instead of [integer]`},
		},
		{
			"no answers any more", object(``, ""), object(``, ""), object(``, ""), "",
			[]string{`breaks clients: tool "t": no structured output any more`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, c := range catalog.Compare(tool(t, tt.from, tt.outputFrom), tool(t, tt.to, tt.output)) {
				got = append(got, c.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompare_LooksAtEveryKind(t *testing.T) {
	from := decode(t, `{"instructions":"a","tools":[{"name":"gone","inputSchema":{"type":"object"}}],
		"resources":[{"uri":"a://b","name":"b","mimeType":"text/plain"}],"resourceTemplates":[{"uriTemplate":"a://{b}","name":"b"}],
		"prompts":[{"name":"p","arguments":[{"name":"x"},{"name":"y"}]}]}`)
	to := decode(t, `{"instructions":"b","tools":[{"name":"come","inputSchema":{"type":"object"}}],
		"resources":[{"uri":"a://b","name":"b","mimeType":"application/json"}],"resourceTemplates":[{"uriTemplate":"a://{b}","name":"c"}],
		"prompts":[{"name":"p","arguments":[{"name":"x","required":true},{"name":"z"}]}]}`)
	want := []string{
		`breaks clients: tool "gone": removed`,
		`breaks clients: resource "a://b": type "application/json" instead of "text/plain"`,
		`breaks clients: prompt "p": argument "x" is required`,
		`breaks clients: prompt "p": argument "y" removed`,
		`instructions: other text`,
		`tool "come": added`,
		`resource template "a://{b}": described otherwise`,
		`prompt "p": argument "z" added`,
	}
	var got []string
	for _, c := range catalog.Compare(from, to) {
		got = append(got, c.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLint_FindsEachRulesFaultAndNothingInASoundCatalog(t *testing.T) {
	described := `"a":{"type":"string","description":"An argument."}`
	sound := decode(t, `{"tools":[{"name":"add","description":"Adds.","inputSchema":`+object(described, "")+`},
		{"name":"delete_note","description":"Deletes.","annotations":{"destructiveHint":true},"inputSchema":{"type":"object"}}],
		"prompts":[{"name":"p","description":"A prompt.","arguments":[{"name":"x","description":"An argument."}]}],
		"resources":[{"uri":"a://b","name":"b","description":"A resource."}]}`)
	if found := catalog.Lint(sound); len(found) != 0 {
		t.Errorf("a sound catalog has %v", found)
	}
	one := func(name, schema, rest string) string {
		return `{"tools":[{"name":"` + name + `","description":"A tool.","inputSchema":` + schema + rest + `}]}`
	}
	deep := `"a":{"type":"string","description":"d"}`
	for range 6 {
		deep = `"a":{"type":"object","description":"d","properties":{` + deep + `}}`
	}
	tests := []struct{ rule, raw, says string }{
		{catalog.RuleName, one("a.b", `{"type":"object"}`, ""), "letters, digits"},
		{catalog.RuleAmbiguous, `{"tools":[{"name":"get_note","description":"d","inputSchema":{"type":"object"}},{"name":"getNote","description":"d","inputSchema":{"type":"object"}}]}`, `"get_note"`},
		{catalog.RuleDescription, `{"tools":[{"name":"a","inputSchema":{"type":"object"}}]}`, "no description"},
		{catalog.RuleDescription, `{"tools":[{"name":"a","description":"` + strings.Repeat("x", 1025) + `","inputSchema":{"type":"object"}}]}`, "1025"},
		{catalog.RuleDescription, `{"resources":[{"uri":"a://b","name":"b"}]}`, "no description"},
		{catalog.RuleArgument, one("a", object(`"x":{"type":"string"}`, ""), ""), `"x" has no description`},
		{catalog.RuleArgument, `{"prompts":[{"name":"p","description":"d","arguments":[{"name":"x"}]}]}`, `"x" has no description`},
		{catalog.RuleSchema, one("a", `{"type":"string"}`, ""), "root"},
		{catalog.RuleSchema, one("a", `{"type":"object","oneOf":[]}`, ""), "oneOf"},
		{catalog.RuleSchema, one("a", object(`"x":{"type":"array","description":"d"}`, ""), ""), "without items"},
		{catalog.RuleSchema, one("a", object(`"x":{"$ref":"https://example.com/s.json","description":"d"}`, ""), ""), "do not fetch"},
		{catalog.RuleSchema, one("a", object(`"x":{"description":"d"}`, ""), ""), "no type"},
		{catalog.RuleSchema, one("a", object(`"x y":{"type":"string","description":"d"}`, ""), ""), "model providers"},
		{catalog.RuleSchema, one("a", `{"type":"object"}`, `,"outputSchema":{"type":"array"}`), "output schema"},
		{catalog.RuleAnnotations, one("purgeAll", `{"type":"object"}`, ""), "no annotations"},
		{catalog.RuleAnnotations, one("drop_table", `{"type":"object"}`, `,"annotations":{"readOnlyHint":true}`), "only reads"},
		{catalog.RuleContradict, one("look", `{"type":"object"}`, `,"annotations":{"readOnlyHint":true,"destructiveHint":true}`), "destroys"},
		{catalog.RuleDeep, one("a", object(deep, ""), ""), "levels"},
	}
	for _, tt := range tests {
		found := catalog.Lint(decode(t, tt.raw))
		if len(found) != 1 || found[0].Rule != tt.rule || !strings.Contains(found[0].String(), tt.says) {
			t.Errorf("%s %q: found %v", tt.rule, tt.says, found)
		}
		if found := catalog.Lint(decode(t, tt.raw), tt.rule); len(found) != 0 {
			t.Errorf("without %s: found %v", tt.rule, found)
		}
	}
	many := new(catalog.Catalog)
	for i := range 129 {
		many.Tools = append(many.Tools, &mcp.Tool{
			Name: "tool" + strings.Repeat("x", i%60) + string(rune('a'+i/60)), Description: "d", InputSchema: map[string]any{"type": "object"},
		})
	}
	if found := catalog.Lint(many); len(found) != 1 || found[0].Rule != catalog.RuleMany {
		t.Errorf("found %v", found)
	}
}
