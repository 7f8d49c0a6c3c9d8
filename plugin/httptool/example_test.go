package httptool_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/plugin/httptool"
)

// hands is a host that keeps what plugins have; a server is one.
type hands map[string]*plugin.Feature

func (h hands) Vet(_, _ []*plugin.Feature) error { return nil }

func (h hands) Swap(_, add []*plugin.Feature) error {
	for _, f := range add {
		h[f.Name()] = f
	}
	return nil
}

func Example() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"asked":%q}`, r.RequestURI)
	}))
	defer service.Close()

	spec, err := httptool.Parse("weather.yaml", []byte(`
name: weather
version: 1.0.0
base_url: `+service.URL+`/v1
addresses: [loopback] # this example's service is on this machine
tools:
  - name: forecast
    description: The weather in a city for the next days.
    url: /cities/{city}/forecast{?days}
    arguments:
      city: {description: "The name of the city, in English."}
      days: {type: integer, minimum: 1, maximum: 14, default: 3}
`))
	if err != nil {
		fmt.Println(err) // every mistake, with its line
		return
	}
	weather, err := httptool.New(spec, nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	// A server's own is srv.Plugins().
	tools := hands{}
	manager, err := plugin.NewManager(tools, plugin.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	defer func() { _ = manager.Close(ctx) }()
	if err := manager.Register(ctx, weather); err != nil {
		fmt.Println(err)
		return
	}
	for _, args := range []string{`{"city":"São Paulo/Centro"}`, `{"city":".."}`} {
		res, err := tools["forecast"].CallTool(ctx, &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: "forecast", Arguments: []byte(args)}})
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(shown(res))
	}
	// Output:
	// {"asked":"/v1/cities/S%C3%A3o%20Paulo%2FCentro/forecast?days=3"}
	// validation: invalid arguments: city: has . or .. in it: it is part of a path
}

func ExampleParse() {
	_, err := httptool.Parse("weather.yaml", []byte(`
name: weather
base_url: http://api.example.com
timeout: 10
tools:
  - name: forecast
    desription: The weather.
    url: /cities/{city}
`))
	fmt.Println(err)
	// Output:
	// weather.yaml:4: timeout: not a duration such as "10s"
	// weather.yaml:7: tools[0].desription: no such key; there are annotations, arguments, body, content_type, description, headers, input_schema, method, name, query, require, require_scopes, response, tags, timeout, title, url
}
