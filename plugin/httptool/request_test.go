package httptool_test

import (
	"net/url"
	"strings"
	"testing"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/plugin/httptool"
)

const requests = `
headers: [{name: X-Client, value: trestle}]
query: [{name: key, value: "k&1"}]
tools:
  - {name: path, description: d, url: '/a/{x}/b/{y}', arguments: {x: {}, y: {type: integer}}}
  - {name: two, description: d, url: '/m/{a}{b}/end', arguments: {a: {}, b: {}}}
  - {name: bare, description: d, url: '/a', query: [{name: own, value: '2'}], headers: [{name: X-Own, value: o}]}
  - name: query
    description: d
    url: '/q?fixed=1{&comma,star*}'
    arguments:
      comma: {schema: {type: array}}
      star: {schema: {type: array}}
      pipe: {schema: {type: array}, style: pipe}
      space: {schema: {type: array}, style: space}
      deep: {schema: {type: object}, style: deep}
      json: {schema: {}, style: json, as: j}
      plain: {schema: {}}
      number: {type: number, default: 7}
      constant: {value: [1, b]}
  - name: header
    description: d
    url: '/h'
    arguments: {h: {in: header, as: X-Arg}, n: {in: header, as: X-Num, schema: {type: [array, integer]}}}
  - name: json
    description: d
    url: '/j/{id}'
    method: POST
    content_type: application/merge-patch+json
    arguments: {id: {}, n: {type: integer}, o: {as: obj, schema: {}}, c: {value: {a: 1.50}}}
  - {name: form, description: d, url: '/f', method: PUT, body: form, arguments: {a: , l: {schema: {type: array}}}}
  - {name: whole, description: d, url: '/w', method: POST, arguments: {all: {in: body, schema: {}, required: true}}}
  - {name: text, description: d, url: '/t', method: POST, body: text, arguments: {all: {in: body}}}
  - {name: formed, description: d, url: '/w', method: POST, body: form, arguments: {all: {in: body, schema: {type: object}}}}
  - {name: delete, description: d, url: '/d', method: DELETE, arguments: {id: }}
`

func TestCall_PutsArgumentsWhereTheyBelong(t *testing.T) {
	u := serve(t, nil)
	p := u.plugin(t, requests)
	for _, tt := range []struct{ tool, args, request, body, header string }{
		{"path", `{"x":"a b/c?d#e%2F","y":1e2}`, "GET /v1/a/a%20b%2Fc%3Fd%23e%252F/b/100?key=k%261", "", ""},
		{"path", `{"x":"ü;=@:","y":-1}`, "GET /v1/a/%C3%BC%3B%3D%40%3A/b/-1?key=k%261", "", ""},
		{"path", `{"x":"...","y":9007199254740993}`, "GET /v1/a/.../b/9007199254740993?key=k%261", "", ""},
		{"bare", ``, "GET /v1/a?key=k%261&own=2", "", "X-Own: o; X-Client: trestle"},
		{"query", `{}`, "GET /v1/q?fixed=1&number=7&constant=1&constant=b&key=k%261", "", ""},
		{
			"query", `{"comma":["a,b","c"],"star":[1,true],"pipe":["x","y|"],"space":["x y","z"],"deep":{"b":"2","a":1},"json":[{"a":1.0}],"plain":"a&b=c","number":1.50}`,
			"GET /v1/q?fixed=1&comma=a%2Cb,c&star=1&star=true&pipe=x%7Cy%7C&space=x%20y%20z&deep%5Ba%5D=1&deep%5Bb%5D=2&j=%5B%7B%22a%22%3A1.0%7D%5D&plain=a%26b%3Dc&number=1.50&constant=1&constant=b&key=k%261",
			"", "",
		},
		{"query", `{"plain":null,"json":null,"comma":[],"star":[],"number":2}`, "GET /v1/q?fixed=1&comma=&number=2&constant=1&constant=b&key=k%261", "", ""},
		{"header", `{"h":"a b","n":[1,2]}`, "GET /v1/h?key=k%261", "", "X-Arg: a b; X-Num: 1,2; X-Client: trestle; User-Agent: test/1.0.0"},
		{"json", `{"id":"a","n":9007199254740993,"o":{"x":[null,"<&>"]}}`, "POST /v1/j/a?key=k%261", `{"n":9007199254740993,"obj":{"x":[null,"<&>"]},"c":{"a":1.50}}`, "Content-Type: application/merge-patch+json"},
		{"json", `{"id":"a"}`, "POST /v1/j/a?key=k%261", `{"c":{"a":1.50}}`, "X-Client: trestle"},
		{"form", `{"a":"x&y = z","l":["1",2]}`, "PUT /v1/f?key=k%261", "a=x%26y%20%3D%20z&l=1&l=2", "Content-Type: application/x-www-form-urlencoded"},
		{"whole", `{"all":[1,{"a":"b"}]}`, "POST /v1/w?key=k%261", `[1,{"a":"b"}]`, "Content-Type: application/json"},
		{"whole", `{"all":null}`, "POST /v1/w?key=k%261", `null`, ""},
		{"text", `{"all":"a\nb"}`, "POST /v1/t?key=k%261", "a\nb", "Content-Type: text/plain; charset=utf-8"},
		{"text", `{}`, "POST /v1/t?key=k%261", "", ""},
		{"formed", `{"all":{"b":[1,2],"a":"x"}}`, "POST /v1/w?key=k%261", "a=x&b=1&b=2", ""},
		{"delete", `{"id":"7"}`, "DELETE /v1/d?id=7&key=k%261", "", ""},
	} {
		res, err := p.Call(t.Context(), tt.tool, tt.args)
		if err != nil || res.IsError {
			t.Errorf("%s %s: %v", tt.tool, tt.args, err)
			continue
		}
		got := u.last(t)
		if request := got.method + " " + got.uri; request != tt.request || got.body != tt.body {
			t.Errorf("%s %s:\n got %s\n     %s\nwant %s\n     %s", tt.tool, tt.args, request, got.body, tt.request, tt.body)
		}
		for line := range strings.SplitSeq(tt.header, "; ") {
			if name, value, ok := strings.Cut(line, ": "); ok && !strings.HasPrefix(got.header.Get(name), value) {
				t.Errorf("%s: %s is %q, want %q", tt.tool, name, got.header.Get(name), value)
			}
		}
		if inbound := got.header.Get("Authorization"); inbound != "" {
			t.Errorf("the caller's token was passed on: %s", inbound)
		}
	}
}

