package openapi

import (
	"time"

	"github.com/trestle-mcp/trestle/plugin/httptool"
)

// Options say what becomes of a document.
type Options struct {
	// Operations chooses by operationId, or by method and path such as
	// "GET /pets/{id}"; * is any run of characters. Tags chooses all operations of
	// a tag. Each has to choose something, and there has to be one: {"*"} is all.
	Operations, Tags []string
	// Except takes back what was chosen, by the same patterns as Operations.
	Except []string

	// Name and Version are those of the plugin. Empty means info.title in letters
	// that a name may have, and info.version if it is a semantic version.
	Name, Version string
	// Names gives tools other names than their operations, by operationId or by
	// method and path.
	Names map[string]string

	// BaseURL is where the service is, instead of what the document says of its
	// servers: the first, with the defaults of its variables.
	BaseURL string
	// Hosts, Addresses, Timeout and MaxResponse are those of [httptool.Spec].
	Hosts, Addresses []string
	Timeout          time.Duration
	MaxResponse      int64

	// Secrets are what signs in, by the names of security schemes: the value of an
	// API key, a bearer token (also for oauth2 and openIdConnect), or for basic
	// the password, with BasicUser set. An operation is signed in to by the first
	// of its alternatives whose secrets are all there; that there is none is a
	// mistake.
	Secrets map[string]*httptool.Secret

	// LooseAnswers leaves out output schemas, for services that do not keep to
	// their document: answers that break an output schema are not passed on.
	LooseAnswers bool
}
