module github.com/trestle-mcp/trestle/cmd/trestle

go 1.26.0

require (
	github.com/modelcontextprotocol/go-sdk v1.8.0
	github.com/spf13/cobra v1.10.2
	github.com/tidwall/sjson v1.2.9
	github.com/trestle-mcp/trestle v0.0.0
	github.com/trestle-mcp/trestle/examples v0.0.0
	go.uber.org/zap v1.28.0
	golang.org/x/mod v0.43.0
	golang.org/x/term v0.48.0
)

require (
	github.com/Masterminds/semver/v3 v3.5.0 // indirect
	github.com/gabriel-vasile/mimetype v1.4.16 // indirect
	github.com/go-jose/go-jose/v4 v4.1.8 // indirect
	github.com/go-playground/locales v0.14.2 // indirect
	github.com/go-playground/universal-translator v0.18.2 // indirect
	github.com/go-playground/validator/v10 v10.30.6 // indirect
	github.com/google/jsonschema-go v0.4.3 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/leodido/go-urn v1.5.0 // indirect
	github.com/segmentio/asm v1.1.3 // indirect
	github.com/segmentio/encoding v0.5.4 // indirect
	github.com/spf13/pflag v1.0.9 // indirect
	github.com/tidwall/gjson v1.20.2 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.3.0 // indirect
	github.com/yosida95/uritemplate/v3 v3.0.2 // indirect
	go.uber.org/multierr v1.10.0 // indirect
	go.yaml.in/yaml/v4 v4.0.0 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/oauth2 v0.37.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.50.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)

replace github.com/trestle-mcp/trestle => ../../

replace github.com/trestle-mcp/trestle/examples => ../../examples

replace github.com/trestle-mcp/trestle/adapter/sqlite => ../../adapter/sqlite

replace github.com/trestle-mcp/trestle/adapter/postgres => ../../adapter/postgres

replace github.com/trestle-mcp/trestle/adapter/redis => ../../adapter/redis

replace github.com/trestle-mcp/trestle/adapter/openapi => ../../adapter/openapi

replace github.com/trestle-mcp/trestle/adapter/prometheus => ../../adapter/prometheus

replace github.com/trestle-mcp/trestle/adapter/otel => ../../adapter/otel
