// Package openapi makes tools of an OpenAPI document, version 3.0 or 3.1.
//
//	spec, err := openapi.Spec(document, &openapi.Options{
//		Operations: []string{"listPets", "get*"},
//		Secrets:    map[string]*httptool.Secret{"apiKey": {Env: "PETS_KEY"}},
//	})
//	...
//	p, err := httptool.New(spec, nil)
//
// What comes out is a [httptool.Spec]: calls go through the same engine, with the
// same guard, as tools that are described by hand, and the program may still
// change what it likes.
//
// Each chosen operation is a tool. Its arguments are the parameters, and "body"
// for the request body. Their schemas are those of the document, with what they
// refer to in $defs, recursive ones included, and as JSON schema 2020-12 has it:
// nullable and boolean exclusive bounds of version 3.0 are written anew, what only
// answers hold (readOnly) is left out of requests and the other way round. An
// answer has an output schema where it is sound: there is one answer of success,
// in JSON, and an object.
//
// Nothing is ever fetched: a $ref that leads out of the document is an error. So
// are anchors and aliases of YAML, documents of more than 8 MiB or 64 levels, and
// tools whose schema is larger than 256 KiB.
//
// The parser is github.com/getkin/kin-openapi; see docs/decisions/0022 for why.
package openapi
