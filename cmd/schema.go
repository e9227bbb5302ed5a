package cmd

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// A schema is the part of JSON Schema (2020-12) that describes results.
type schema struct {
	Title      string          `json:"title,omitempty"`
	Type       schemaTypes     `json:"type,omitempty"` // empty: any value
	Properties properties      `json:"properties,omitempty"`
	Required   []string        `json:"required,omitempty"`
	Additional *additional     `json:"additionalProperties,omitempty"`
	Items      *schema         `json:"items,omitempty"`
	AnyOf      []requiredNames `json:"anyOf,omitempty"`
}

// schemaTypes are the types a value may have: "string", or "object" and "null".
type schemaTypes []string

func (t schemaTypes) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

func (t schemaTypes) String() string {
	if len(t) == 0 {
		return "any"
	}
	return strings.Join(t, " or ")
}

// ofType is the schema of every value of a type.
func ofType(name string) *schema { return &schema{Type: schemaTypes{name}} }

// additional is false for a struct, and the schema of the values of a map.
type additional struct{ values *schema }

func (a additional) MarshalJSON() ([]byte, error) {
	if a.values == nil {
		return []byte("false"), nil
	}
	return json.Marshal(a.values)
}

type requiredNames struct {
	Required []string `json:"required"`
}

// properties keep the order of the fields, which is the order of the document.
type properties []property

type property struct {
	name   string
	schema *schema
}

func (p properties) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, f := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(f.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.schema)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}

// results declares the types that c emits as JSON, of which v are values. brio
// help json COMMAND describes them.
func results(e *env, c *cobra.Command, v ...any) *cobra.Command {
	if e.results == nil {
		e.results = map[*cobra.Command][]any{}
	}
	e.results[c] = append(e.results[c], v...)
	return c
}

// schemasOf are the schemas of what c emits, one for each type.
func (e *env) schemasOf(c *cobra.Command) []*schema {
	var list []*schema
	for _, v := range e.results[c] {
		s := schemaOf(reflect.TypeOf(v), nil)
		s.Title = c.CommandPath()
		s.AnyOf = []requiredNames{{s.Required}, {[]string{"error"}}}
		s.Required = nil
		s.Properties = append(s.Properties, property{"error", schemaOf(reflect.TypeFor[errorObject](), nil)})
		list = append(list, s)
	}
	return list
}

// schemaOf describes how encoding/json writes a value of type t. seen holds the
// types around it: one that contains itself is described once.
func schemaOf(t reflect.Type, seen []reflect.Type) *schema {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for _, s := range seen {
		if s == t {
			return &schema{}
		}
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return ofType("string")
	case marshals[json.Marshaler](t):
		return schemaOfZero(t)
	case marshals[encoding.TextMarshaler](t):
		return ofType("string")
	}
	switch t.Kind() {
	case reflect.String:
		return ofType("string")
	case reflect.Bool:
		return ofType("boolean")
	case reflect.Float32, reflect.Float64:
		return ofType("number")
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 && t.Kind() == reflect.Slice {
			return ofType("string") // base64
		}
		return &schema{Type: schemaTypes{"array"}, Items: schemaOf(t.Elem(), append(seen, t))}
	case reflect.Map:
		return &schema{Type: schemaTypes{"object"}, Additional: &additional{schemaOf(t.Elem(), append(seen, t))}}
	case reflect.Struct:
		s := &schema{Type: schemaTypes{"object"}, Additional: &additional{}}
		addFields(s, t, append(seen, t))
		return s
	case reflect.Interface:
		return &schema{}
	}
	return ofType("integer")
}

// has reports whether a value that s describes may have something at path.
func (s *schema) has(path string) bool {
	if path == "" {
		return true
	}
	key, rest, _ := strings.Cut(strings.TrimPrefix(path, "."), ".")
	switch {
	case s.Items != nil:
		_, err := strconv.Atoi(key)
		return err == nil && s.Items.has(rest)
	case s.Additional != nil && s.Additional.values != nil:
		return s.Additional.values.has(rest)
	}
	for _, p := range s.Properties {
		if p.name == key {
			return p.schema.has(rest)
		}
	}
	// What writes itself may have more members than its zero value has.
	return s.Additional == nil && (len(s.Type) == 0 || slices.Contains(s.Type, "object"))
}

// schemaOfZero describes a type that writes itself, by what its zero value says:
// the members of an object. What it may hold besides is left open.
func schemaOfZero(t reflect.Type) *schema {
	doc, err := json.Marshal(reflect.Zero(t).Interface())
	if err != nil {
		return &schema{}
	}
	n, err := parseNode(doc)
	if err != nil || n.list || len(n.keys) == 0 {
		return &schema{}
	}
	s := &schema{Type: schemaTypes{"object"}}
	for i, key := range n.keys {
		value := &schema{}
		if _, err := strconv.ParseFloat(n.nodes[i].leaf, 64); err == nil {
			value = ofType("number")
		} else if n.nodes[i].leaf != "" {
			value = ofType("string")
		}
		s.Properties = append(s.Properties, property{key, value})
		s.Required = append(s.Required, key)
	}
	return s
}

func marshals[T any](t reflect.Type) bool {
	i := reflect.TypeFor[T]()
	return t.Implements(i) || reflect.PointerTo(t).Implements(i)
}

func addFields(s *schema, t reflect.Type, seen []reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && name == "":
			addFields(s, derefType(f.Type), seen)
			continue
		case name == "":
			name = f.Name
		}
		s.Properties = append(s.Properties, property{name, fieldSchema(f.Type, seen)})
		if !strings.Contains(options, "omit") {
			s.Required = append(s.Required, name)
		}
	}
}

// fieldSchema is schemaOf, but a pointer may also be null.
func fieldSchema(t reflect.Type, seen []reflect.Type) *schema {
	s := schemaOf(t, seen)
	if t.Kind() == reflect.Pointer && len(s.Type) > 0 {
		s.Type = append(s.Type, "null")
	}
	return s
}

func derefType(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}
