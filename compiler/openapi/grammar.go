package openapi

// shape is one of the objects that the OpenAPI Specification defines. A "$ref" key is a reference only where the
// specification allows one: in an example, a default, an extension, or as the name of a schema's property it is data.
type shape uint8

const (
	opaque shape = iota // data, or nothing that matters
	document
	pathsObject
	pathItem
	operation
	parameter
	requestBody
	response
	responsesObject
	callback
	header
	mediaType
	encoding
	example
	link
	components
	securityScheme
	schema
	schemaOrFlag // additionalProperties and the like: a schema, or true or false
)

// form says how the values of a field stand.
type form uint8

const (
	one   form = iota
	list       // an array of them
	named      // an object of them by name; the names "x-…" of paths, callbacks and responses are extensions
	loose      // one of them or an array of them (items, before 2020-12)
)

type field struct {
	shape shape
	form  form
}

// object is what may stand in an object of one shape: its fields that can hold references. ref tells whether the
// object itself may be replaced by {"$ref": …}. every, where set, is the field for all keys.
type object struct {
	ref    bool
	every  *field
	fields map[string]field
}

// objects is the part of OpenAPI 3.0 §4.7 and 3.1 §4.8, and of JSON Schema 2020-12, that can lead to a reference.
var objects = [...]object{
	opaque: {},
	document: {fields: map[string]field{
		"paths": {pathsObject, one}, "webhooks": {pathItem, named}, "components": {components, one},
	}},
	pathsObject: {every: &field{pathItem, named}},
	pathItem: {ref: true, fields: map[string]field{
		"get": {operation, one}, "put": {operation, one}, "post": {operation, one}, "delete": {operation, one},
		"options": {operation, one}, "head": {operation, one}, "patch": {operation, one}, "trace": {operation, one},
		"parameters": {parameter, list},
	}},
	operation: {fields: map[string]field{
		"parameters": {parameter, list}, "requestBody": {requestBody, one}, "responses": {responsesObject, one},
		"callbacks": {callback, named},
	}},
	parameter: {ref: true, fields: map[string]field{
		"schema": {schema, one}, "content": {mediaType, named}, "examples": {example, named},
	}},
	requestBody: {ref: true, fields: map[string]field{"content": {mediaType, named}}},
	response: {ref: true, fields: map[string]field{
		"headers": {header, named}, "content": {mediaType, named}, "links": {link, named},
	}},
	responsesObject: {every: &field{response, named}},
	callback:        {ref: true, every: &field{pathItem, named}},
	header: {ref: true, fields: map[string]field{
		"schema": {schema, one}, "content": {mediaType, named}, "examples": {example, named},
	}},
	mediaType: {fields: map[string]field{
		"schema": {schema, one}, "examples": {example, named}, "encoding": {encoding, named},
	}},
	encoding: {fields: map[string]field{"headers": {header, named}}},
	example:  {ref: true},
	link:     {ref: true},
	components: {fields: map[string]field{
		"schemas": {schema, named}, "responses": {response, named}, "parameters": {parameter, named},
		"examples": {example, named}, "requestBodies": {requestBody, named}, "headers": {header, named},
		"securitySchemes": {securityScheme, named}, "links": {link, named}, "callbacks": {callback, named},
		"pathItems": {pathItem, named},
	}},
	securityScheme: {ref: true},
	schema: {ref: true, fields: map[string]field{
		"properties": {schema, named}, "patternProperties": {schema, named}, "dependentSchemas": {schema, named},
		"$defs": {schema, named}, "definitions": {schema, named},
		"additionalProperties": {schemaOrFlag, one}, "unevaluatedProperties": {schemaOrFlag, one},
		"unevaluatedItems": {schemaOrFlag, one}, "propertyNames": {schemaOrFlag, one}, "contains": {schemaOrFlag, one},
		"items": {schemaOrFlag, loose}, "not": {schemaOrFlag, one}, "if": {schemaOrFlag, one},
		"then": {schemaOrFlag, one}, "else": {schemaOrFlag, one}, "contentSchema": {schemaOrFlag, one},
		"allOf": {schema, list}, "anyOf": {schema, list}, "oneOf": {schema, list}, "prefixItems": {schema, list},
	}},
	schemaOrFlag: {},
}

// methods are the operations of a path item, in the order in which routes are listed.
var methods = [...]string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

// pathItemFields are all fields that OpenAPI 3.0 and 3.1 give a path item.
var pathItemFields = []string{
	"$ref", "delete", "description", "get", "head", "options", "parameters", "patch", "post", "put", "servers", "summary", "trace",
}
