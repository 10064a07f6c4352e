package tui_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// keyInText matches a key and its effect in a sentence.
var keyInText = regexp.MustCompile(`(^|[.,:] +|  |key )(esc|enter|[a-zA-Z]) (stops|shows|follows|searches|continues|goes|opens|closes|reads|removes|marks|sorts|lists|loads|keeps|cancels|sets|and)\b`)

// fixed are sentences about text fields, whose keys nobody can change.
var fixed = []string{"esc keeps it.", "esc cancels the export.", "esc stops it.", "enter loads ", "enter goes to the path"}

// A sentence takes a key from the table (Env.Keys.Shown), because a person can give an
// action another key.
func TestSentencesTakeKeysFromTheTable(t *testing.T) {
	literals := 0
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			l, ok := n.(*ast.BasicLit)
			if !ok || l.Kind != token.STRING {
				return true
			}
			literals++
			if text := strings.Trim(l.Value, "\"`"); namesKey(text) {
				t.Errorf("%s: a key in the text %s", files.Position(l.Pos()), l.Value)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if literals < 2000 {
		t.Errorf("only %d texts were read", literals)
	}
	// Controls.
	for text, want := range map[string]bool{"Done. f follows again.": true, "  esc stops": true, "The key m sets one": true, "The key is set": false, "Waiting. esc stops it.": false, "a sentence": false} {
		if namesKey(text) != want {
			t.Errorf("%q: want %t", text, want)
		}
	}
}

func namesKey(text string) bool {
	for _, s := range fixed {
		text = strings.ReplaceAll(text, s, "")
	}
	return keyInText.MatchString(text)
}
