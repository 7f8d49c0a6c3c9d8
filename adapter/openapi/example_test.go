package openapi_test

import (
	"fmt"

	"github.com/trestle-mcp/trestle/adapter/openapi"
	"github.com/trestle-mcp/trestle/plugin/httptool"
)

func ExampleSpec() {
	const document = `
openapi: 3.1.0
info: {title: Weather, version: 1.2.0}
servers: [{url: 'https://api.weather.example/v1'}]
security: [{key: []}]
paths:
  /cities/{city}:
    get:
      operationId: forecast
      summary: The weather in a city
      parameters:
        - {name: city, in: path, required: true, schema: {type: string}}
        - {name: days, in: query, schema: {type: integer, maximum: 14}}
      responses: {200: {description: The weather.}}
components:
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Key}
`
	spec, err := openapi.Spec([]byte(document), &openapi.Options{
		Operations: []string{"GET *"},
		Secrets:    map[string]*httptool.Secret{"key": {File: "/run/secrets/weather"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	tool := spec.Tools[0]
	fmt.Println(spec.Name, spec.Version, tool.Name, "-", tool.Description)
	fmt.Println(string(tool.InputSchema))
	// Output:
	// Weather 1.2.0 forecast - The weather in a city
	// {"type":"object","properties":{"city":{"type":"string"},"days":{"maximum":14,"type":"integer"}},"required":["city"],"additionalProperties":false}
}
