package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const goMod = "module example\n\ngo 1.26\n"

const code = `package room

// Open reports whether a person may enter.
func Open(name string, age int) bool {
	if name == "" {
		return false
	}
	return age >= 18
}
`

const tests = `package room

import "testing"

func TestName(t *testing.T) {
	if Open("", 20) {
		t.Error("a nameless person entered")
	}
}

func TestLoop(t *testing.T) {
	for !Open("ada", 36) {
		panic("closed")
	}
}
`

// module writes a module with one package, room, and this table.
func module(t *testing.T, table string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": goMod, "room/room.go": code, "room/room_test.go": tests, "room/testdata/mutants.txt": table,
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const nameless = "guard a name\n- name == \"\"\n+ false && name == \"\"\ntest TestName\n"

// Each possible result of a row.
func TestRows(t *testing.T) {
	for name, c := range map[string]struct {
		table, line string
		fails       bool
	}{
		"killed":                {nameless, "killed   room: a name, by TestName", false},
		"killed by a panic":     {"guard a\n- return age >= 18\n+ return false\ntest TestLoop\n", "killed   room: a, by TestLoop", false},
		"two edits":             {"guard a\n- return age >= 18\n+ return true\n- name == \"\"\n+ false && name == \"\"\ntest TestName\n", "killed   room: a, by TestName", false},
		"several lines":         {"guard a\n- if name == \"\" {\n- return false\n- }\n+\ntest TestName\n", "killed   room: a, by TestName", false},
		"each of two tests":     {"guard a\n- return age >= 18\n+ return name == \"\"\n- if name == \"\" {\n+ if false {\ntest TestName|TestLoop\neach TestName\neach TestLoop\n", "killed   room: a, by TestName", false},
		"one of two tests":      {nameless[:len(nameless)-1] + "|TestLoop\neach TestName\neach TestLoop\n", "BROKEN   room: a name: TestLoop does not fail", true},
		"no test fails":         {"guard a\n- age >= 18\n+ age >= 0\ntest TestName|TestLoop\n", "SURVIVED room: a", true},
		"does not build":        {"guard a\n- age >= 18\n+ true\n- age int\n+ age\ntest TestName\n", "BROKEN   room: a: it does not build", true},
		"no test of that name":  {"guard a\n- age >= 18\n+ true\ntest TestAge\n", "", true},
		"the code is gone":      {"guard a\n- age >= 21\n+ true\ntest TestName\n", "", true},
		"the code is ambiguous": {"guard a\n- age\n+ 1\ntest TestName\n", "", true},
		"a row without a test":  {"guard a\n- age >= 18\n+ true\n", "", true},
		"one name, two guards":  {nameless + nameless, "", true},
		"no row":                {"# nothing\n", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			err := run(t.Context(), options{root: module(t, c.table)}, &out)
			if (err != nil) != c.fails || !strings.Contains(out.String(), c.line) {
				t.Errorf("%v\n%s", err, out.String())
			}
		})
	}
}

// A test that fails with every guard in place is an error: it proves nothing.
func TestFailureWithoutAMutant(t *testing.T) {
	root := module(t, nameless)
	broken := strings.Replace(code, `name == ""`, `name == "x"`, 1) + "\n// name == \"\"\n"
	if err := os.WriteFile(filepath.Join(root, "room/room.go"), []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), options{root: root}, &out); err == nil || !strings.Contains(err.Error(), "TestName fails with every guard in place") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// The groups of n contain each guard once.
func TestTurns(t *testing.T) {
	var all []guard
	for i := range 23 {
		all = append(all, guard{name: fmt.Sprint(i)})
	}
	seen := map[string]int{}
	for turn := range 3 {
		few, err := choose(all, options{few: 8, turn: turn})
		if err != nil || len(few) > 8 {
			t.Errorf("turn %d: %d guards, %v", turn, len(few), err)
		}
		for _, g := range few {
			seen[g.name]++
		}
	}
	if len(seen) != len(all) {
		t.Errorf("%d of %d guards are in a group", len(seen), len(all))
	}
	if _, err := choose(all, options{match: "nothing"}); err == nil {
		t.Error("a pattern without a match was accepted")
	}
}

// A row that names a missing test is an error, also beside an existing one.
func TestRowsNameExistingTests(t *testing.T) {
	root := module(t, strings.Replace(nameless, "test TestName", "test TestName|TestRenamed", 1))
	var out strings.Builder
	err := run(t.Context(), options{root: root, check: true}, &out)
	if err == nil || !strings.Contains(err.Error(), "room has no test TestRenamed") {
		t.Errorf("%v\n%s", err, out.String())
	}
	if err := run(t.Context(), options{root: module(t, nameless), check: true}, &out); err != nil {
		t.Error(err)
	}
}