func TestCall_RefusesArgumentsThatMakeAnotherRequest(t *testing.T) {
	u := serve(t, nil)
	p := u.plugin(t, requests)
	for _, tt := range []struct{ tool, args, want string }{
		{"path", `{"x":"..","y":1}`, "x: has . or .. in it"},
		{"path", `{"x":".","y":1}`, "x: has . or .. in it"},
		{"path", `{"x":"a/../b","y":1}`, "x: has . or .. in it"},
		{"path", `{"x":"a\\..\\b","y":1}`, "x: has . or .. in it"},
		{"path", `{"x":"..;a=b","y":1}`, "x: has . or .. in it"},
		{"path", `{"x":"%2e%2E","y":1}`, "x: has . or .. in it"},
		{"path", `{"x":"%252e%252e%252fx","y":1}`, "x: has . or .. in it"},
		{"path", `{"x":"%2e./%zz","y":1}`, "x: has . or .. in it"},
		{"path", `{"x":"","y":1}`, "x: must not be empty"},
		{"path", `{"x":"a\u0000b","y":1}`, "x: has a control character"},
		{"path", `{"x":"a%0d%0ab","y":1}`, "x: has a control character"},
		{"two", `{"a":"%2","b":"e%2e"}`, "they make a path with . or .. in it"},
		{"two", `{"a":"%2e","b":"x/.%2"}`, "a: has . or .. in it"},
		{"path", `{"y":1}`, "x: required, missing"},
		{"path", `{"x":"a","y":"1"}`, "y: must be"},
		{"path", `{"x":"a","y":1,"z":2}`, "z: unknown argument"},
		{"path", `{"x":"` + strings.Repeat("a", 9000) + `","y":1}`, "a URL of more than 8192 bytes"},
		{"query", `{"plain":{"a":1}}`, "plain: must not be an object"},
		{"query", `{"comma":[["a"]]}`, "comma: must be a string, a number or a boolean"},
		{"query", `{"deep":{"a":{"b":1}}}`, "deep: must be a string, a number or a boolean"},
		{"path", `{"x":null,"y":1}`, "x: must be"},
		{"query", `{"constant":2}`, "constant: unknown argument"},
		{"header", `{"h":"a\r\nX-Evil: 1"}`, "h: has a control character"},
		{"header", `{"h":" a"}`, "h: has a control character, or a blank at an end"},
		{"form", `{"l":[{"a":1}]}`, "l: must be a string, a number or a boolean"},
		{"formed", `{"all":{"a":{"b":1}}}`, "all: a: must not be an object"},
	} {
		res, err := p.Call(t.Context(), tt.tool, tt.args)
		if err == nil {
			t.Errorf("%s %s: no error, %v", tt.tool, tt.args, res)
			continue
		}
		if code, text, _ := failure(t, res, err); code != mcperrors.Validation || !strings.Contains(text, tt.want) {
			t.Errorf("%s %s: %s %q, want %q", tt.tool, tt.args, code, text, tt.want)
		}
	}
	if n := u.count(); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

// An open schema lets arguments through that go nowhere.
func TestCall_RefusesArgumentsThatGoNowhere(t *testing.T) {
	u := serve(t, nil)
	p := u.plugin(t, "tools: [{name: t, description: d, url: /x, input_schema: {type: object, properties: {a: {}}}}]\n")
	_, err := p.Call(t.Context(), "t", `{"a":1,"b":2}`)
	if mcperrors.CodeOf(err) != mcperrors.Validation || !strings.Contains(err.Error(), "b: unknown argument") {
		t.Error(err)
	}
}

// Whatever the argument is, the request goes to the same host, below the same
// path, and the server reads back what was given.
func FuzzPathArgument(f *testing.F) {
	for _, s := range []string{"a", "..", "a/../b", "%2e%2e", "a?b", "a#b", "//evil", "\\\\evil", "ü", "a%zz", "@evil", ":1", "%252e%252e/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		raw, err := httptool.PathFor(s)
		if err != nil {
			return
		}
		u, err := url.Parse("https://api.example.com" + raw)
		if err != nil || u.Host != "api.example.com" || u.RawQuery != "" || u.Fragment != "" {
			t.Fatalf("%q: %q %v", s, raw, err)
		}
		segments := strings.Split(u.EscapedPath(), "/")
		if len(segments) != 4 || segments[3] != "end" || httptool.HasDots(u.EscapedPath()) {
			t.Fatalf("%q: %q", s, raw)
		}
		if back, err := url.PathUnescape(segments[2]); err != nil || back != s {
			t.Errorf("%q comes back as %q", s, back)
		}
		if joined := u.JoinPath("x").Path; !strings.HasPrefix(joined, "/v1/") {
			t.Errorf("%q leaves the path: %q", s, joined)
		}
	})
}
