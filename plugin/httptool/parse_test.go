package httptool_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trestle-mcp/trestle/plugin/httptool"
)

const weather = `# the whole format
name: weather
version: 1.2.0
base_url: https://api.example.com/v1
hosts: [files.example.com]
addresses: [10.1.0.0/16]
timeout: 5s
max_response: 4096
headers:
  - {name: X-Client, value: trestle}
query:
  - {name: units, value: metric}
tools:
  - name: forecast
    title: Forecast
    description: The weather of the next days in a city.
    annotations: {open_world: false}
    url: /cities/{city}/forecast{?days}
    arguments:
      city: {description: The name of the city., min_length: 2, max_length: 64}
      days: {type: integer, minimum: 1, maximum: 14, default: 3}
      trace: {in: header, as: X-Trace, pattern: "^[a-z]+$"}
      format: {in: query, value: json}
    response:
      as: json
      pointer: /days
      status: {404: ok, 5xx: internal}
  - name: report
    description: Report the weather.
    method: POST
    url: https://files.example.com/reports
    body: form
    timeout: 1m
    input_schema:
      type: object
      properties: {text: {type: string}}
      required: [text]
      additionalProperties: false
    require: [write:reports]
    tags: [reports]
`

func TestParse_ReadsTheWholeFormat(t *testing.T) {
	spec, err := httptool.Parse("weather.yaml", []byte(weather))
	must(t, err)
	p, err := httptool.New(spec, nil)
	must(t, err)
	if p.Name() != "weather" || p.Version() != "1.2.0" {
		t.Errorf("%s %s", p.Name(), p.Version())
	}
	got, err := json.Marshal(p.Tool("forecast"))
	must(t, err)
	want := `{"name":"forecast","title":"Forecast","description":"The weather of the next days in a city.",` +
		`"annotations":{"destructiveHint":false,"idempotentHint":true,"openWorldHint":false,"readOnlyHint":true,"title":"Forecast"},` +
		`"inputSchema":{"type":"object","properties":{` +
		`"city":{"type":"string","description":"The name of the city.","minLength":2,"maxLength":64},` +
		`"days":{"type":"integer","default":3,"minimum":1,"maximum":14},"trace":{"type":"string","pattern":"^[a-z]+$"}},` +
		`"required":["city"],"additionalProperties":false}}`
	var gotAny, wantAny any
	must(t, json.Unmarshal(got, &gotAny))
	must(t, json.Unmarshal([]byte(want), &wantAny))
	if diff := cmp.Diff(wantAny, gotAny); diff != "" {
		t.Error(diff)
	}
	if order := string(got); strings.Index(order, `"city"`) > strings.Index(order, `"days"`) {
		t.Error("the arguments are not in the order of the file")
	}
}

