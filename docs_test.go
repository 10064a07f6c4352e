package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"usher/backend/api"
)

// tree holds the names that a document may refer to: paths of files and
// folders, base names of files, and identifiers declared in Go.
type tree struct {
	paths, bases, idents map[string]bool
}

func readTree(t *testing.T) tree {
	t.Helper()
	found := tree{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return filepath.SkipDir
		}
		name := filepath.ToSlash(file)
		found.paths[name] = true
		if i := strings.Index(name, "/testdata/"); i >= 0 { // a document may name it relative to its package
			found.paths[name[i+1:]] = true
		}
		found.bases[d.Name()] = true
		if filepath.Ext(file) != ".go" || strings.Contains(file, "testdata") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		found.declare(f)
		return nil
	})
	if err != nil {
		t.Fatalf("reading the tree: %v", err)
	}
	return found
}

// declare adds the package name, and the names of functions, types, fields,
// interface methods and values.
func (tr tree) declare(f *ast.File) {
	tr.idents[f.Name.Name] = true
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			tr.idents[n.Name.Name] = true
		case *ast.TypeSpec:
			tr.idents[n.Name.Name] = true
		case *ast.ValueSpec:
			for _, name := range n.Names {
				tr.idents[name.Name] = true
			}
		case *ast.Field:
			for _, name := range n.Names {
				tr.idents[name.Name] = true
			}
		case *ast.BasicLit: // an error code such as not_found
			tr.idents[strings.Trim(n.Value, `"`)] = true
		}
		return true
	})
}

var (
	code       = regexp.MustCompile("`([^`\n]+)`")
	identifier = regexp.MustCompile(`^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(\(\))?$`)
)

// missing returns the code words of a document that name no file, folder or
// identifier. Commands and other text with spaces are skipped.
func (tr tree) missing(doc string) (gone []string, checked int) {
	for _, m := range code.FindAllStringSubmatch(doc, -1) {
		word := strings.TrimSuffix(m[1], "()")
		switch {
		case strings.ContainsAny(word, " <>|$*=") || strings.HasPrefix(word, "-") || strings.HasPrefix(word, "//"):
			continue
		case strings.HasSuffix(word, "/") || strings.Contains(word, "/"):
			checked++
			if p := path.Clean(word); !tr.holds(p) && !tr.known(path.Base(p), path.Dir(p)) {
				gone = append(gone, word)
			}
		case tr.bases[word] || strings.HasSuffix(word, ".go"):
			checked++
			if !tr.bases[word] {
				gone = append(gone, word)
			}
		case identifier.MatchString(word):
			checked++
			for name := range strings.SplitSeq(word, ".") {
				if !tr.idents[name] && !tr.bases[name] {
					gone = append(gone, word)
					break
				}
			}
		case strings.Contains(word, "."):
			checked++
			gone = append(gone, word)
		}
	}
	return gone, checked
}

// holds reports whether a path exists, from the root or, for a file that each
// room has, such as testdata/mutants.txt, from any folder.
func (tr tree) holds(p string) bool {
	if tr.paths[p] || path.Ext(p) == "" {
		return tr.paths[p]
	}
	for file := range tr.paths {
		if strings.HasSuffix(file, "/"+p) {
			return true
		}
	}
	return false
}

// known reports whether dir/pkg.Name names an identifier of an existing folder.
func (tr tree) known(base, dir string) bool {
	pkg, name, ok := strings.Cut(base, ".")
	return ok && tr.paths[path.Join(dir, pkg)] && tr.idents[name]
}

// TestArchitectureNames checks that each file, folder and identifier in
// ARCHITECTURE exists.
func TestArchitectureNames(t *testing.T) {
	tr := readTree(t)
	doc, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	gone, checked := tr.missing(string(doc))
	for _, word := range gone {
		t.Errorf("ARCHITECTURE names %q, which does not exist", word)
	}
	if checked < 40 {
		t.Errorf("only %d names were checked", checked)
	}
	// Control: names that do not exist are found.
	if gone, _ := tr.missing("`backend/nowhere.go` `tui/none/` `NoSuchName` `gone.go` `audit.NoSuchName`"); len(gone) != 5 {
		t.Errorf("of 5 missing names, the check finds %q", gone)
	}
}

// Each sentence of an error is a symptom in docs/troubleshooting.md.
func TestTroubleshooting(t *testing.T) {
	doc, err := os.ReadFile("docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range api.Failures() {
		begin := f.Sentence
		for _, end := range []string{". ", ", so it", ", so this", ", usually"} {
			begin, _, _ = strings.Cut(begin, end)
		}
		if !strings.Contains(string(doc), "\n| "+begin) {
			t.Errorf("%s: no symptom begins with %q", f.Code, begin)
		}
	}
}
