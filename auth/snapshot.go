package auth

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"
	"sync/atomic"
)

// A policy keeps so many standings compiled, each in one of the few places that
// its hash allows. What finds none takes the place of another, which is compiled
// anew when it comes back.
const (
	standings = 1 << 10
	places    = 4
)

// A snapshot is a policy at one time. It is never changed once it is prepared,
// but for what it remembers.
type snapshot struct {
	roles, scopes                   map[string][]permission
	authenticated, anonymous, local []permission
	kinds                           []Kind
	hooks                           []Hook

	byTenant bool     // some permission depends on the tenant
	offers   []string // the scopes, those that grant least first

	nobody, parent, offered *grants // of anonymous callers, of Local, of all scopes

	slots [standings]atomic.Pointer[standing]
}

// A standing is what all callers with the same roles and scopes may do.
type standing struct {
	roles, scopes []string
	tenant        string

	held    *grants
	offered *grants // what they would hold with every scope there is
}

// prepare compiles what does not depend on the caller.
func (s *snapshot) prepare() {
	s.nobody, s.parent = newGrants(s.anonymous, ""), newGrants(s.local, "")
	s.offers = slices.SortedFunc(maps.Keys(s.scopes), func(a, b string) int {
		return cmp.Or(cmp.Compare(breadth(s.scopes[a]), breadth(s.scopes[b])), cmp.Compare(a, b))
	})
	all := slices.Clone(s.authenticated)
	for _, lists := range []map[string][]permission{s.roles, s.scopes} {
		for _, list := range lists {
			all = append(all, list...)
		}
	}
	s.byTenant = slices.ContainsFunc(all, permission.ofTenant)
	s.offered = s.allScopes("")
}

// breadth ranks scopes: a client is told of the narrowest that helps.
func breadth(list []permission) (n int) {
	for _, p := range list {
		switch {
		case p.verb == everything:
			n += 1 << 20
		case p.glob == "" || p.glob == "*":
			n += 1 << 10
		default:
			n++
		}
	}
	return n
}

func (s *snapshot) allScopes(tenant string) *grants {
	var list []permission
	for _, scope := range s.offers {
		list = append(list, s.scopes[scope]...)
	}
	return newGrants(list, tenant)
}

// standingOf returns what p may do, from memory where possible.
func (s *snapshot) standingOf(p *Principal) *standing {
	tenant := ""
	if s.byTenant {
		tenant = p.Tenant
	}
	hash := hashOf(p, tenant)
	var free *atomic.Pointer[standing]
	for i := range uint64(places) {
		slot := &s.slots[(hash+i)%standings]
		c := slot.Load()
		if c != nil && c.tenant == tenant && slices.Equal(c.roles, p.Roles) && slices.Equal(c.scopes, p.Scopes) {
			return c
		}
		if c == nil && free == nil {
			free = slot
		}
	}
	if free == nil {
		free = &s.slots[(hash+hash>>32%places)%standings] // the one that is overwritten
	}
	c := s.newStanding(p, tenant)
	free.Store(c)
	return c
}

func (s *snapshot) newStanding(p *Principal, tenant string) *standing {
	list := slices.Clone(s.authenticated)
	for _, role := range p.Roles {
		list = append(list, s.roles[role]...)
	}
	for _, scope := range p.Scopes {
		list = append(list, s.scopes[scope]...)
	}
	c := &standing{
		roles: slices.Clone(p.Roles), scopes: slices.Clone(p.Scopes), tenant: tenant,
		held: newGrants(list, tenant), offered: s.offered,
	}
	if s.byTenant {
		c.offered = s.allScopes(tenant)
	}
	return c
}

// hashOf only finds the place: whose it is, is compared. So it may look at the
// ends of names alone, where names of one house differ.
func hashOf(p *Principal, tenant string) uint64 {
	h := mix(uint64(len(p.Roles)), tenant)
	for _, role := range p.Roles {
		h = mix(h, role)
	}
	for _, scope := range p.Scopes {
		h = mix(h, scope)
	}
	return h
}

func mix(h uint64, s string) uint64 {
	const prime = 0x9e3779b97f4a7c15 // 2^64 by the golden ratio: spreads what is near
	n := len(s)
	h ^= uint64(n) << 56
	switch { // most differ at one of their ends
	case n >= 4:
		h ^= four(s[:4]) ^ four(s[n-4:])<<24
	case n > 0:
		h ^= uint64(s[0]) ^ uint64(s[n/2])<<8 ^ uint64(s[n-1])<<16
	}
	hi, lo := bits.Mul64(h, prime) // folded, every bit depends on every other
	return hi ^ lo
}

func four(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}
