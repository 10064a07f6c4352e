package event_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"usher/backend/event"
)

// constants returns the names of the actions' constants in event.go, by value.
func constants(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if text, ok := v.Values[0].(*ast.BasicLit); ok {
				names[strings.Trim(text.Value, `"`)] = v.Names[0].Name
			}
		}
		return true
	})
	return names
}

// Production code outside this package uses the constant of each action that
// filters offer.
func TestEveryActionIsRecorded(t *testing.T) {
	used := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
			strings.HasPrefix(path, "../event/") || strings.Contains(path, "test/") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "event" {
					used[s.Sel.Name] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	names := constants(t)
	for _, action := range event.Actions() {
		if name := names[action]; name == "" || !used[name] {
			t.Errorf("filters offer action:%s, and no code in the backend records it", action)
		}
	}
}

func TestCanonicalBytesOfGrantsChanged(t *testing.T) {
	e := event.Event{ID: "01K9", Action: event.GrantsChanged, Outcome: event.Allowed, GrantsVersion: "b", GrantsBefore: "a", GrantsAdded: 2, GrantsRemoved: 1, GrantsDiff: []string{"+ a", `- "b"`}, User: event.User{Username: "grants file"}}
	const want = `{"action":"grants-changed","bucket":"","grants_added":2,"grants_before":"a","grants_diff":["+ a","- \"b\""],"grants_removed":1,"grants_version":"b","id":"01K9","key":"","outcome":"allowed",` +
		`"request_id":"","session":"","source_ip":"","time":"0001-01-01T00:00:00Z","user":{"sub":"","username":"grants file"},"user_agent":""}`
	got := event.Canonical(e)
	if string(got) != want {
		t.Errorf("Canonical:\n%s\nwant\n%s", got, want)
	}
	if back, err := event.Parse(got); err != nil || !reflect.DeepEqual(back, event.Clean(e)) {
		t.Errorf("read back: %+v, %v", back, err)
	}
}
