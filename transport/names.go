package transport

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// maxName and maxURI bound, in bytes as written, the names that servers repeat
// in their answers. RFC 9110 section 4.1 has 8000 for URIs. maxWatched bounds
// the resources of one subscription: go-sdk spends a hundred times the bytes of
// a short URI on each.
const (
	maxName    = 1 << 10
	maxURI     = 8 << 10
	maxWatched = 1024
)

// named is what the parameters of a request say that headers repeat. Its bytes
// are parts of what was read, where they can be.
type named struct {
	name    []byte // params.name
	uri     []byte // params.uri
	version string // the protocol version in params._meta
	meta    json.RawMessage
}

// names reads them from params and refuses names that are not fit to be
// repeated: too long, or a URI that does not print.
func names(params json.RawMessage) (n named, _ *refusal) {
	for key, value := range strictjson.Members(params) {
		var r *refusal
		switch string(key) {
		case "name":
			n.name, r = checkName(value)
		case "uri":
			n.uri, r = checkURI(value)
		case "ref": // of completion/complete
			_, r = names(value)
		case "notifications": // of subscriptions/listen
			r = checkSubscriptions(value)
		case "_meta":
			n.meta = value
			n.version, r = metaVersion(value)
		}
		if r != nil {
			return n, r
		}
	}
	return n, nil
}

func checkName(value json.RawMessage) ([]byte, *refusal) {
	if len(value) > maxName && value[0] == '"' {
		return nil, invalidParams(fmt.Sprintf("name is longer than %d bytes", maxName))
	}
	name, _ := textBytes(value) // what is no string is for the method to refuse
	return name, nil
}

// checkURI refuses what does not print because go-sdk quotes a missing URI as
// Go does, which is not JSON then and ends the session.
func checkURI(value json.RawMessage) ([]byte, *refusal) {
	if len(value) > maxURI && value[0] == '"' {
		return nil, invalidParams(fmt.Sprintf("uri is longer than %d bytes", maxURI))
	}
	uri, _ := textBytes(value)
	for _, c := range string(uri) {
		if !strconv.IsPrint(c) {
			return nil, invalidParams("uri contains a control character")
		}
	}
	return uri, nil
}

func checkSubscriptions(value json.RawMessage) *refusal {
	for key, value := range strictjson.Members(value) {
		if string(key) != "resourceSubscriptions" {
			continue
		}
		var uris []json.RawMessage
		if json.Unmarshal(value, &uris) != nil {
			return nil // not an array: for the method to refuse
		}
		if len(uris) > maxWatched {
			return invalidParams(fmt.Sprintf("a subscription names at most %d resources", maxWatched))
		}
		for _, uri := range uris {
			if _, r := checkURI(uri); r != nil {
				return r
			}
		}
	}
	return nil
}

func metaVersion(meta json.RawMessage) (string, *refusal) {
	for key, value := range strictjson.Members(meta) {
		if string(key) == "io.modelcontextprotocol/protocolVersion" {
			if len(value) > maxVersion {
				return "", invalidParams("the protocol version is too long")
			}
			return versionText(value), nil
		}
	}
	return "", nil
}

// versionText is text, without a copy for versions that there are.
func versionText(value json.RawMessage) string {
	version, _ := textBytes(value)
	for _, known := range supportedVersions {
		if string(version) == known {
			return known
		}
	}
	return string(version)
}

var supportedVersions = mcp.SupportedProtocolVersions()
