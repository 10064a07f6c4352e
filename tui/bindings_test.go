package tui_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/tui/keys"
)

// usage is the use of package keys in the code of the screens: the packages with a
// page in each context, and the actions that each package handles.
type usage struct {
	pages   map[string][]string        // name of a context → packages
	answers map[string]map[string]bool // package → names of actions
}

// readUsage parses every package below the folder of this test.
func readUsage(t *testing.T) usage {
	t.Helper()
	d := usage{pages: map[string][]string{}, answers: map[string]map[string]bool{}}
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || filepath.Dir(path) == "keys" {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil {
				d.read(filepath.Dir(path), f)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// read adds one function. Functions that explain or list actions handle none.
func (d usage) read(pkg string, f *ast.FuncDecl) {
	if slices.Contains([]string{"Why", "whyNot", "Hints", "Label", "leftOut", "needsGroup", "openedBy", "opens", "where"}, f.Name.Name) {
		return
	}
	if d.answers[pkg] == nil {
		d.answers[pkg] = map[string]bool{}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ReturnStmt:
			if f.Name.Name == "Context" {
				for _, name := range keyNames(n.Results...) {
					d.pages[name] = append(d.pages[name], pkg)
				}
			}
		case *ast.CaseClause:
			for _, name := range keyNames(n.List...) {
				d.answers[pkg][name] = true
			}
		case *ast.BinaryExpr:
			for _, name := range keyNames(n.X, n.Y) {
				d.answers[pkg][name] = true
			}
		}
		return true
	})
}

// keyNames returns X of each expression keys.X.
func keyNames(list ...ast.Expr) []string {
	var names []string
	for _, e := range list {
		if s, ok := e.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "keys" {
				names = append(names, s.Sel.Name)
			}
		}
	}
	return names
}

// constants maps the values of package keys to the names of their constants.
func constants(t *testing.T) map[string]string {
	t.Helper()
	src, err := os.ReadFile("keys/actions.go")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "actions.go", src, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if kind, ok := v.Type.(*ast.Ident); ok {
				names[kind.Name+" "+strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`)] = v.Names[0].Name
			}
		}
		return true
	})
	return names
}

// idle lists the bindings that no code handles. A binding of a context needs code in
// each package with a page in that context, in the root, or in the movement of lists
// and texts.
func (d usage) idle(names map[string]string, sets []keys.Set) []string {
	m, err := keys.New(sets...)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	bound := map[string]bool{}
	for _, set := range sets {
		c := names["Context "+string(set.Context)]
		base := slices.ContainsFunc(sets, func(s keys.Set) bool { return s.On == set.Context })
		pages := d.pages[c]
		if len(pages) == 0 && !base && set.Context != keys.Everywhere {
			out = append(out, "no page is in context "+string(set.Context))
		}
		for _, b := range m.All(set.Context) {
			a := names["Action "+string(b.Action)]
			bound[a] = true
			for _, pkg := range pages {
				if !d.answers[pkg][a] && !d.answers["."][a] && !d.answers["rows"][a] && !d.answers["pane"][a] {
					out = append(out, "no code answers "+string(b.Action)+" in context "+string(set.Context))
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Values(names)) {
		if kind := names["Action "+actionOf(names, name)]; kind == name && !bound[name] {
			out = append(out, "no key is bound to "+name)
		}
	}
	return out
}

// actionOf returns the value of an action's constant, "" for a context's.
func actionOf(names map[string]string, name string) string {
	for k, v := range names {
		if value, ok := strings.CutPrefix(k, "Action "); ok && v == name {
			return value
		}
	}
	return ""
}

// Each binding has code, because help and palette offer it.
func TestEveryBindingHasCode(t *testing.T) {
	d, names := readUsage(t), constants(t)
	if len(d.pages) < 9 || len(names) < 60 {
		t.Fatalf("only %d contexts and %d names were found in the sources", len(d.pages), len(names))
	}
	for _, problem := range d.idle(names, keys.Default()) {
		t.Error(problem)
	}

	// Controls: a context without a page, and an action without code.
	sets := append(keys.Default(), keys.Set{Context: "verify", On: keys.Reader})
	if got := d.idle(names, sets); !slices.Equal(got, []string{"no page is in context verify"}) {
		t.Errorf("for a context without a page: %q", got)
	}
	sets = keys.Default()
	for i := range sets {
		if sets[i].Context == keys.Audit {
			sets[i].Bindings = append(sets[i].Bindings, keys.Binding{Action: "unbound", Keys: []string{"%"}, Label: "x", Group: "x"})
		}
	}
	if got := d.idle(names, sets); !slices.Equal(got, []string{"no code answers unbound in context audit"}) {
		t.Errorf("for an action without code: %q", got)
	}
}
