package ocsf

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/audit/audittest"
	"usher/backend/event"
)

// schema has the attributes of the classes and objects, from the schema's own
// files of version 1.3.0.
type schema struct {
	Classes, Objects map[string]class
}

type class struct {
	Attributes  map[string]attribute
	Constraints struct {
		AtLeastOne []string `json:"at_least_one"`
	}
}

type attribute struct {
	Base, Type, Object string
	Array, Required    bool
	Enum               []string
}

func load(t testing.TB) schema {
	t.Helper()
	raw, err := os.ReadFile("testdata/ocsf-1.3.0.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// validate returns the violations of an event.
func (s schema) validate(raw []byte) []string {
	var e map[string]any
	if err := json.Unmarshal(raw, &e); err != nil {
		return []string{err.Error()}
	}
	uid := fmt.Sprint(e["class_uid"])
	c, ok := s.Classes[uid]
	if !ok {
		return []string{"class " + uid}
	}
	bad := s.check(uid, c, e)
	if e["type_uid"] != e["class_uid"].(float64)*100+e["activity_id"].(float64) {
		bad = append(bad, "type_uid")
	}
	return bad
}

func (s schema) check(at string, c class, e map[string]any) (bad []string) {
	for name, a := range c.Attributes {
		if _, ok := e[name]; a.Required && !ok {
			bad = append(bad, at+" lacks "+name)
		}
	}
	if one := c.Constraints.AtLeastOne; len(one) > 0 && !slices.ContainsFunc(one, func(n string) bool { _, ok := e[n]; return ok }) {
		bad = append(bad, fmt.Sprint(at, " lacks one of ", one))
	}
	for name, v := range e {
		a, ok := c.Attributes[name]
		if !ok {
			bad = append(bad, at+" has the unknown "+name)
			continue
		}
		list, isList := v.([]any)
		if isList != a.Array {
			bad = append(bad, at+"."+name+": a list or not")
			continue
		}
		if !isList {
			list = []any{v}
		}
		for _, v := range list {
			bad = append(bad, s.value(at+"."+name, a, v)...)
		}
	}
	return bad
}

func (s schema) value(at string, a attribute, v any) (bad []string) {
	ok := false
	switch x := v.(type) {
	case string:
		ok = a.Base == "string_t"
	case float64:
		ok = (a.Base == "integer_t" || a.Base == "long_t") && x == float64(int64(x))
		if len(a.Enum) > 0 && !slices.Contains(a.Enum, fmt.Sprint(x)) {
			bad = append(bad, fmt.Sprint(at, " is ", x))
		}
	case map[string]any:
		ok = a.Object != ""
		if sub, known := s.Objects[a.Object]; known {
			bad = append(bad, s.check(at, sub, x)...)
		}
	}
	if !ok {
		bad = append(bad, fmt.Sprintf("%s is a %T", at, v))
	}
	return bad
}

// Each action, with each outcome, purpose and field, is valid.
func TestSchema(t *testing.T) {
	s := load(t)
	at := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	size := int64(7)
	seen := map[string]bool{}
	for _, action := range append(event.Actions(), event.AuditGap, event.TokenRefused, event.MembershipChanged, event.UncleanStop, "another") {
		for _, outcome := range event.Outcomes() {
			for _, purpose := range []string{"", "preview", "link"} {
				for i, e := range []event.Event{
					{},
					{User: event.User{Sub: "s", Username: "ada", Email: "a@b"}, Session: "x", SourceIP: "192.0.2.1", Bucket: "b", Key: "a/b.csv", Size: &size, Version: "v", Reason: "r", RequestID: "R", Count: 3, GroupNames: []string{"a", "b"}, GroupNamesBefore: []string{"b"}, GrantsAdded: 1, GrantsDiff: []string{"+ x"}},
					{Bucket: "b", GroupNames: []string{"a"}, GroupNamesBefore: []string{"b"}, GrantsAdded: 1, GrantsRemoved: 1},
					{Bucket: "b", Key: "p/", GroupNamesBefore: []string{"b"}, GrantsRemoved: 1, Implausible: true},
				} {
					e.ID, e.Time, e.Action, e.Outcome, e.Purpose = "01K6ABCDEFGHJKMNPQRSTVWXYZ", at, action, outcome, purpose
					canonical := event.Canonical(e)
					raw, err := Encode(4, canonical, e)
					if err != nil {
						t.Fatal(err)
					}
					if bad := s.validate(raw); len(bad) > 0 {
						t.Errorf("%s %s %q %d: %v\n%s", action, outcome, purpose, i, bad, raw)
					}
					var out struct {
						Type     int `json:"type_uid"`
						Unmapped struct {
							Usher struct{ Event event.Event }
						}
					}
					if err := json.Unmarshal(raw, &out); err != nil || string(event.Canonical(out.Unmapped.Usher.Event)) != string(canonical) {
						t.Fatalf("%s: the event inside differs (%v)", action, err)
					}
					seen[fmt.Sprint(out.Type)] = true
				}
			}
		}
	}
	for _, want := range []string{"300201", "300202", "300601", "300602", "300603", "300604", "600203", "600204", "600299", "600504", "600508", "600602", "600609", "600612"} {
		if !seen[want] {
			t.Errorf("no event has the type %s", want)
		}
	}
}

// The validation of this test finds each kind of mistake.
func TestValidation(t *testing.T) {
	s := load(t)
	e := event.Event{ID: "1", Action: event.Download, Outcome: event.Allowed, Bucket: "b", Key: "k"}
	raw, err := Encode(1, event.Canonical(e), e)
	if err != nil {
		t.Fatal(err)
	}
	for old, changed := range map[string]string{
		`"severity_id":1`: `"severity_id":42`, `"time":`: `"when":`, `"status_id":1`: `"status_id":"1"`, `"type_id":1`: `"type_id":null`,
		`"type_uid":600602`: `"type_uid":600603`, `"class_uid":6006`: `"class_uid":6001`, `"file":{`: `"file":7,"x":{`, `"activity_name":"download"`: `"activity_name":["download"]`,
	} {
		broken := strings.Replace(string(raw), old, changed, 1)
		if broken == string(raw) {
			t.Fatalf("%s is not in %s", old, raw)
		}
		if len(s.validate([]byte(broken))) == 0 {
			t.Errorf("%s instead of %s is valid", changed, old)
		}
	}
}

func TestSamples(t *testing.T) {
	s := load(t)
	for i, e := range audittest.Events(2000) {
		raw, err := Encode(int64(i), event.Canonical(e), e)
		if err != nil {
			t.Fatal(err)
		}
		if bad := s.validate(raw); len(bad) > 0 {
			t.Fatalf("%v\n%s", bad, raw)
		}
	}
}
