package stack_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"usher/backend/deploy/stack"
	"usher/backend/deploy/stack/stacktest"
)

// Each condition is true in one set and false in another.
func TestSetsPlayEachCondition(t *testing.T) {
	now, err := stack.Current()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]map[bool]bool{}
	for name := range now.Conditions {
		seen[name] = map[bool]bool{}
		now.Outputs["Probe"+name] = map[string]any{"Value": map[string]any{"Fn::If": []any{name, "yes", "no"}}}
	}
	for set, values := range stacktest.Sets() {
		flat, err := now.Evaluate(stack.Values{Parameters: values})
		if err != nil {
			t.Fatalf("%s: %v", set, err)
		}
		for name := range now.Conditions {
			seen[name][stack.At(flat.Outputs["Probe"+name], "Value") == "yes"] = true
		}
		raw, err := json.Marshal(flat.Resources)
		if err != nil {
			t.Fatal(err)
		}
		for _, left := range []string{"Fn::If", "Condition\":\"", "AWS::NoValue", "Fn::Split"} {
			if strings.Contains(string(raw), left) {
				t.Errorf("%s: %s is not evaluated", set, left)
			}
		}
	}
	for name, values := range seen {
		if len(values) != 2 {
			t.Errorf("the condition %s has the values %v", name, values)
		}
	}
}

func TestEvaluateRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"an unknown reference":   "Resources: {A: {Type: T, Properties: {P: !Ref Nothing}}}",
		"an unknown condition":   "Resources: {A: {Type: T, Condition: Nothing}}",
		"an unknown function":    "Resources: {A: {Type: T, Properties: {P: !Cidr [a, b]}}}",
		"a missing parameter":    "Parameters: {P: {Type: String}}\nResources: {A: {Type: T}}",
		"a condition of nothing": "Conditions: {C: !Foo [a]}\nResources: {A: {Type: T, Condition: C}}",
	} {
		now, err := stack.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if flat, err := now.Evaluate(stack.Values{}); err == nil {
			t.Errorf("%s is evaluated: %v", name, flat)
		}
	}
	now, err := stack.Current()
	if err != nil {
		t.Fatal(err)
	}
	values := stacktest.Sets()["default"]
	values["Nothing"] = "x"
	if _, err := now.Evaluate(stack.Values{Parameters: values}); err == nil {
		t.Error("an unknown parameter is accepted")
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"", "a", "Resources: []", "Resources: {}", "Resources: {A: 1, A: 2}", "Resources: {A: 1}\n---\nResources: {}", "Resources: {A: *x}", "{"} {
		if got, err := stack.Parse(text); err == nil {
			t.Errorf("%q is a template: %v", text, got)
		}
	}
}

func ExampleTemplate_Evaluate() {
	t, err := stack.Parse("Parameters: {Name: {Type: String, Default: x}}\nResources: {A: {Type: T, Properties: {P: !Sub '${Name}-${A}'}}}")
	if err != nil {
		fmt.Println(err)
		return
	}
	flat, err := t.Evaluate(stack.Values{Physical: func(resource, _ string) string { return "physical-" + resource }})
	fmt.Println(stack.At(flat.Resources["A"], "Properties", "P"), err)
	// Output: x-physical-A <nil>
}
