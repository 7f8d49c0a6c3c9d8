module github.com/trestle-mcp/trestle/adapter/postgres

go 1.26.0

require (
	github.com/jackc/pgx/v5 v5.12.0
	github.com/trestle-mcp/trestle v0.0.0
)

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	github.com/modelcontextprotocol/go-sdk v1.8.0 // indirect
	github.com/segmentio/asm v1.1.3 // indirect
	github.com/segmentio/encoding v0.5.4 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/trestle-mcp/trestle => ../..
