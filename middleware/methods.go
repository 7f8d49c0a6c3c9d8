package middleware

import "strings"

// kind says how a method is treated by the layers that do not treat all alike.
type kind int

const (
	// custom is any method the protocol does not define; it runs user code.
	custom kind = iota
	// work runs the code of a server's author.
	work
	// list enumerates what is registered.
	list
	// notice owes no answer.
	notice
	// session is what the SDK itself answers to keep a session going, and
	// subscriptions/listen, which by its nature has no end.
	session
)

const (
	callTool     = "tools/call"
	getPrompt    = "prompts/get"
	readResource = "resources/read"
	ping         = "ping"
)

func kindOf(method string) kind {
	switch method {
	case callTool, getPrompt, readResource, "completion/complete":
		return work
	case "tools/list", "prompts/list", "resources/list", "resources/templates/list":
		return list
	case ping, "initialize", "server/discover", "logging/setLevel",
		"resources/subscribe", "resources/unsubscribe", "subscriptions/listen":
		return session
	}
	if strings.HasPrefix(method, "notifications/") {
		return notice
	}
	return custom
}

// runsUserCode reports whether a call may take as long as its author likes.
func runsUserCode(method string) bool {
	k := kindOf(method)
	return k == work || k == custom
}
