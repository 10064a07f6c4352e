package cli

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "rewrite docs/json.md")

func TestJSONDoc(t *testing.T) {
	const file = "../../docs/json.md"
	want := JSONDoc()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(file); err != nil || string(have) != want {
		t.Errorf("docs/json.md differs from the types (%v): go test ./client/cli -run TestJSONDoc -update", err)
	}
}

// printsNoJSON are the commands without JSON output.
var printsNoJSON = []string{"help", "completion", "man", "__line", "cat", "head", "profiles use", "profiles remove", "marks save", "marks remove"}

// Every command has a shape of its JSON output.
func TestEveryCommandHasAShape(t *testing.T) {
	known := map[string]bool{}
	for _, s := range Shapes() {
		known[s.Command] = true
	}
	for _, name := range printsNoJSON {
		known[name] = true
	}
	eachCommand((&app{}).root(), func(c *cobra.Command) {
		name := strings.TrimPrefix(c.CommandPath(), "usher ")
		if top, _, _ := strings.Cut(name, " "); c.Runnable() && c.HasParent() && !known[name] && top != "completion" && len(c.Commands()) == 0 {
			t.Errorf("%s has no shape in Shapes and is not in printsNoJSON", c.CommandPath())
		}
	})
}

// eachCommand visits a command and all below it.
func eachCommand(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, visit)
	}
}

// Every value that is written as JSON has a named type, which Shapes can list.
func TestJSONTypesAreNamed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 2 {
				return true
			}
			if s, ok := call.Fun.(*ast.SelectorExpr); !ok || s.Sel.Name != "writeJSON" {
				return true
			}
			if lit, ok := call.Args[1].(*ast.CompositeLit); ok {
				switch lit.Type.(type) {
				case *ast.StructType, *ast.MapType:
					t.Errorf("%s: writeJSON has a value without a named type", name)
				}
			}
			return true
		})
	}
}
