package main

import (
	"context"
	"encoding/json"

	"github.com/trestle-mcp/trestle/server"
)

type (
	contactIn struct {
		Name          string  `json:"name,omitempty"`
		Address       address `json:"address,omitzero"`
		ContactMethod string  `json:"contactMethod,omitempty"`
		Phone         string  `json:"phone,omitempty"`
		Email         string  `json:"email,omitempty"`
	}
	address struct {
		Street string `json:"street,omitempty"`
		City   string `json:"city,omitempty"`
	}
	regionIn struct {
		Region string `json:"region,omitempty"`
		Level  int    `json:"level,omitempty"`
	}
)

// addSchemaTools adds tools whose schemas say what no tag can. Clients see
// them as they are written here, and every call has to satisfy them.
func addSchemaTools(s *server.Server) {
	contact := harmless("json_schema_2020_12_tool", "Repeats a contact, described by the whole of JSON schema.")
	contact.InputSchema = json.RawMessage(contactSchema)
	_ = server.AddTool(s, contact, func(_ context.Context, in contactIn) (string, error) {
		raw, err := json.Marshal(in)
		return "Contact: " + string(raw), err
	})
	region := harmless("test_x_mcp_header", "Repeats a region, which HTTP clients send in a header too.")
	region.InputSchema = json.RawMessage(regionSchema)
	_ = server.AddTool(s, region, func(_ context.Context, in regionIn) (string, error) {
		return "region=" + in.Region, nil
	})
}

const contactSchema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"$defs": {
		"address": {
			"$anchor": "addressDef",
			"type": "object",
			"properties": {"street": {"type": "string"}, "city": {"type": "string"}}
		}
	},
	"properties": {
		"name": {"type": "string"},
		"address": {"$ref": "#/$defs/address"},
		"contactMethod": {"type": "string", "enum": ["phone", "email"]},
		"phone": {"type": "string"},
		"email": {"type": "string"}
	},
	"allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
	"if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
	"then": {"required": ["phone"]},
	"else": {"required": ["email"]},
	"additionalProperties": false
}`

// regionSchema makes clients repeat the region as header Mcp-Param-Region
// (SEP-2243), where proxies can route by it.
const regionSchema = `{
	"type": "object",
	"properties": {
		"region": {"type": "string", "description": "where to run", "x-mcp-header": "Region"},
		"level": {"type": "integer", "description": "not repeated in a header"}
	}
}`
