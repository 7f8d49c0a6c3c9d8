package transport

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// hostPolicy says which Host and Origin headers are served. A foreign web page
// can make a browser send requests here, by a name that its own DNS turned into
// this address; but it can forge neither header.
type hostPolicy struct {
	hosts   []endpoint // empty: loopback and the address a request arrived on
	origins []origin

	last atomic.Pointer[knownHost] // nearly every request has the same Host
}

// A knownHost is a Host header and what it says.
type knownHost struct {
	header string
	endpoint
	served bool // whatever address the request arrived on
}

// read returns what the Host header of r says, and whether it is served.
func (p *hostPolicy) read(r *http.Request) (endpoint, bool) {
	known := p.last.Load()
	if known == nil || known.header != r.Host {
		host, ok := parseEndpoint(r.Host)
		if !ok {
			return host, false
		}
		if known = (&knownHost{r.Host, host, p.serves(host)}); known.served {
			p.last.Store(known)
		}
	}
	return known.endpoint, known.served || (len(p.hosts) == 0 && arrivedOn(r, known.host))
}

// An endpoint is a host in lower case, or an IP address as netip writes it,
// and a port, "" for any or the default one.
type endpoint struct{ host, port string }

// An origin is the scheme and the endpoint of a web page.
type origin struct {
	scheme string
	endpoint
}

// check refuses requests that a foreign web page may have caused. It returns
// the origin to which CORS headers are owed, if any.
func (p *hostPolicy) check(r *http.Request) (cors string, _ *refusal) {
	host, ok := p.read(r)
	if !ok {
		return "", forbidden("this Host is not served")
	}
	values := r.Header["Origin"]
	switch len(values) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", invalidRequest("more than one Origin header")
	}
	from, ok := parseOrigin(values[0])
	switch {
	case !ok:
		return "", forbidden("this Origin is not allowed")
	case slices.Contains(p.origins, from):
		return values[0], nil
	case from.isWeb() && from.endpoint == host.withPort(from.defaultPort()):
		return "", nil
	case len(p.origins) == 0 && from.isWeb() && isLoopback(host.host) && isLoopback(from.host):
		return "", nil
	}
	return "", forbidden("this Origin is not allowed")
}

func forbidden(text string) *refusal {
	return coded(mcperrors.Errorf(mcperrors.Authorization, "%s", text), "")
}

// serves reports whether host is served whatever address a request arrived on.
func (p *hostPolicy) serves(host endpoint) bool {
	if len(p.hosts) == 0 {
		return isLoopback(host.host)
	}
	return slices.ContainsFunc(p.hosts, func(h endpoint) bool {
		return h.host == host.host && (h.port == "" || h.port == host.port)
	})
}

// arrivedOn reports whether r arrived on the address that host is.
func arrivedOn(r *http.Request, host string) bool {
	tcp, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return false // nobody knows
	}
	addr, ok := netip.AddrFromSlice(tcp.IP)
	return ok && host == addr.Unmap().String()
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// parseEndpoint reads "host", "host:port" and the forms with an IPv6 address
// in brackets, strictly.
func parseEndpoint(s string) (e endpoint, ok bool) {
	e.host = s
	if rest, found := strings.CutPrefix(s, "["); found {
		var after string
		if e.host, after, ok = strings.Cut(rest, "]"); !ok || !strings.Contains(e.host, ":") {
			return e, false
		}
		if after != "" {
			if e.port, ok = strings.CutPrefix(after, ":"); !ok || e.port == "" {
				return e, false
			}
		}
	} else if host, port, found := strings.Cut(s, ":"); found {
		if e.host, e.port = host, port; port == "" {
			return e, false
		}
	}
	if e.port != "" {
		n, err := strconv.ParseUint(e.port, 10, 16)
		if err != nil {
			return e, false
		}
		e.port = strconv.FormatUint(n, 10)
	}
	if ip, err := netip.ParseAddr(e.host); err == nil {
		e.host = ip.Unmap().String()
		return e, ip.Zone() == ""
	}
	e.host = strings.ToLower(e.host)
	return e, isHostName(e.host)
}

func isHostName(s string) bool {
	return s != "" && len(s) <= 253 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-._") == ""
}

// parseOrigin reads the serialization of an origin (RFC 6454, section 6.2).
// "null" is none.
func parseOrigin(s string) (origin, bool) {
	scheme, rest, found := strings.Cut(s, "://")
	if !found || scheme == "" || strings.Trim(strings.ToLower(scheme), "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "" {
		return origin{}, false
	}
	e, ok := parseEndpoint(rest)
	o := origin{scheme: strings.ToLower(scheme)}
	o.endpoint = e.withPort(o.defaultPort())
	return o, ok
}

func (o origin) isWeb() bool { return o.scheme == "http" || o.scheme == "https" }

func (o origin) defaultPort() string {
	switch o.scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	}
	return ""
}

// withPort returns e with port if it has none.
func (e endpoint) withPort(port string) endpoint {
	if e.port == "" {
		e.port = port
	}
	return e
}

func parseAllowedHost(s string) (endpoint, error) {
	e, ok := parseEndpoint(s)
	if !ok {
		return e, fmt.Errorf("transport: allowed host %q is not a name or address with an optional port", s)
	}
	return e, nil
}

func parseAllowedOrigin(s string) (origin, error) {
	o, ok := parseOrigin(s)
	if u, err := url.Parse(s); !ok || err != nil || u.Host == "" {
		return o, fmt.Errorf("transport: allowed origin %q is not scheme://host with an optional port", s)
	}
	return o, nil
}
