// Package schema makes the JSON schema of a Go type, shows it to clients, and
// decodes, checks and encodes values by it.
//
// The schema comes from the type (json and jsonschema tags, through
// google/jsonschema-go) and from its validate tags (go-playground/validator):
// gte=0 becomes minimum, oneof becomes enum, email becomes a format. What JSON
// schema cannot say, such as gtefield=Start, stands in the description, so that
// a model can get it right the first time. Each rule is enforced wherever it
// went, and all that is wrong with a value is reported together:
//
//	invalid arguments: 2 problems
//	- a: must be at least 0, got -1 (rule: gte=0 / minimum)
//	- c: unknown argument; known are a, b
//
// What is refused beyond JSON schema: duplicate keys, more than 64 levels,
// invalid UTF-8, names that differ from a field only in case (encoding/json
// would take them), integers that the Go type does not hold, and what the
// validate tags say. Formats in a schema given by the author are hints, as JSON
// schema has it.
//
// Rules on the fields of structs inside slices and maps hold without dive, too.
// required on a struct that is no pointer means that it is there. omitempty
// lets a field be left out; if its json tag makes it stand there always, an
// empty value passes.
package schema
