package otel

import "go.opentelemetry.io/otel/attribute"

// The names of the semantic conventions for MCP, as of the version in schemaURL. What
// begins with trestle is not of them.
const (
	schemaURL = "https://opentelemetry.io/schemas/1.41.0"

	keyMethod     = attribute.Key("mcp.method.name")
	keyVersion    = attribute.Key("mcp.protocol.version")
	keySession    = attribute.Key("mcp.session.id") // its beginning: all of it lets a reader join
	keyResource   = attribute.Key("mcp.resource.uri")
	keyOperation  = attribute.Key("gen_ai.operation.name")
	keyTool       = attribute.Key("gen_ai.tool.name")
	keyPrompt     = attribute.Key("gen_ai.prompt.name")
	keyArguments  = attribute.Key("gen_ai.tool.call.arguments")
	keyError      = attribute.Key("error.type")
	keyStatusCode = attribute.Key("rpc.response.status_code")
	keyTransport  = attribute.Key("network.transport")
	keyRequestID  = attribute.Key("trestle.request.id")

	executeTool  = "execute_tool"
	errorOfTool  = "tool_error"
	transportTCP = "tcp"
	transportIPC = "pipe"

	metricDuration = "mcp.server.operation.duration"
	metaParent     = "traceparent"
	metaState      = "tracestate"
)

// durationBuckets of metricDuration, in seconds.
var durationBuckets = []float64{.01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 120, 300}
