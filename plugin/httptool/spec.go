package httptool

import (
	"context"
	"encoding/json"
	"time"
)

// Defaults and bounds of a [Spec].
const (
	// DefaultTimeout is how long a call may take.
	DefaultTimeout = 30 * time.Second
	// DefaultMaxResponse is how long an answer may be, in bytes, unpacked.
	DefaultMaxResponse = 1 << 20

	maxTimeout  = 10 * time.Minute
	maxResponse = 64 << 20
	maxTools    = 1000
)

// A Spec describes the tools of one HTTP service. The keys are those of a YAML
// file, see [Parse].
type Spec struct {
	// Name and Version are those of the plugin.
	Name    string `yaml:"name"`
	Version string `yaml:"version"`
	// BaseURL is put before the URLs of the tools that start with a slash. It is
	// https; http is for loopback, and needs that word in Addresses.
	BaseURL string `yaml:"base_url"`
	// Hosts are those that URLs of tools, and redirects, may lead to beside that
	// of BaseURL: "files.example.com", with a port if it is not the scheme's own.
	// They never get Headers and Query.
	Hosts []string `yaml:"hosts"`
	// Addresses are what may be connected to although it is not a public address
	// of the internet: prefixes such as "10.1.0.0/16", or the word "loopback". The
	// addresses where clouds give out credentials have to be named one by one, such
	// as "169.254.169.254/32": no wider prefix allows them.
	Addresses []string `yaml:"addresses"`
	// Timeout is how long a call may take, all redirects and the answer's body
	// included. Zero means 30 s; at most 10 minutes.
	Timeout time.Duration `yaml:"timeout"`
	// MaxResponse bounds an answer's body, in bytes, unpacked. Zero means 1 MiB;
	// at most 64 MiB.
	MaxResponse int64 `yaml:"max_response"`
	// Headers and Query are sent with every request to the host of BaseURL.
	Headers []Field `yaml:"headers"`
	Query   []Field `yaml:"query"`
	// Tools are at least one, and at most 1,000.
	Tools []Tool `yaml:"tools"`
}

// A Field is a header or a query parameter of a value that callers do not
// choose: either Value or a Secret.
type Field struct {
	Name   string  `yaml:"name"`
	Value  string  `yaml:"value"`
	Secret *Secret `yaml:"secret"`
}

// A Secret says where a value is found. Exactly one of Env, File and Get is
// set. What it is goes to the service and nowhere else: where answers repeat
// it, it is taken out.
type Secret struct {
	// Env is an environment variable, read once.
	Env string `yaml:"env"`
	// File is a path, read for each call, so that secrets may be rotated. White
	// space around what it holds is taken off.
	File string `yaml:"file"`
	// Get is for programs; it is called for each call and may be called
	// concurrently.
	Get func(context.Context) (string, error) `yaml:"-"`

	// Prefix stands before the secret, such as "Bearer ".
	Prefix string `yaml:"prefix"`
	// BasicUser makes of the secret the password of that user, encoded for an
	// Authorization header as RFC 7617 has it, without Prefix.
	BasicUser string `yaml:"basic_user"`
}

// A Tool is one request that callers may fill in.
type Tool struct {
	Name        string      `yaml:"name"`
	Title       string      `yaml:"title"`
	Description string      `yaml:"description"`
	Annotations Annotations `yaml:"annotations"`

	// Method is GET if it is empty, or HEAD, POST, PUT, PATCH or DELETE.
	Method string `yaml:"method"`
	// URL is a template: a path such as "/cities/{city}/days{?from,to,tag*}", put
	// behind BaseURL, or an absolute URL of a host in Hosts. Of RFC 6570 it may
	// have {name} in the path, and behind it {?a,b} and {&a,b}, where a* repeats
	// the parameter for each item of a list.
	URL string `yaml:"url"`
	// Headers and Query are sent in addition to those of the service, to the same
	// host.
	Headers []Field `yaml:"headers"`
	Query   []Field `yaml:"query"`

	// Arguments says where arguments go, and what they are where InputSchema
	// does not.
	Arguments []Argument `yaml:"arguments"`
	// InputSchema is the JSON schema of the arguments. Without it one is made of
	// Arguments.
	InputSchema json.RawMessage `yaml:"input_schema"`
	// Body is how arguments [InField] are written: "json" if it is empty, or
	// "form". An argument [InBody] may also be "text".
	Body string `yaml:"body"`
	// ContentType is that of the body. Empty means what Body says.
	ContentType string `yaml:"content_type"`

	Response Response `yaml:"response"`

	// Require, RequireScopes and Tags say for whom there is the tool, see
	// [plugin.Access].
	Require       []string `yaml:"require"`
	RequireScopes []string `yaml:"require_scopes"`
	Tags          []string `yaml:"tags"`

	// Timeout is how long a call may take. Zero means that of the service.
	Timeout time.Duration `yaml:"timeout"`
}

