package httptool

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
)

// errAddress stands for all addresses that are refused: which one it was would
// tell a caller what is behind a name in a network that it cannot see.
var errAddress = errors.New("httptool: the address is not one that may be connected to")

// A guard says which addresses may be connected to. It is asked for the very
// address of each connection, after names were looked up, so that it does not
// matter what a name meant a moment before.
type guard struct {
	allowed []netip.Prefix
}

// special are the ranges that are not the public internet, by the registries of
// IANA for IPv4 and IPv6 special-purpose addresses and what was reserved before.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20",
	"5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

// metadata are the addresses at which clouds give credentials to who asks.
var metadata = addresses("169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200", "192.0.0.192",
	"fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254")

var loopback = prefixes("127.0.0.0/8", "::1/128")

// Prefixes of IPv6 in which there is an address of IPv4, and where.
var embedding = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, // RFC 6052
	{netip.MustParsePrefix("2002::/16"), 2},     // RFC 3056
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12},
}

// permits reports whether addr may be connected to.
func (g *guard) permits(addr netip.Addr) bool {
	addr = addr.WithZone("").Unmap()
	if !addr.IsValid() {
		return false
	}
	v4, embeds := embedded(addr)
	for _, one := range []netip.Addr{addr, v4} {
		if slices.Contains(metadata, one) {
			return slices.Contains(g.allowed, netip.PrefixFrom(one, one.BitLen()))
		}
	}
	switch {
	case within(g.allowed, addr):
		return true
	case within(special, addr):
		return false
	case embeds:
		return g.permits(v4)
	}
	return true
}

func (g *guard) permitsLoopback() bool {
	return within(g.allowed, netip.AddrFrom4([4]byte{127, 0, 0, 1})) || within(g.allowed, netip.IPv6Loopback())
}

// control is for [net.Dialer]: it refuses a connection that is about to be made.
func (g *guard) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !g.permits(to.Addr()) {
		return errAddress
	}
	return nil
}

// plainControl is control for connections without TLS, which go no further than
// this machine.
func (g *guard) plainControl(network, address string, c syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !to.Addr().Unmap().IsLoopback() {
		return errAddress
	}
	return g.control(network, address, c)
}

func embedded(addr netip.Addr) (netip.Addr, bool) {
	for _, e := range embedding {
		if e.prefix.Contains(addr) {
			b := addr.As16()
			return netip.AddrFrom4([4]byte(b[e.at : e.at+4])), true
		}
	}
	return netip.Addr{}, false
}

func within(list []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

func addresses(texts ...string) []netip.Addr {
	list := make([]netip.Addr, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParseAddr(text)
	}
	return list
}

// newGuard reads [Spec.Addresses].
func newGuard(texts []string, m *mistakes) *guard {
	g := new(guard)
	for i, text := range texts {
		if text == "loopback" {
			g.allowed = append(g.allowed, loopback...)
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil || p != p.Masked() || p.Addr().Is4In6() {
			m.add(index("addresses", i), `neither "loopback" nor a prefix such as 10.1.0.0/16, without bits behind its length`)
			continue
		}
		g.allowed = append(g.allowed, p)
	}
	return g
}
