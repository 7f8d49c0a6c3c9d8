package floor

import (
	"encoding/json"

	"github.com/trestle-mcp/trestle/bench/internal/fixture"
)

type callParams struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

type text struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type callResult struct {
	Content           []text `json:"content"`
	StructuredContent any    `json:"structuredContent,omitempty"`
	*modernResult
}

// modernResult is what each modern result has besides.
type modernResult struct {
	ResultType string     `json:"resultType"`
	Meta       serverMeta `json:"_meta"`
}

type serverMeta struct {
	ServerInfo implementation `json:"io.modelcontextprotocol/serverInfo"`
}

type listResult struct {
	Tools []fixture.Tool `json:"tools"`
}

type modernListResult struct {
	listResult
	*modernResult

	TTL        int    `json:"ttlMs"`
	CacheScope string `json:"cacheScope"`
}

type initializeResult struct {
	ProtocolVersion string          `json:"protocolVersion"`
	Capabilities    json.RawMessage `json:"capabilities"`
	ServerInfo      implementation  `json:"serverInfo"`
}

type implementation struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

var (
	self      = implementation{fixture.ServerName, fixture.ServerVersion}
	complete  = &modernResult{ResultType: "complete", Meta: serverMeta{self}}
	badParams = &rpcError{invalidParams, "invalid params"}
)

func call(p *callParams, modern bool) (any, *rpcError) {
	var result callResult
	if modern {
		result.modernResult = complete
	}
	switch p.Name {
	case fixture.AddName:
		var in fixture.AddIn
		if json.Unmarshal(p.Arguments, &in) != nil {
			return nil, badParams
		}
		out := fixture.AddOut{Sum: in.A + in.B}
		encoded, err := json.Marshal(out)
		if err != nil {
			return nil, &rpcError{-32603, "internal error"}
		}
		result.Content = []text{{"text", string(encoded)}}
		result.StructuredContent = out
	case fixture.EchoName:
		var in fixture.EchoIn
		if json.Unmarshal(p.Arguments, &in) != nil {
			return nil, badParams
		}
		result.Content = []text{{"text", in.Text}}
	default:
		return nil, &rpcError{invalidParams, "unknown tool"}
	}
	return result, nil
}
