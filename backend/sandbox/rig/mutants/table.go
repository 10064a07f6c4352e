package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// guard is one row of a table: a piece of code, its replacement without the
// guard, and the tests that should then fail.
type guard struct {
	table string // file of the row, for errors
	room  string // folder of the code, relative to the root
	name  string
	edits []edit
	tests []test
}

// edit is a text and its replacement, in lines. Spaces at the ends of lines are
// ignored.
type edit struct{ old, new []string }

// test is a package and a regular expression over its tests, as for go test -run.
type test struct {
	pkg, run, env string
	long          bool     // without -short
	each          []string // tests and subtests that must all fail; none: one must
}

const tableName = "mutants.txt"

// tables reads all guards of the module.
func tables(root string) ([]guard, error) {
	var all []guard
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != tableName || filepath.Base(filepath.Dir(path)) != "testdata" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		room, err := filepath.Rel(root, filepath.Dir(filepath.Dir(path)))
		if err != nil {
			return err
		}
		rows, err := parse(filepath.ToSlash(room), string(text))
		all = append(all, rows...)
		return err
	})
	return all, err
}

// parse reads a table. A row is
//
//	guard a token's issuer
//	- text("iss") != v.c.Issuer
//	+ false
//	test TestHostileTokens
//
// The text after "- " must occur in the room's code exactly once. The text after
// "+ " replaces it. Consecutive lines form one text of several lines. A "-" after
// a "+" begins another edit, for a guard with two parts.
//
// "test PACKAGE REGEXP" names tests of another package, and "in FOLDER" code of
// another folder, both relative to the module's root. "env NAME=VALUE" sets a
// variable for the preceding test, "long" runs that test without -short, and each line
// "each TEST" names a test or subtest of it that must fail.
// Lines that begin with # are comments.
func parse(room, text string) ([]guard, error) {
	var rows []guard
	table := room + "/testdata/" + tableName
	for i, line := range strings.Split(text, "\n") {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word == "guard" {
			rows = append(rows, guard{table: table, room: room, name: rest})
			continue
		}
		if word == "" || strings.HasPrefix(word, "#") {
			continue
		}
		if len(rows) == 0 {
			return nil, fmt.Errorf("%s:%d: a row must begin with guard", table, i+1)
		}
		g := &rows[len(rows)-1]
		switch word {
		case "-":
			if n := len(g.edits); n == 0 || g.edits[n-1].new != nil {
				g.edits = append(g.edits, edit{})
			}
			e := &g.edits[len(g.edits)-1]
			e.old = append(e.old, rest)
		case "+":
			if len(g.edits) == 0 {
				return nil, fmt.Errorf("%s:%d: \"+\" must follow \"-\"", table, i+1)
			}
			e := &g.edits[len(g.edits)-1]
			e.new = append(e.new, rest)
		case "in":
			g.room = rest
		case "test":
			pkg, run, other := strings.Cut(rest, " ")
			if !other {
				pkg, run = room, rest
			}
			g.tests = append(g.tests, test{pkg: pkg, run: run})
		case "long":
			if len(g.tests) == 0 {
				return nil, fmt.Errorf("%s:%d: \"long\" must follow a test", table, i+1)
			}
			g.tests[len(g.tests)-1].long = true
		case "each":
			if len(g.tests) == 0 {
				return nil, fmt.Errorf("%s:%d: \"each\" must follow a test", table, i+1)
			}
			t := &g.tests[len(g.tests)-1]
			t.each = append(t.each, strings.ReplaceAll(rest, " ", "_"))
		case "env":
			if len(g.tests) == 0 {
				return nil, fmt.Errorf("%s:%d: \"env\" must follow a test", table, i+1)
			}
			g.tests[len(g.tests)-1].env = rest
		default:
			return nil, fmt.Errorf("%s:%d: %q is not guard, -, +, in, test, each, env or long", table, i+1, word)
		}
	}
	var errs []error
	for i, g := range rows {
		if g.name == "" || len(g.edits) == 0 || len(g.tests) == 0 {
			errs = append(errs, fmt.Errorf("%s: guard %q needs a name, a text and a test", table, g.name))
		}
		if slices.ContainsFunc(rows[:i], func(o guard) bool { return o.name == g.name }) {
			errs = append(errs, fmt.Errorf("%s: guard %q occurs twice", table, g.name))
		}
	}
	return rows, errors.Join(errs...)
}

// mutant holds the changed files without the guard, by path.
type mutant map[string]string

// mutate returns the files of the guard's room with its edits.
func (g guard) mutate(root string) (mutant, error) {
	m := mutant{}
	for _, e := range g.edits {
		if err := m.apply(filepath.Join(root, g.room), e); err != nil {
			return nil, fmt.Errorf("%s: guard %q: %w", g.table, g.name, err)
		}
	}
	return m, nil
}

func (m mutant) apply(room string, e edit) error {
	lines := make([]string, len(e.old))
	for i, l := range e.old {
		lines[i] = regexp.QuoteMeta(strings.TrimSpace(l))
	}
	text, err := regexp.Compile(strings.Join(lines, `[ \t]*\n[ \t]*`))
	if err != nil {
		return err
	}
	found := 0
	err = filepath.WalkDir(room, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, changed := m[path]
		if !changed {
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			code = string(raw)
		}
		for _, at := range text.FindAllStringIndex(code, -1) {
			found++
			m[path] = code[:at[0]] + strings.Join(e.new, "\n") + code[at[1]:]
		}
		return nil
	})
	if err == nil && found != 1 {
		err = fmt.Errorf("its text occurs in the code %d times instead of once: %s", found, strings.Join(e.old, " / "))
	}
	return err
}

var testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w*)\(`)

// named returns an error for each alternative of a test's pattern that matches no
// test function of its package. A renamed test would otherwise leave its guard
// without a test.
func (t test) named(root string) error {
	files, err := filepath.Glob(filepath.Join(root, t.pkg, "*_test.go"))
	if err != nil {
		return err
	}
	var names []string
	for _, path := range files {
		code, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range testFunction.FindAllStringSubmatch(string(code), -1) {
			names = append(names, m[1])
		}
	}
	var errs []error
	for _, alternative := range strings.Split(t.run, "|") {
		name, _, _ := strings.Cut(alternative, "/")
		pattern, err := regexp.Compile(name)
		if err != nil {
			return fmt.Errorf("test %s: %w", t.run, err)
		}
		if !slices.ContainsFunc(names, pattern.MatchString) {
			errs = append(errs, fmt.Errorf("%s has no test %s", t.pkg, name))
		}
	}
	return errors.Join(errs...)
}
