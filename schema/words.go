package schema

import (
	"fmt"
	"reflect"
	"strings"
)

// sentences are what rules without a keyword ask, %s being the parameter.
var sentences = map[string]string{
	"eqfield": "must equal %s", "nefield": "must differ from %s",
	"gtfield": "must be greater than %s", "gtefield": "must be at least %s",
	"ltfield": "must be less than %s", "ltefield": "must be at most %s",
	"eqcsfield": "must equal %s", "necsfield": "must differ from %s",
	"gtcsfield": "must be greater than %s", "gtecsfield": "must be at least %s",
	"ltcsfield": "must be less than %s", "ltecsfield": "must be at most %s",
	"fieldcontains": "must contain the value of %s", "fieldexcludes": "must not contain the value of %s",
	"required":    "must not be empty",
	"required_if": "required if %s", "required_unless": "required unless %s",
	"required_with": "required if any of these is given: %s", "required_with_all": "required if all of these are given: %s",
	"required_without": "required if any of these is missing: %s", "required_without_all": "required if all of these are missing: %s",
	"excluded_if": "must be left out if %s", "excluded_unless": "must be left out unless %s",
	"excluded_with": "must be left out if any of these is given: %s", "excluded_with_all": "must be left out if all of these are given: %s",
	"excluded_without": "must be left out if any of these is missing: %s", "excluded_without_all": "must be left out if all of these are missing: %s",
	"isdefault": "must be left empty", "ne": "must not be %s", "eq": "must be %s", "oneof": "must be one of: %s",
	"eq_ignore_case": "must be %s, in any case", "ne_ignore_case": "must not be %s, in any case",
	"oneofci": "must be one of, in any case: %s", "noneof": "must be none of: %s", "noneofci": "must be none of, in any case: %s",
	"startswith": "must start with %q", "endswith": "must end with %q", "contains": "must contain %q",
	"startsnotwith": "must not start with %q", "endsnotwith": "must not end with %q", "excludes": "must not contain %q",
	"containsany": "must contain one of the characters %q", "excludesall": "must contain none of the characters %q",
	"containsrune": "must contain %q", "excludesrune": "must not contain %q",
	"lowercase": "must be in lower case", "uppercase": "must be in upper case",
	"ascii": "must be ASCII", "printascii": "must be printable ASCII",
	"alpha": "must be letters a-z only", "alphanum": "must be letters a-z and digits only",
	"alphaunicode": "must be letters only", "alphanumunicode": "must be letters and digits only",
	"numeric": "must be a number", "number": "must be digits only", "hexadecimal": "must be hexadecimal",
	"email": "must be an email address", "url": "must be a URL", "uri": "must be a URI",
	"http_url": "must be an http or https URL", "https_url": "must be an https URL",
	"uuid": "must be a UUID", "uuid3": "must be a version 3 UUID", "uuid4": "must be a version 4 UUID",
	"uuid5": "must be a version 5 UUID", "uuid7": "must be a version 7 UUID", "ulid": "must be a ULID",
	"ip": "must be an IP address", "ipv4": "must be an IPv4 address", "ipv6": "must be an IPv6 address",
	"cidr": "must be a network in CIDR notation", "cidrv4": "must be an IPv4 network in CIDR notation",
	"cidrv6": "must be an IPv6 network in CIDR notation", "mac": "must be a MAC address",
	"hostname": "must be a host name", "hostname_rfc1123": "must be a host name", "fqdn": "must be a full domain name",
	"hostname_port": "must be a host name and port", "port": "must be a port number",
	"datetime": "must be a date or time laid out like %s", "timezone": "must be the name of a time zone, like Europe/Paris",
	"duration": "must be a Go duration, like 1h30m", "base64": "must be base64", "json": "must be JSON text",
	"jwt": "must be a JSON web token", "semver": "must be a semantic version", "cron": "must be a cron expression",
	"unique": "must not contain duplicates", "latitude": "must be a latitude", "longitude": "must be a longitude",
	"e164": "must be a phone number in E.164 form", "isbn": "must be an ISBN", "credit_card": "must be a credit card number",
	"iso3166_1_alpha2": "must be a two-letter country code", "iso4217": "must be a currency code",
	"bcp47_language_tag": "must be a language tag", "hexcolor": "must be a color like #ff8800",
	"validateFn": "must be valid",
}

// comparisons are rules on a number, or on the size of something.
var comparisons = map[string]string{
	"gte": "at least", "min": "at least", "lte": "at most", "max": "at most",
	"gt": "more than", "lt": "less than", "len": "exactly", "eq": "exactly",
}

// describe says what a rule asks of a field of type t in struct parent, in words
// that go on from the field's name.
func describe(r rule, t, parent reflect.Type) string {
	if r.either {
		var each []string
		for part := range strings.SplitSeq(r.raw, "|") {
			name, param, _ := strings.Cut(part, "=")
			each = append(each, describe(rule{name: name, param: unescapeParam.Replace(param), raw: part}, t, parent))
		}
		return strings.Join(each, ", or ")
	}
	if word, ok := comparisons[r.name]; ok {
		if text := compare(word, r, t); text != "" {
			return text
		}
	}
	param := r.param
	if r.crosses() {
		param = referredNames(r, parent)
	}
	sentence, ok := sentences[r.name]
	switch {
	case r.name == "unique" && r.param != "":
		return "must not contain two with the same " + referredNames(r, deref(elemOf(t)))
	case !ok:
		return fmt.Sprintf("must satisfy the rule %q", r.raw)
	case strings.Contains(sentence, "%"):
		return fmt.Sprintf(sentence, param)
	}
	return sentence
}

func compare(word string, r rule, t reflect.Type) string {
	unit := ""
	switch {
	case t == timeType && r.param == "":
		return map[string]string{
			"gt": "must be in the future", "gte": "must not be in the past",
			"lt": "must be in the past", "lte": "must not be in the future",
		}[r.name]
	case t.Kind() == reflect.String && r.name != "eq":
		unit = " characters long"
	case t.Kind() == reflect.Slice && formOf(t) == formBytes:
		unit = " bytes long"
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Array:
		return "must have " + word + " " + r.param + " items"
	case t.Kind() == reflect.Map:
		return "must have " + word + " " + r.param + " members"
	case r.name == "eq", r.name == "len":
		return "must be " + r.param
	}
	if r.name == "eq" {
		return ""
	}
	return "must be " + word + " " + r.param + unit
}

// referredNames returns the fields that r refers to by their JSON names.
func referredNames(r rule, parent reflect.Type) string {
	words := oneofWords.FindAllString(r.param, -1)
	pairs := strings.HasSuffix(r.name, "_if") || strings.HasSuffix(r.name, "_unless")
	var out []string
	for i := 0; i < len(words); i++ {
		name := words[i]
		if sf, ok := fieldNamed(parent, name); ok {
			name = jsonName(sf)
		}
		if pairs && i+1 < len(words) {
			i++
			name += " is " + words[i]
		}
		out = append(out, name)
	}
	if pairs {
		return strings.Join(out, " and ")
	}
	return strings.Join(out, ", ")
}

func fieldNamed(parent reflect.Type, name string) (reflect.StructField, bool) {
	if parent == nil || parent.Kind() != reflect.Struct {
		return reflect.StructField{}, false
	}
	return parent.FieldByName(name)
}

func elemOf(t reflect.Type) reflect.Type {
	switch t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		return t.Elem()
	}
	return t
}