func TestParse_ReturnsEveryMistakeWithItsLine(t *testing.T) {
	_, err := httptool.Parse("w.yaml", []byte(`name: weather forecast
version: "1"
base_url: http://api.example.com/{v}
adresses: []
timeout: 5
max_response: 1e3
hosts: ["https://x", a/b]
addresses: [10.1.2.3/8, internal]
headers:
  - {name: Host, value: x}
  - {name: "X Y", value: x}
  - {name: X-A, value: "a\r\nX-B: c"}
  - {name: X-C, value: x, secret: {env: X}}
  - {name: X-D, secret: {}}
  - {name: X-E, secret: {env: A, file: B}}
tools:
  - name: a b
    url: /x
    method: get
    body: xml
  - name: b
    name: c
    description: &anchor x
    url: /{a}/{+b}
  - description: x
    url: //evil.example/x
    timeout: -1s
  - name: d
    description: x
    url: /{city}{?day}
    arguments:
      town: {type: text}
      city: {required: yes, in: cookie}
      auth: {in: header, as: authorization}
      body: {in: field}
  - name: d
    description: x
    url: https://other.example/x
    input_schema: {type: array}
    response: {as: csv, pointer: x, status: {404: forbidden, 4: ok}, output_schema: {type: nothing}}
`))
	if err == nil {
		t.Fatal("no mistake was found")
	}
	// What is wrong in the form hides what is wrong in the matter.
	form := []string{
		"w.yaml:4: adresses: no such key; there are addresses, base_url,", `w.yaml:5: timeout: not a duration such as "10s"`,
		"w.yaml:6: max_response: not a whole number", "w.yaml:22: tools[1].name: there twice",
		"w.yaml:23: tools[1].description: anchors, aliases and tags are not allowed",
		"w.yaml:33: tools[3].arguments.city.required: neither true nor false",
	}
	for _, want := range form {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in\n%v", want, err)
		}
	}
	if got := strings.Count(err.Error(), "\n") + 1; got != len(form) {
		t.Errorf("%d mistakes, want %d:\n%v", got, len(form), err)
	}

	_, err = httptool.Parse("w.yaml", []byte(`name: weather forecast
version: "1"
base_url: http://api.example.com/{v}
max_response: -1
timeout: 11m
hosts: ["https://x", a/b]
addresses: [10.1.2.3/8, internal]
headers:
  - {name: Host, value: x}
  - {name: "X Y", value: x}
  - {name: X-A, value: "a\r\nX-B: c"}
  - {name: X-C, value: x, secret: {env: X}}
  - {name: X-D, secret: {}}
  - {name: X-E, secret: {env: A, file: B}}
  - {name: x-e, value: x}
tools:
  - name: a b
    url: /x
    method: get
    body: xml
  - name: d
    description: x
    url: https://other.example/x
    input_schema: {type: array}
    response: {as: csv, pointer: x, status: {404: forbidden, 4: ok}, output_schema: {type: nothing}}
  - name: d
    description: x
    url: https://other.example/x
    timeout: -1s
`))
	for _, want := range []string{
		"w.yaml:1: name: want 1 to 64", "w.yaml:2: version: want a semantic version", "w.yaml:3: base_url: has a user, a query",
		"w.yaml:4: max_response: want 1 to", "w.yaml:5: timeout: want more than 0 and at most 10m", "w.yaml:6: hosts[0]: not a host",
		"w.yaml:6: hosts[1]: not a host", "w.yaml:7: addresses[0]: neither", "w.yaml:7: addresses[1]: neither",
		"w.yaml:9: headers[0].name: not the name of a header", "w.yaml:10: headers[1].name: not the name", "w.yaml:11: headers[2].value: has a control",
		"w.yaml:12: headers[3]: has both", "w.yaml:13: headers[4].secret: wants exactly one", "w.yaml:14: headers[5].secret: wants exactly one",
		`w.yaml:15: headers[6].name: "x-e" is there twice`, "w.yaml:17: tools[0].name: want 1 to 64", "w.yaml:17: tools[0].description: missing",
		"w.yaml:19: tools[0].method: want GET", "w.yaml:20: tools[0].body: want json", "w.yaml:23: tools[1].url: scheme and host are neither",
		"w.yaml:24: tools[1].input_schema: ", "w.yaml:25: tools[1].response.as: want auto", "w.yaml:25: tools[1].response.pointer: not a JSON pointer",
		`w.yaml:25: tools[1].response.status.404: "forbidden": want ok`, "w.yaml:25: tools[1].response.status.4: want a status",
		"w.yaml:25: tools[1].response.output_schema: ", `w.yaml:26: tools[2].name: "d" is there twice`, "w.yaml:29: tools[2].timeout: want more than 0",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in\n%v", want, err)
		}
	}
}

