// Package httptool makes tools of HTTP endpoints, by a description instead of
// code.
//
// A [Spec] says where a service is, what signs in to it, and for each tool which
// request it is and where the arguments go. [Parse] reads one from YAML, package
// yamldir follows a directory of them, and adapter/openapi makes one of an
// OpenAPI document. [New] makes a plugin of it.
//
// # What a description cannot do
//
// Requests go to the host of the base URL and to those that are listed, over
// https. Names are looked up first, and each connection is made only to a public
// address of the internet, unless the description allows others: neither a name
// that means another address the second time nor a redirect leads into the
// network of the server. Of GET and HEAD up to 3 redirects are followed, within
// the listed hosts, each judged like the first; headers and secrets do not go
// along to another host. Proxies of the environment are not used.
//
// Arguments are checked against their schema. In a path they are encoded, and
// refused if they are empty, . or .., in any encoding; in a header they are
// refused if they hold control characters. What callers sent beside them, their
// tokens above all, is never passed on. Answers, headers, URLs, connections and
// time are bounded.
//
// Secrets come from the environment, from files or from the program. They are in
// no error and no log, and taken out where a service repeats them, if they have
// at least 6 bytes.
//
// # What callers see
//
//	Status                   Code          Seen as
//	2xx                                    the answer
//	400, 422                 validation    isError result
//	404, 410                 not_found     isError result
//	409, 412, 423            conflict      isError result
//	429                      rate_limited  error, with Retry-After
//	408, 504, no answer yet  timeout       isError result
//	401, other 5xx, 3xx      unavailable   error, with Retry-After
//	other 4xx                conflict      isError result
//
// Where the caller may learn from it, the text has up to 1 KiB of what the
// service wrote. [Response.Status] changes the table.
package httptool
