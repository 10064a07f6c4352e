package stack

import (
	"slices"
	"strings"
	"testing"
)

// The template of an import has the adopted resources alone, and refers to no other.
func TestImport(t *testing.T) {
	now := current(t)
	all := Adoptable()
	for name, names := range map[string][]string{"the log": all[0], "the grants": all[1], "the pool": all[2], "everything": slices.Concat(all...)} {
		text, err := now.Import(names)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(got.Resources) != len(names) || got.Outputs != nil || len(text) >= MaxTemplate {
			t.Errorf("%s: %d resources, %d outputs, %d bytes", name, len(got.Resources), len(got.Outputs), len(text))
		}
		if err := resolves(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for id, r := range got.Resources {
			if At(r, "DeletionPolicy") != "Retain" || At(r, "Condition") != At(now.Resources[id], "Condition") {
				t.Errorf("%s: %s is %v", name, id, r)
			}
			if _, err := now.Identifier(id, map[string]string{id: "x", "UserPool": "p"}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		// Control: with the property of another resource, a name does not resolve.
		if _, outside := now.Resources["ApiFunction"]; outside {
			first := names[0]
			got.Resources[first].(map[string]any)["Properties"].(map[string]any)["X"] = map[string]any{"Ref": "ApiFunction"}
			if resolves(got) == nil {
				t.Errorf("%s: a reference to a function resolves", name)
			}
		}
	}
	if text, err := now.Import(all[2]); err != nil || strings.Contains(text, "LambdaConfig") || !strings.Contains(text, "CaseSensitive") {
		t.Errorf("the pool's import has another form: %v", err)
	}
	if _, err := now.Import([]string{"Nothing"}); err == nil {
		t.Error("an unknown resource is imported")
	}
	if _, err := now.Identifier("Api", map[string]string{"Api": "x"}); err == nil {
		t.Error("an API is adopted")
	}
}

// Each adoptable resource stays when its stack is deleted.
func TestAdoptableStays(t *testing.T) {
	kept := current(t).Kept()
	for _, name := range slices.Concat(Adoptable()...) {
		if !slices.Contains(kept, name) {
			t.Errorf("%s is deleted with its stack", name)
		}
	}
}