// Each is a tool of a service that is right otherwise, and what is wrong with it.
func TestParse_RefusesToolsThatCannotWork(t *testing.T) {
	const head = "name: t\nversion: 1.0.0\nbase_url: https://a.example/v1\nhosts: [b.example]\n" +
		"headers: [{name: X-Key, value: k}]\nquery: [{name: key, value: k}]\ntools:\n- name: t\n  description: d\n"
	for name, tt := range map[string]struct{ text, want string }{
		"an operator in the path":        {"url: '/{+x}'\n  arguments: {x: }", "{+x}: in the path there may be {name} alone"},
		"a variable twice":               {"url: '/{x}/{x}'\n  arguments: {x: }", "{x} is there twice"},
		"a variable in the host":         {"url: 'https://{x}.example/'\n  arguments: {x: }", "a host that no argument changes"},
		"a variable behind the host":     {"url: 'https://a.example{x}'\n  arguments: {x: }", "a host that no argument changes"},
		"a user in the host":             {"url: 'https://a.example@evil.example/'", "a host that no argument changes"},
		"a network path":                 {"url: '//b.example/'", "neither a path"},
		"another host":                   {"url: 'https://c.example/'", "neither those of base_url nor https and one of hosts"},
		"another port":                   {"url: 'https://b.example:444/'", "neither those of base_url nor https and one of hosts"},
		"plain HTTP":                     {"url: 'http://b.example/'", "neither those of base_url nor https and one of hosts"},
		"a file":                         {"url: 'file:///etc/passwd'", "not a URL"},
		"dots":                           {"url: '/../x'", "has . or .."},
		"encoded dots":                   {"url: '/%2e%2E/x'", "has . or .."},
		"a fragment":                     {"url: '/#x'", "a fragment"},
		"a backslash":                    {`url: '/\x'`, "a backslash"},
		"a variable without an argument": {"url: '/{x}{?y}'", "there is no argument for {x}"},
		"a query variable without one":   {"url: '/{?y}'", "there is no argument for y"},
		"a query behind a fragment of a template": {"url: '/{?y}z'\n  arguments: {y: }", "at its end"},
		"an argument in no path":                  {"url: '/x'\n  arguments: {y: {in: path}}", "the path of the URL has no {y}"},
		"a path that may be absent":               {"url: '/{x}'\n  input_schema: {type: object, properties: {x: {type: string}}}", "has to be required"},
		"no such place":                           {"url: '/x'\n  arguments: {y: {in: cookie}}", `"cookie": want path`},
		"no such style":                           {"url: '/x'\n  arguments: {y: {style: tab}}", `"tab": want repeat`},
		"a style of a header":                     {"url: '/x'\n  arguments: {y: {in: header, style: pipe}}", "only for query parameters"},
		"a body of a GET":                         {"url: '/x'\n  arguments: {y: {in: field}}", "of method GET has no body"},
		"two bodies":                              {"url: '/x'\n  method: POST\n  arguments: {y: {in: body}, z: }", "there can be no other"},
		"a text without a body":                   {"url: '/x'\n  method: POST\n  body: text\n  arguments: {z: }", "text is for an argument in: body"},
		"an argument that signs in":               {"url: '/x'\n  arguments: {y: {in: header, as: authorization}}", "not a header that callers may set"},
		"an argument for HTTP":                    {"url: '/x'\n  arguments: {y: {in: header, as: content-length}}", "not a header that callers may set"},
		"an argument over a header":               {"url: '/x'\n  arguments: {y: {in: header, as: x-key}}", "y goes where headers goes"},
		"an argument over a parameter":            {"url: '/x'\n  arguments: {key: }", "key goes where query goes"},
		"an argument over the URL":                {"url: '/x?y=1'\n  arguments: {y: }", "y goes where the URL goes"},
		"a header of the service":                 {"url: '/x'\n  headers: [{name: x-key, value: a}]", "is one of the service's, too"},
		"two in one place":                        {"url: '/x'\n  arguments: {y: , z: {as: y}}", "z goes where y goes"},
		"words beside a schema":                   {"url: '/x'\n  arguments: {y: {type: string}}\n  input_schema: {type: object, properties: {y: {}}}", "may stand beside input_schema"},
		"an argument of no schema":                {"url: '/x'\n  arguments: {y: }\n  input_schema: {type: object}", "is not in input_schema"},
		"a constant in the schema":                {"url: '/x'\n  arguments: {y: {value: 1}}\n  input_schema: {type: object, properties: {y: {}}}", "is a constant, and in input_schema"},
		"a reference to the network":              {"url: '/x'\n  input_schema: {type: object, properties: {y: {$ref: 'https://evil.example/s'}}}", "not local"},
		"a reference to a file":                   {"url: '/x'\n  response: {output_schema: {type: object, properties: {y: {$ref: 'file:///etc/passwd'}}}}", "not local"},
		"no such type":                            {"url: '/x'\n  arguments: {y: {type: text}}", `"text": want string`},
		"a bad pattern":                           {"url: '/x'\n  arguments: {y: {pattern: '('}}", "missing closing"},
		"a bound that is no number":               {"url: '/x'\n  arguments: {y: {type: integer, minimum: x}}", "not a number"},
		"a bound of a text":                       {"url: '/x'\n  arguments: {y: {minimum: 1}}", "not for a string"},
		"a text with a pointer":                   {"url: '/x'\n  response: {as: text, pointer: /a}", "no pointer"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := httptool.Parse("t.yaml", []byte(head+"  "+tt.text+"\n"))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "t.yaml:") {
				t.Errorf("want %q, got %v", tt.want, err)
			}
		})
	}
}

func TestParse_RefusesWhatIsNoDescription(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "a comment": "# nothing\n", "a list": "- x\n", "a text": "x\n", "two documents": weather + "---\n" + weather,
		"cut off": weather[:len(weather)/2] + "\n  x: [", "an alias": "name: &x a\nversion: *x\n", "a merge": weather + "<<: {x: y}\n",
		"not UTF-8": "name: \xff\n", "large": strings.Repeat("#", 2<<20), "deep": "tools: " + strings.Repeat("[", 100_000),
		"deep schema": strings.Replace(weather, "text: {type: string}", "text: "+strings.Repeat("{not: ", 200)+"{}"+strings.Repeat("}", 200), 1),
		"a bomb":      "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "a tag": strings.Replace(weather, "name: weather", "name: !!str weather", 1),
	} {
		if _, err := httptool.Parse("t.yaml", []byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		} else if len(err.Error()) > 64<<10 || strings.ContainsAny(err.Error(), "\x00\x1b") {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(weather))
	f.Add([]byte(`{"name":"a","version":"1.0.0","base_url":"https://a.example","tools":[{"name":"t","description":"d","url":"/{a}{?b*}","arguments":{"a":null,"b":{"schema":{"type":"array"}}}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		spec, err := httptool.Parse("f.yaml", text)
		if err != nil {
			return
		}
		spec.Headers, spec.Query = nil, nil
		for i := range spec.Tools {
			spec.Tools[i].Headers = nil
		}
		if _, err := httptool.New(spec, nil); err != nil {
			t.Errorf("parsed, and refused: %v", err)
		}
	})
}

func TestParse_ReadsWhatTheGuideShows(t *testing.T) {
	guide, err := os.ReadFile("../../docs/plugin-sources.md")
	must(t, err)
	_, rest, _ := strings.Cut(string(guide), "```yaml\n")
	text, _, ok := strings.Cut(rest, "```")
	if _, err := httptool.Parse("guide.yaml", []byte(text)); err != nil || !ok {
		t.Error(err)
	}
}
