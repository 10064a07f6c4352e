package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/packages"
)

// listed is a package of go list. A package with its tests has a name like
// "p [p.test]", and its GoFiles have the tests.
type listed struct {
	ImportPath, Dir, ForTest string
	GoFiles                  []string
	ImportMap                map[string]string
	Imports                  []string
	Module                   *struct {
		Main      bool
		GoVersion string
	}
}

// own reports whether the package is part of this tree.
func (p listed) own() bool { return p.Module != nil && p.Module.Main }

// list returns all packages of the tree with their tests and dependencies, each after
// its imports.
func list(folder, system, arch string) (all []listed, err error) {
	cmd := exec.Command("go", "list", "-e=false", "-deps", "-test", "-json=ImportPath,Dir,ForTest,GoFiles,ImportMap,Imports,Module", "./...")
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w", err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
}

// tree is a set of checked packages for one system.
type tree struct {
	fset   *token.FileSet
	sizes  types.Sizes
	parsed sync.Map // from the name of a file to its syntax
	types  map[string]*types.Package
	own    []*packages.Package
	faults []string
}

// check returns the faults of a tree on one system, and the number of its packages.
func check(folder, system, arch string) ([]string, int, error) {
	all, err := list(folder, system, arch)
	if err != nil {
		return nil, 0, err
	}
	t := &tree{fset: token.NewFileSet(), sizes: types.SizesFor("gc", arch), types: map[string]*types.Package{"unsafe": types.Unsafe}}
	t.parse(all)
	for _, p := range all {
		if p.ImportPath != "unsafe" && !strings.HasSuffix(p.ImportPath, ".test") { // go test generates those
			t.add(p)
		}
	}
	if len(t.faults) > 0 {
		return t.faults, len(t.own), nil
	}
	graph, err := checker.Analyze(analyzers(), t.own, nil)
	if err != nil {
		return nil, 0, err
	}
	for _, a := range graph.Roots {
		if a.Err != nil {
			return nil, 0, fmt.Errorf("%s: %w", a, a.Err)
		}
		for _, d := range a.Diagnostics {
			t.faults = append(t.faults, fmt.Sprintf("%s: %s", t.fset.Position(d.Pos), d.Message))
		}
	}
	return t.faults, len(t.own), nil
}

// parse reads all files, on all processors.
func (t *tree) parse(all []listed) {
	work := make(chan string)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for name := range work {
				f, err := parser.ParseFile(t.fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
				if err != nil {
					t.parsed.Store(name, err)
					continue
				}
				t.parsed.Store(name, f)
			}
		})
	}
	seen := map[string]bool{}
	for _, p := range all {
		for _, name := range p.GoFiles {
			if name = path(p, name); !seen[name] && !strings.HasSuffix(p.ImportPath, ".test") {
				seen[name] = true
				work <- name
			}
		}
	}
	close(work)
	wg.Wait()
}

func path(p listed, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.Dir, name)
}

// add checks the types of a package, whose imports are checked.
func (t *tree) add(p listed) {
	var files []*ast.File
	for _, name := range p.GoFiles {
		switch f, _ := t.parsed.Load(path(p, name)); f := f.(type) {
		case *ast.File:
			files = append(files, f)
		case error:
			t.faults = append(t.faults, f.Error())
		}
	}
	info := &types.Info{}
	if p.own() {
		info = &types.Info{
			Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}, Implicits: map[ast.Node]types.Object{},
			Selections: map[*ast.SelectorExpr]*types.Selection{}, Scopes: map[ast.Node]*types.Scope{}, Instances: map[*ast.Ident]types.Instance{}, FileVersions: map[*ast.File]string{},
		}
	}
	name, _, _ := strings.Cut(p.ImportPath, " ")
	conf := types.Config{
		Importer: importer{t, p.ImportMap}, IgnoreFuncBodies: !p.own(), Sizes: t.sizes, FakeImportC: true,
		Error: func(err error) {
			if p.own() {
				t.faults = append(t.faults, err.Error())
			}
		},
	}
	if p.Module != nil && p.Module.GoVersion != "" {
		conf.GoVersion = "go" + p.Module.GoVersion
	}
	pkg, _ := conf.Check(name, t.fset, files, info) // errors are counted above
	t.types[p.ImportPath] = pkg
	if p.own() {
		t.own = append(t.own, &packages.Package{
			ID: p.ImportPath, Name: pkg.Name(), PkgPath: name, Fset: t.fset, Syntax: files, Types: pkg, TypesInfo: info, TypesSizes: t.sizes, Imports: map[string]*packages.Package{},
		})
	}
}

// importer returns the packages of a tree, under the names of one importing package.
type importer struct {
	tree  *tree
	names map[string]string
}

func (i importer) Import(name string) (*types.Package, error) {
	if to, ok := i.names[name]; ok {
		name = to
	}
	if p := i.tree.types[name]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("package %s is not listed", name)
}
