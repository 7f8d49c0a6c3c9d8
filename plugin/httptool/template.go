package httptool

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxURL bounds a URL with its arguments, in bytes.
const maxURL = 8 << 10

// A template is a URL with variables in its path and its query.
type template struct {
	origin   *url.URL // scheme and host
	own      bool     // origin is that of the base URL
	path     []segment
	pathVars []string
	fixed    string           // the query that is always there, without ?
	query    map[string]Style // the variables of the query
}

// A segment is a piece of a path: a text that is encoded already, or a variable.
type segment struct{ text, variable string }

var (
	pathExpression  = regexp.MustCompile(`\{[^{}]*\}`)
	queryExpression = regexp.MustCompile(`^(\{[?&][A-Za-z0-9_.,*-]+\})*$`)
	variable        = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
)

// newTemplate reads a [Tool.URL]. base may be nil where it was wrong.
func newTemplate(at, raw string, base *url.URL, hosts map[string]bool, m *mistakes) *template {
	t := &template{query: map[string]Style{}}
	rest, ok := t.setOrigin(at, raw, base, hosts, m)
	if !ok {
		return nil
	}
	path, query := rest, ""
	if i := strings.Index(rest, "?"); i >= 0 {
		if i > 0 && rest[i-1] == '{' {
			i--
		}
		path, query = rest[:i], rest[i:]
	} else if i := strings.Index(rest, "{&"); i >= 0 {
		path, query = rest[:i], rest[i:]
	}
	count := len(m.list)
	t.readPath(at, path, m)
	t.readQuery(at, query, m)
	if len(m.list) > count {
		return nil
	}
	return t
}

func (t *template) setOrigin(at, raw string, base *url.URL, hosts map[string]bool, m *mistakes) (rest string, ok bool) {
	switch {
	case strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' || r == '#' }):
		m.add(at, "has a blank, a control character, a backslash or a fragment")
		return "", false
	case raw == "" || (raw[0] == '/' && !strings.HasPrefix(raw, "//")) || strings.HasPrefix(raw, "{?"):
		if base == nil {
			return "", false
		}
		t.origin, t.own = &url.URL{Scheme: base.Scheme, Host: base.Host}, true
		return strings.TrimSuffix(base.EscapedPath(), "/") + raw, true
	}
	scheme, rest, found := strings.Cut(raw, "://")
	end := strings.IndexAny(rest+"/", "/?{")
	if !found || strings.ContainsAny(rest[:end], "@{}") || (end < len(rest) && rest[end] == '{' && !strings.HasPrefix(rest[end:], "{?")) {
		m.add(at, "neither a path that starts with a slash nor an absolute URL with a host that no argument changes")
		return "", false
	}
	u, err := url.Parse(scheme + "://" + rest[:end])
	if err != nil || u.Hostname() == "" {
		m.add(at, "not a URL")
		return "", false
	}
	if !hosts[hostOf(u)] || (u.Scheme != "https" && (base == nil || u.Scheme != base.Scheme)) {
		m.add(at, "scheme and host are neither those of base_url nor https and one of hosts")
		return "", false
	}
	t.origin = &url.URL{Scheme: u.Scheme, Host: u.Host}
	t.own = base != nil && sameOrigin(u, base)
	return rest[end:], true
}

func (t *template) readPath(at, path string, m *mistakes) {
	if hasDots(pathExpression.ReplaceAllString(path, "x")) {
		m.add(at, "has . or .. in its path")
	}
	for path != "" {
		start := strings.IndexByte(path, '{')
		literal := path
		if start >= 0 {
			literal = path[:start]
		}
		text, err := url.PathUnescape(literal)
		if err != nil || strings.Contains(literal, "}") {
			m.add(at, "not a URL template")
			return
		}
		if literal != "" {
			t.path = append(t.path, segment{text: (&url.URL{Path: text, RawPath: literal}).EscapedPath()})
		}
		if start < 0 {
			return
		}
		expression := pathExpression.FindString(path[start:])
		path = path[start+len(expression):]
		name := strings.Trim(expression, "{}")
		switch {
		case expression == "":
			m.add(at, "not a URL template")
			return
		case !variable.MatchString(name):
			m.add(at, "%s: in the path there may be {name} alone, without operators", expression)
		case slices.Contains(t.pathVars, name):
			m.add(at, "%s is there twice", expression)
		default:
			t.pathVars = append(t.pathVars, name)
			t.path = append(t.path, segment{variable: name})
		}
	}
}

// expand puts values, which are not encoded, into the path.
func (t *template) expand(values map[string]string) string {
	var path strings.Builder
	for _, s := range t.path {
		path.WriteString(s.text)
		if s.variable != "" {
			path.WriteString(escape(values[s.variable]))
		}
	}
	if path.Len() == 0 {
		return "/"
	}
	return path.String()
}

func (t *template) readQuery(at, query string, m *mistakes) {
	if strings.HasPrefix(query, "?") {
		t.fixed = query[1:]
		if i := strings.IndexByte(t.fixed, '{'); i >= 0 {
			t.fixed, query = t.fixed[:i], t.fixed[i:]
		} else {
			query = ""
		}
		if _, err := url.ParseQuery(t.fixed); err != nil || strings.Contains(t.fixed, "}") {
			m.add(at, "the query is not one")
		}
	}
	if !queryExpression.MatchString(query) {
		m.add(at, "behind the path there may be a query, and {?a,b} or {&a,b} at its end")
		return
	}
	for _, expression := range pathExpression.FindAllString(query, -1) {
		for name := range strings.SplitSeq(expression[2:len(expression)-1], ",") {
			name, repeated := strings.CutSuffix(name, "*")
			if _, twice := t.query[name]; twice || !variable.MatchString(name) {
				m.add(at, "%q: no name, or there twice", name)
				continue
			}
			t.query[name] = Comma
			if repeated {
				t.query[name] = Repeat
			}
		}
	}
}

// hasDots reports whether a segment of path is . or .., however it is encoded.
func hasDots(path string) bool {
	for range 4 {
		for segment := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
			if bare, _, _ := strings.Cut(segment, ";"); bare == "." || bare == ".." {
				return true
			}
		}
		decoded := unescape(path)
		if decoded == path {
			return false
		}
		path = decoded
	}
	return true // encoded again and again: nothing honest is
}

// unescape decodes what is percent-encoded in s, and leaves a % alone that does
// not start such a thing: somebody behind us may be as lenient.
func unescape(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if b, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				out.WriteByte(byte(b))
				i += 2
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// hostOf returns the host of u with its port, in lower case.
func hostOf(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return host + ":" + port
}

func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && hostOf(a) == hostOf(b) }
