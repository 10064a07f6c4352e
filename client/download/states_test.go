package download

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// assigners returns the functions of a source that assign a field of that name.
func assigners(t *testing.T, name string, src any, field string) (found []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			if assign, ok := n.(*ast.AssignStmt); ok && assign.Tok == token.ASSIGN {
				for _, left := range assign.Lhs {
					if sel, ok := left.(*ast.SelectorExpr); ok && sel.Sel.Name == field {
						if x, ok := sel.X.(*ast.Ident); ok && x.Name == "p" && field == "state" {
							continue // the state of a plan, not of a transfer
						}
						found = append(found, fn.Name.Name)
					}
				}
			}
			return true
		})
	}
	return found
}

// TestOneTransition checks that only transition assigns a transfer's state: any
// other assignment could skip the note for a sign-in.
func TestOneTransition(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil || len(names) < 10 {
		t.Fatalf("%d sources, %v", len(names), err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, fn := range assigners(t, name, nil, "state") {
			if fn != "transition" {
				t.Errorf("%s in %s assigns a state", fn, name)
			}
		}
	}
	const second = "package x\nfunc pause(t *transfer) { t.state = Paused }"
	if got := assigners(t, "x.go", second, "state"); len(got) != 1 {
		t.Errorf("a second assignment was not found: %v", got)
	}
}

// TestStructsStaySmall limits the fields of Engine and transfer.
func TestStructsStaySmall(t *testing.T) {
	for _, s := range []struct {
		of            reflect.Type
		fields, bools int
	}{
		{reflect.TypeFor[Engine](), 24, 24},
		{reflect.TypeFor[transfer](), 19, 2},
	} {
		bools := 0
		for i := range s.of.NumField() {
			if s.of.Field(i).Type.Kind() == reflect.Bool {
				bools++
			}
		}
		if n := s.of.NumField(); n > s.fields || bools > s.bools {
			t.Errorf("%s has %d fields and %d bools, at most %d and %d", s.of, n, bools, s.fields, s.bools)
		}
	}
}
