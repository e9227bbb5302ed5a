package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptSchema checks that each line of the last program's stdout is valid under
// a JSON Schema of a command: schema dns-query; schema config show.
func scriptSchema(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: schema COMMAND")
	}
	docs := ts.ReadFile("stdout")
	if err := ts.Exec("brio", append([]string{"help", "json"}, args...)...); err != nil {
		ts.Fatalf("brio help json %s: %v", strings.Join(args, " "), err)
	}
	var schemas []map[string]any
	d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	for {
		var s map[string]any
		if err := d.Decode(&s); err == io.EOF {
			break
		} else if err != nil {
			ts.Fatalf("schema: %v", err)
		}
		schemas = append(schemas, s)
	}
	n := 0
	for line := range strings.Lines(docs) {
		n++
		ts.Check(matchesOne(schemas, []byte(line)))
	}
	if n == 0 {
		ts.Fatalf("there is no JSON on stdout")
	}
}

// matchesOne checks a document against the schemas, of which one must fit.
func matchesOne(schemas []map[string]any, doc []byte) error {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return fmt.Errorf("not JSON: %w: %s", err, doc)
	}
	if len(schemas) == 0 {
		return errors.New("there is no schema")
	}
	var first error
	for _, s := range schemas {
		err := validate(s, v, "")
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return fmt.Errorf("%w in %s", first, doc)
}

// validate checks v against the part of JSON Schema that brio uses.
func validate(s map[string]any, v any, path string) error {
	if !hasType(s["type"], typeName(v)) {
		return fmt.Errorf("%s is of type %s, not %v", path, typeName(v), s["type"])
	}
	switch v := v.(type) {
	case map[string]any:
		return validateObject(s, v, path)
	case []any:
		items, ok := s["items"].(map[string]any)
		if !ok {
			return nil
		}
		for i, item := range v {
			if err := validate(items, item, fmt.Sprintf("%s.%d", path, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// hasType reports whether want, the name of a type or a list of names, takes
// values of type got.
func hasType(want any, got string) bool {
	switch want := want.(type) {
	case string:
		return want == got || want == "number" && got == "integer"
	case []any:
		return slices.ContainsFunc(want, func(w any) bool { return hasType(w, got) })
	}
	return true
}

func validateObject(s map[string]any, v map[string]any, path string) error {
	known, _ := s["properties"].(map[string]any)
	for name, member := range v {
		sub, ok := known[name].(map[string]any)
		if extra := s["additionalProperties"]; !ok && extra != nil {
			if extra == false {
				return fmt.Errorf("%s has the unknown member %q", path, name)
			}
			sub, ok = extra.(map[string]any)
		}
		if ok {
			if err := validate(sub, member, path+"."+name); err != nil {
				return err
			}
		}
	}
	if missing := missingMember(s, v); missing != "" {
		return fmt.Errorf("%s lacks %q", path, missing)
	}
	alternatives, _ := s["anyOf"].([]any)
	fits := func(alternative any) bool {
		a, ok := alternative.(map[string]any)
		return ok && missingMember(a, v) == ""
	}
	if len(alternatives) > 0 && !slices.ContainsFunc(alternatives, fits) {
		return fmt.Errorf("%s fits none of anyOf; it lacks %q", path, missingMember(alternatives[0].(map[string]any), v))
	}
	return nil
}

func missingMember(s map[string]any, v map[string]any) string {
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			return name.(string)
		}
	}
	return ""
}

func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case json.Number:
		if strings.ContainsAny(string(v), ".eE") {
			return "number"
		}
		return "integer"
	case []any:
		return "array"
	}
	return "object"
}

func TestValidate(t *testing.T) {
	var s map[string]any
	if err := json.Unmarshal([]byte(`{"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"}},"b":{"type":"number"},"n":{"type":["string","null"]},"error":{}},
		"additionalProperties":false,"anyOf":[{"required":["a"]},{"required":["error"]}]}`), &s); err != nil {
		t.Fatal(err)
	}
	for doc, valid := range map[string]bool{
		`{"a":[1,2]}`: true, `{"a":[],"b":1.5}`: true, `{"a":[],"b":1}`: true, `{"error":1}`: true, `{"a":[],"n":null}`: true, `{"a":[],"n":"x"}`: true,
		`{"a":[],"n":1}`: false,
		`{}`:             false, `{"a":1}`: false, `{"a":["x"]}`: false, `{"a":[],"c":1}`: false, `[]`: false, `{"a":null}`: false, `{"a":[1.5]}`: false, `{`: false,
	} {
		if err := matchesOne([]map[string]any{s}, []byte(doc)); (err == nil) != valid {
			t.Errorf("matchesOne(%s) = %v; want valid %v", doc, err, valid)
		}
	}
}
