package httptool

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/yamljson"
	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/schema"
)

// A service is a [Spec], compiled.
type service struct {
	name, version string
	base          *url.URL
	hosts         map[string]bool // that URLs may lead to, see hostOf
	guard         *guard
	timeout       time.Duration
	maxResponse   int64
	headers       []field
	query         []field
	tools         []*tool
}

// A tool is a [Tool], compiled.
type tool struct {
	service  *service
	client   *client
	def      *mcp.Tool
	access   plugin.Access
	input    *schema.Schema[any]
	method   string
	url      *template
	headers  []field // also those of the service
	query    []field
	bindings []binding
	body     string
	mime     string
	response response
	timeout  time.Duration
}

var (
	toolName   = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	version    = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	mimeType   = regexp.MustCompile(`^[a-z0-9.+-]+/[a-z0-9.+-]+( *;[ -~]*)?$`)
	methods    = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

	// ownHeaders are written by HTTP itself, or say something about a connection.
	ownHeaders = []string{
		"Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Keep-Alive", "Proxy-Connection",
		"Proxy-Authorization", "Proxy-Authenticate", "Te", "Trailer", "Upgrade", "Expect", "Accept-Encoding",
	}
	// secretHeaders are those that sign in: the description's to set.
	secretHeaders = []string{"Authorization", "Cookie"}
)

func validHeaderName(name string) bool {
	return headerName.MatchString(name) && !slices.Contains(ownHeaders, http.CanonicalHeaderKey(name))
}

// Check returns every mistake in s, or nil. It does not look for secrets.
func (s *Spec) Check() error {
	m := new(mistakes)
	s.check(m)
	return m.err()
}

func (s *Spec) check(m *mistakes) { s.compile(false, m) }

// compile returns the service, which is whole only if there were no mistakes.
func (s *Spec) compile(resolve bool, m *mistakes) *service {
	c := &service{name: s.Name, version: s.Version, timeout: s.Timeout, maxResponse: s.MaxResponse}
	if !toolName.MatchString(s.Name) {
		m.add("name", "want 1 to 64 letters, digits, _, . and -")
	}
	if !version.MatchString(s.Version) {
		m.add("version", `want a semantic version such as "1.4.0"`)
	}
	c.guard = newGuard(s.Addresses, m)
	c.base = s.base(c.guard, m)
	c.setHosts(s.Hosts, m)
	c.timeout = duration("timeout", s.Timeout, DefaultTimeout, m)
	switch {
	case s.MaxResponse == 0:
		c.maxResponse = DefaultMaxResponse
	case s.MaxResponse < 0 || s.MaxResponse > maxResponse:
		m.add("max_response", "want 1 to %d bytes", maxResponse)
	}
	c.headers = newFields("headers", s.Headers, true, resolve, m)
	c.query = newFields("query", s.Query, false, resolve, m)
	if len(s.Tools) == 0 || len(s.Tools) > maxTools {
		m.add("tools", "want 1 to %d", maxTools)
		return c
	}
	names := map[string]bool{}
	for i := range s.Tools {
		at := index("tools", i)
		if name := s.Tools[i].Name; names[name] {
			m.add(yamljson.Join(at, "name"), "%q is there twice", name)
		}
		names[s.Tools[i].Name] = true
		c.tools = append(c.tools, c.tool(at, &s.Tools[i], resolve, m))
	}
	return c
}

func (s *Spec) base(g *guard, m *mistakes) *url.URL {
	u, err := url.Parse(s.BaseURL)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "" || !strings.Contains(s.BaseURL, "://"):
		m.add("base_url", "not an absolute URL")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || hasDots(u.EscapedPath()) || strings.ContainsAny(s.BaseURL, "{}\\"):
		m.add("base_url", "has a user, a query, a fragment, a variable, . or ..")
	case u.Scheme == "https", u.Scheme == "http" && g.permitsLoopback() && isLoopback(u.Hostname()):
		return u
	case u.Scheme == "http":
		m.add("base_url", "want https; http is for loopback, which addresses has to name")
	default:
		m.add("base_url", "want https")
	}
	return nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (c *service) setHosts(hosts []string, m *mistakes) {
	c.hosts = map[string]bool{}
	if c.base != nil {
		c.hosts[hostOf(c.base)] = true
	}
	for i, host := range hosts {
		u, err := url.Parse("https://" + host)
		if err != nil || u.Host != host || u.Hostname() == "" {
			m.add(index("hosts", i), "not a host such as files.example.com or files.example.com:8443")
			continue
		}
		c.hosts[hostOf(u)] = true
	}
}

