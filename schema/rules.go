package schema

import "strings"

// rule is one rule of a validate tag, such as gte=0.
type rule struct {
	name, param string
	raw         string // as written
	either      bool   // alternatives joined by |; name and param are the first's
}

// ruleSet is a validate tag, taken apart at its dives.
type ruleSet struct {
	rules []rule
	keys  *ruleSet // for the keys of a map, of a set that dives
	elem  *ruleSet // for what is inside; nil without dive
	off   bool     // "-", structonly or nostructlevel: nothing inside is checked
}

var unescapeParam = strings.NewReplacer("0x2C", ",", "0x7C", "|")

func parseRules(tag string) *ruleSet {
	if tag == "" {
		return &ruleSet{}
	}
	set, _ := takeRules(strings.Split(tag, ","))
	return set
}

// takeRules reads words up to the end or endkeys and returns those behind.
func takeRules(words []string) (set *ruleSet, rest []string) {
	set = &ruleSet{}
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		switch word {
		case "endkeys":
			return set, words
		case "-", "structonly", "nostructlevel":
			set.off = true
		case "dive":
			var keys *ruleSet
			if len(words) > 0 && words[0] == "keys" {
				keys, words = takeRules(words[1:])
			}
			set.elem, words = takeRules(words)
			set.keys = keys
			return set, words
		default:
			first, _, either := strings.Cut(word, "|")
			name, param, _ := strings.Cut(first, "=")
			set.rules = append(set.rules, rule{name: name, param: unescapeParam.Replace(param), raw: word, either: either})
		}
	}
	return set, nil
}

// depth is how many times the set dives.
func (s *ruleSet) depth() int {
	if s.elem == nil {
		return 0
	}
	return 1 + s.elem.depth()
}

// skips reports whether a rule lets an empty value pass the rules after it.
func (r rule) skips() bool {
	return r.name == "omitempty" || r.name == "omitzero" || r.name == "omitnil"
}

// crosses reports whether the rule looks beyond its field, so that it means
// nothing for the field's value alone.
func (r rule) crosses() bool {
	if r.either {
		for part := range strings.SplitSeq(r.raw, "|") {
			name, _, _ := strings.Cut(part, "=")
			if crossing(name) {
				return true
			}
		}
		return false
	}
	return crossing(r.name)
}

func crossing(name string) bool {
	switch name {
	case "fieldcontains", "fieldexcludes", "skip_unless", "validateFn":
		return true
	}
	return strings.HasSuffix(name, "field") || strings.HasSuffix(name, "_field") ||
		strings.HasPrefix(name, "required_") || strings.HasPrefix(name, "excluded_")
}
