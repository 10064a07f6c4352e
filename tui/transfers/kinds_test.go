package transfers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"usher/client/download"
)

// TestEveryKindHasAShortText: each kind of download failure in the engine's list
// has a text of its own on the page, and a sentence of its own.
func TestEveryKindHasAShortText(t *testing.T) {
	kinds := map[string]error{
		"ErrExists": download.ErrExists, "ErrIntegrity": download.ErrIntegrity, "ErrChanged": download.ErrChanged,
		"ErrDisk": download.ErrDisk, "ErrBadURL": download.ErrBadURL, "ErrNetwork": download.ErrNetwork,
		"ErrNoFolder": download.ErrNoFolder, "ErrLink": download.ErrLink, "ErrSpecial": download.ErrSpecial, "ErrBusy": download.ErrBusy, "ErrName": download.ErrName,
	}
	for _, name := range kindNames(t, "../../client/download/errors.go") {
		if name == "ErrPattern" { // a failure of a command line, before there is a transfer
			continue
		}
		t.Run(name, func(t *testing.T) {
			kind := kinds[name]
			if kind == nil {
				t.Fatal("add the kind to this test, and its text to cause in note.go")
			}
			if got := cause(&download.Transfer{Err: kind}); got == cause(&download.Transfer{}) {
				t.Errorf("the page shows %q", got)
			}
			if got := (&download.Error{Kind: kind}).Error(); name != "ErrBadURL" && got == (&download.Error{}).Error() {
				t.Errorf("the sentence is %q", got)
			}
		})
	}
}

// kindNames returns the names of the Err values in a file.
func kindNames(t *testing.T, file string) (names []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range f.Decls {
		if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.VAR {
			for _, spec := range g.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(name.Name, "Err") {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	if len(names) < 10 {
		t.Fatalf("only %q", names)
	}
	return names
}