// Annotations are hints for clients. What is nil follows from the method: GET
// and HEAD read only; those, PUT and DELETE are idempotent; what writes may
// destroy, but for POST. OpenWorld is true.
type Annotations struct {
	ReadOnly    *bool `yaml:"read_only"`
	Idempotent  *bool `yaml:"idempotent"`
	Destructive *bool `yaml:"destructive"`
	OpenWorld   *bool `yaml:"open_world"`
}

// A Place is where an argument goes.
type Place string

// The places. An argument that names none is [InPath] or [InQuery] if the URL
// has a variable of its name, else [InField] with a method that has a body, and
// [InQuery] with one that has not.
const (
	InPath   Place = "path"   // a variable in the path of the URL
	InQuery  Place = "query"  // a query parameter
	InHeader Place = "header" // a header
	InField  Place = "field"  // a member of the body
	InBody   Place = "body"   // the body itself; there is at most one
)

// A Style is how a list or an object becomes query parameters.
type Style string

// The styles; repeat is that of an argument that names none, unless the URL has
// its variable without a star, which is comma.
const (
	Repeat Style = "repeat" // a=1&a=2
	Comma  Style = "comma"  // a=1,2
	Space  Style = "space"  // a=1%202
	Pipe   Style = "pipe"   // a=1|2
	Deep   Style = "deep"   // a[b]=1&a[c]=2, of an object
	JSON   Style = "json"   // a=[1,2], any value as JSON
)

// An Argument is one that callers give, or a constant.
type Argument struct {
	// Name is what callers know it by: the key in a YAML file.
	Name string `yaml:",key"`
	// In is where it goes, As is its name there; both may be empty.
	In    Place  `yaml:"in"`
	As    string `yaml:"as"`
	Style Style  `yaml:"style"`
	// Value makes it a constant that callers neither see nor set.
	Value json.RawMessage `yaml:"value"`

	// The rest makes a schema and is refused beside [Tool.InputSchema]. Type is
	// string if it is empty.
	Type        string            `yaml:"type"`
	Description string            `yaml:"description"`
	Required    bool              `yaml:"required"`
	Enum        []json.RawMessage `yaml:"enum"`
	Default     json.RawMessage   `yaml:"default"`
	Minimum     json.RawMessage   `yaml:"minimum"`
	Maximum     json.RawMessage   `yaml:"maximum"`
	MinLength   *int              `yaml:"min_length"`
	MaxLength   *int              `yaml:"max_length"`
	Pattern     string            `yaml:"pattern"`
	Format      string            `yaml:"format"`
	// Schema is the whole JSON schema, where the words above are not enough; only
	// Required may stand beside it.
	Schema json.RawMessage `yaml:"schema"`
}

// A Response says what becomes of an answer.
type Response struct {
	// As is "auto" if it is empty: by the content type JSON, text, an image or
	// audio. "json" and "text" take the body for that.
	As string `yaml:"as"`
	// Pointer takes a part of a JSON answer: a pointer of RFC 6901.
	Pointer string `yaml:"pointer"`
	// OutputSchema is the JSON schema of the structured content. It has to be
	// that of an object: what is none is answered as member "result" of one.
	// Answers that break it are not passed on.
	OutputSchema json.RawMessage `yaml:"output_schema"`
	// Status says what a status means, before the usual: the keys are statuses
	// such as "404" or "4xx", the values "ok" or the code of an error: validation,
	// not_found, conflict, rate_limited, timeout, unavailable or internal.
	Status map[string]string `yaml:"status"`
}
