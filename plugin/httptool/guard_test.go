package httptool_test

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/plugin/httptool"
)

func TestGuard_PermitsThePublicInternetAlone(t *testing.T) {
	for addr, want := range map[string]bool{
		"1.1.1.1": true, "93.184.216.34": true, "2606:4700::1111": true, "::ffff:1.1.1.1": true,
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "::ffff:127.0.0.1": false, "0.0.0.0": false, "::": false,
		"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "172.32.0.1": true, "192.168.1.1": false, "::ffff:10.0.0.1": false,
		"169.254.1.1": false, "169.254.169.254": false, "::ffff:169.254.169.254": false, "168.63.129.16": false,
		"100.64.0.1": false, "100.127.255.255": false, "100.128.0.1": true, "192.0.0.192": false, "198.18.0.1": false, "198.19.255.255": false,
		"192.0.2.1": false, "198.51.100.1": false, "203.0.113.1": false, "224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"fc00::1": false, "fd00:ec2::254": false, "fe80::1": false, "fe80::1%eth0": false, "fec0::1": false, "ff02::1": false, "2001:db8::1": false,
		"2001::1": false, "100::1": false, "::7f00:1": false, "64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b::101:101": true,
		"2002:7f00:1::": false, "2002:a00:1::": false, "2002:101:101::": true, "::ffff:0:7f00:1": false,
	} {
		if got := httptool.Permits(addr); got != want {
			t.Errorf("%s: %t, want %t", addr, got, want)
		}
	}
}

func TestGuard_PermitsWhatIsNamed(t *testing.T) {
	for _, tt := range []struct {
		addr, allowed string
		want          bool
	}{
		{"127.0.0.1", "loopback", true},
		{"::1", "loopback", true},
		{"::ffff:127.0.0.1", "loopback", true},
		{"10.0.0.1", "loopback", false},
		{"10.1.2.3", "10.1.0.0/16", true},
		{"10.2.2.3", "10.1.0.0/16", false},
		{"64:ff9b::a01:203", "10.1.0.0/16", true},
		{"169.254.169.254", "169.254.0.0/16", false},
		{"169.254.169.254", "0.0.0.0/0", false},
		{"169.254.169.254", "169.254.169.254/32", true},
		{"169.254.1.1", "169.254.0.0/16", true},
		{"64:ff9b::a9fe:a9fe", "64:ff9b::/96", false},
		{"2002:a9fe:a9fe::", "::/0", false},
		{"fd00:ec2::254", "fc00::/7", false},
	} {
		if got := httptool.Permits(tt.addr, tt.allowed); got != tt.want {
			t.Errorf("%s with %s: %t, want %t", tt.addr, tt.allowed, got, tt.want)
		}
	}
}

// nameserver answers every question for an A record with what next says.
func nameserver(t *testing.T, next func(name string) net.IP) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { must(t, conn.Close()); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(dnsAnswer(buf[:n], next), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("udp", conn.LocalAddr().String())
	}}
}

// dnsAnswer writes the answer to a query of one question (RFC 1035, section 4).
func dnsAnswer(query []byte, next func(string) net.IP) []byte {
	end := 12
	var labels []string
	for query[end] != 0 {
		n := int(query[end])
		labels = append(labels, string(query[end+1:end+1+n]))
		end += 1 + n
	}
	kind := binary.BigEndian.Uint16(query[end+1:])
	end += 5
	out := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[12:end]...)
	if kind == 1 {
		out[7] = 1
		out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		out = append(out, next(strings.Join(labels, ".")).To4()...)
	}
	return out
}

const named = "name: test\nversion: 1.0.0\nbase_url: https://example.com:PORT/v1\naddresses: [ALLOWED]\ntools: [{name: get, description: d, url: /x}]\n"

// byName is a service on all addresses of this machine, which has example.com in
// its certificate, and a plugin that looks that name up as next says.
func byName(t *testing.T, allowed string, next func(name string) net.IP) (*upstream, *httptool.Plugin) {
	t.Helper()
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") }, "0.0.0.0:0")
	_, port, _ := strings.Cut(u.host(), ":")
	resolver := nameserver(t, next)
	return u, u.parsed(t, strings.NewReplacer("PORT", port, "ALLOWED", allowed).Replace(named), func(o *httptool.Options) { o.Resolver = resolver })
}

func TestCall_ConnectsToTheAddressThatWasChecked(t *testing.T) {
	var asked atomic.Int64
	local := func(string) net.IP { asked.Add(1); return net.IPv4(127, 0, 0, 1) }
	u, p := byName(t, "10.0.0.0/8", local)
	_, err := p.Call(t.Context(), "get", `{}`)
	if code := mcperrors.CodeOf(err); code != mcperrors.Unavailable || u.count() != 0 || asked.Load() == 0 {
		t.Fatalf("code %s after %d questions, %d requests", code, asked.Load(), u.count())
	}
	if strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(err.Error(), "example.com") {
		t.Errorf("the caller learns where the name leads: %v", err)
	}
	u, p = byName(t, "loopback", local) // all the same, but that it is allowed
	if res, err := p.Call(t.Context(), "get", `{}`); err != nil || res.IsError || u.count() != 1 {
		t.Errorf("%v after %d requests", err, u.count())
	}
}

// The first answer is allowed, and closed to the connection; what the name means
// afterwards is not, though the service would answer there, too.
func TestCall_IsNotFooledByANameThatChanges(t *testing.T) {
	var turn atomic.Int64
	u, p := byName(t, "127.0.0.1/32", func(string) net.IP {
		if turn.Add(1) == 1 {
			return net.IPv4(127, 0, 0, 1)
		}
		return net.IPv4(127, 0, 0, 2)
	})
	if res, err := p.Call(t.Context(), "get", `{}`); err != nil || res.IsError {
		t.Fatalf("%v %v", res, err)
	}
	if _, err := p.Call(t.Context(), "get", `{}`); mcperrors.CodeOf(err) != mcperrors.Unavailable || u.count() != 1 {
		t.Errorf("%v after %d requests", err, u.count())
	}
}

func TestCall_UsesNoProxyOfTheEnvironment(t *testing.T) {
	// Go reads the environment once in a process: no call can show it.
	if serve(t, nil).plugin(t, get).HasProxy() {
		t.Error("what a proxy connects to, nobody here can see")
	}
}

func TestGuard_LetsPlainHTTPNoFurtherThanThisMachine(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1:80": true, "[::1]:80": true, "10.0.0.1:80": false, "1.1.1.1:80": false, "x": false} {
		if got := httptool.PermitsPlain(address, "loopback", "10.0.0.0/8"); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
	if httptool.PermitsPlain("127.0.0.1:80", "10.0.0.0/8") {
		t.Error("loopback was not allowed")
	}
}

func TestCall_SpeaksPlainHTTPToThisMachineAlone(t *testing.T) {
	const head = "name: t\nversion: 1.0.0\ntools: [{name: t, description: d, url: /x}]\n"
	for _, text := range []string{
		"base_url: http://127.0.0.1:1\n", "base_url: http://localhost\n", "base_url: http://10.0.0.1\naddresses: [10.0.0.0/8, loopback]\n",
		"base_url: http://api.example.com\naddresses: [loopback]\n", "base_url: ftp://localhost\naddresses: [loopback]\n",
	} {
		if _, err := httptool.Parse("t.yaml", []byte(head+text)); err == nil || !strings.Contains(err.Error(), "base_url: want https") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := httptool.Parse("t.yaml", []byte(head+"base_url: http://[::1]:1\naddresses: [loopback]\n")); err != nil {
		t.Error(err)
	}
}
