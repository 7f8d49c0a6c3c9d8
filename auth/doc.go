// Package auth says who is calling, and what they may do.
//
// A [Principal] is in the context of every call that is not anonymous. Over
// stdio it is [Local], because whoever started the process may use it. Over
// HTTP a [Guard] puts it there, and lets nobody else through:
//
//	tokens, err := auth.NewJWT(auth.JWTOptions{
//		Issuer:    "https://login.example.com",
//		Audiences: []string{"https://mcp.example.com/mcp"},
//	})
//	...
//	guard, err := auth.NewGuard(auth.Options{
//		Verify: tokens.Verify,
//		Metadata: &auth.Metadata{
//			Resource:             "https://mcp.example.com/mcp",
//			AuthorizationServers: []string{"https://login.example.com"},
//		},
//	})
//	...
//	srv, err := server.New("notes", "1.0.0", &server.Options{Auth: guard})
//
// # Verifiers
//
// A [Verifier] is go-sdk's TokenVerifier, so each side's serve the other. Here
// are those of a [JWT], of an [Introspection] and of [APIKeys]; [AnyOf] joins
// them. A client certificate is no token: see [Options.Certificate].
//
// # What a caller gets
//
//	no token, or one that is refused  401, with where to get one
//	a scope is missing                403, with all that are needed
//	it cannot be decided now          503, with Retry-After
//	the verifier is broken            500
//
// Each is a JSON-RPC error without an id, since nothing of the request's body
// is read before its caller is known. None says why a token is refused; the
// log does, at debug level, and has no token in it.
//
// # What a caller may do
//
// A [Policy] decides, by what roles and scopes of the principal are mapped to:
//
//	policy, err := auth.NewPolicy(auth.PolicySpec{
//		Roles:  map[string][]string{"reader": {"read:resources", "execute:tools:echo"}},
//		Scopes: map[string][]string{"notes:write": {"execute:tools:notes.*"}},
//	})
//	...
//	srv, err := server.New("notes", "1.0.0", &server.Options{Auth: guard, Policy: policy})
//
// [OpenPolicy] reads one from a file and follows it. [Authorize] asks it on every
// road to a tool, a prompt or a resource; [Audit] records what it said.
//
// # What a handler gets
//
// The principal, go-sdk's TokenInfo, and never the token: the guard takes
// Authorization, Proxy-Authorization and Cookie off the request. A call to
// another server needs a token of its own.
package auth