func duration(at string, given, otherwise time.Duration, m *mistakes) time.Duration {
	switch {
	case given == 0:
		return otherwise
	case given < 0 || given > maxTimeout:
		m.add(at, "want more than 0 and at most %v", maxTimeout)
	}
	return given
}

func (c *service) tool(at string, given *Tool, resolve bool, m *mistakes) *tool {
	t := &tool{service: c, method: given.Method, body: given.Body, mime: given.ContentType}
	if !toolName.MatchString(given.Name) {
		m.add(yamljson.Join(at, "name"), "want 1 to 64 letters, digits, _, . and -")
	}
	if given.Description == "" {
		m.add(yamljson.Join(at, "description"), "missing: it is what a model chooses tools by")
	}
	if t.method == "" {
		t.method = http.MethodGet
	}
	if !slices.Contains(methods, t.method) {
		m.add(yamljson.Join(at, "method"), "want %s", strings.Join(methods, ", "))
	}
	t.timeout = duration(yamljson.Join(at, "timeout"), given.Timeout, c.timeout, m)
	t.url = newTemplate(yamljson.Join(at, "url"), given.URL, c.base, c.hosts, m)
	t.headers = c.fields(c.headers, yamljson.Join(at, "headers"), given.Headers, true, resolve, m)
	t.query = c.fields(c.query, yamljson.Join(at, "query"), given.Query, false, resolve, m)
	switch t.body {
	case "", "json":
		t.body = "json"
		t.setMIME(at, "application/json", m)
	case "form":
		t.setMIME(at, "application/x-www-form-urlencoded", m)
	case "text":
		t.setMIME(at, "text/plain; charset=utf-8", m)
	default:
		m.add(yamljson.Join(at, "body"), "want json, form or text")
	}
	t.bind(at, given, m)
	t.response = newResponse(yamljson.Join(at, "response"), &given.Response, m)
	t.def = t.definition(given)
	t.access = plugin.Access{
		Require: slices.Clone(given.Require), RequireScopes: slices.Clone(given.RequireScopes), Tags: slices.Clone(given.Tags),
	}
	return t
}

// fields adds those of a tool to those of its service.
func (c *service) fields(common []field, at string, list []Field, header, resolve bool, m *mistakes) []field {
	own := newFields(at, list, header, resolve, m)
	for _, f := range own {
		if slices.ContainsFunc(common, func(other field) bool { return sameName(header, other.name, f.name) }) {
			m.add(at, "%q is one of the service's, too", f.name)
		}
	}
	return slices.Concat(common, own)
}

func (t *tool) setMIME(at, usual string, m *mistakes) {
	if t.mime == "" {
		t.mime = usual
	} else if !mimeType.MatchString(t.mime) {
		m.add(yamljson.Join(at, "content_type"), "not a media type")
	}
}

func (t *tool) definition(given *Tool) *mcp.Tool {
	reads := t.method == http.MethodGet || t.method == http.MethodHead
	idempotent := reads || t.method == http.MethodPut || t.method == http.MethodDelete
	a := given.Annotations
	reads = or(a.ReadOnly, reads)
	destructive, open := or(a.Destructive, !reads && t.method != http.MethodPost), or(a.OpenWorld, true)
	def := &mcp.Tool{
		Name: given.Name, Title: given.Title, Description: given.Description,
		Annotations: &mcp.ToolAnnotations{
			Title: given.Title, ReadOnlyHint: reads, IdempotentHint: or(a.Idempotent, idempotent),
			DestructiveHint: &destructive, OpenWorldHint: &open,
		},
	}
	if t.input != nil {
		def.InputSchema = t.input.JSON()
	}
	if t.response.output != nil {
		def.OutputSchema = t.response.output.JSON()
	}
	return def
}

func or(set *bool, otherwise bool) bool {
	if set != nil {
		return *set
	}
	return otherwise
}

func index(path string, i int) string { return fmt.Sprintf("%s[%s]", path, strconv.Itoa(i)) }
