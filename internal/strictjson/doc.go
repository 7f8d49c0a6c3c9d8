// Package strictjson says whether bytes are exactly one JSON value, read the
// same way by every parser, and walks objects known to be so.
//
// encoding/json takes the last of two equal keys, replaces invalid UTF-8 and
// nests 10,000 deep. Each of these lets a peer show one thing to a check and
// another to a handler, so [Check] refuses them all, in one pass and without
// decoding anything:
//
//	if err := strictjson.Check(body, 64); err != nil {
//		return err // *strictjson.Error, safe to show
//	}
//	for key, value := range strictjson.Members(body) {
//		...
//	}
//
// What Check accepts, encoding/json accepts too, with the same value.
package strictjson
