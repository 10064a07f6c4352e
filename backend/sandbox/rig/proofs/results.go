package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// How a test ended, in go test's words.
const (
	passed  = "pass"
	failed  = "fail"
	skipped = "skip"
)

// results say how each test ended, by its full name.
type results map[string]string

// event is a line of go test -json (go doc test2json).
type event struct {
	Action, Package, Test, Output string
}

// read follows a test run of one package or more: it prints each test's end as
// it comes, what a test said only if it did not pass or gives figures, and what
// is not a test's (go test's own ok and FAIL) as it is. A run that is not whole
// is an error.
func read(run io.Reader, out io.Writer) (results, error) {
	r := results{}
	said := map[string][]string{}
	verdicts := map[string]string{} // by package; "": it began
	lines := bufio.NewScanner(run)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(out, lines.Text()) // of the compiler, or of go itself
			continue
		}
		switch {
		case e.Action == "build-output" || e.Action == "output" && e.Test == "":
			fmt.Fprint(out, e.Output)
		case e.Action == "output":
			said[e.Test] = append(said[e.Test], e.Output)
		case e.Action == "start":
			verdicts[e.Package] = ""
		case e.Action != passed && e.Action != failed && e.Action != skipped:
		case e.Test == "":
			verdicts[e.Package] = e.Action
		default:
			r[e.Test] = e.Action
			tell(out, said[e.Test], e.Action != passed)
			delete(said, e.Test)
		}
	}
	if err := lines.Err(); err != nil {
		return r, fmt.Errorf("reading the test run: %w", err)
	}
	return r, verdict(verdicts)
}

// verdict is that of the whole run: each package that began came to its end,
// and passed.
func verdict(packages map[string]string) error {
	said := slices.Collect(maps.Values(packages))
	switch {
	case slices.Contains(said, failed) || slices.Contains(said, skipped): // skip: there was no test
		return errors.New("the test run failed")
	case len(said) == 0 || slices.Contains(said, ""):
		return errors.New("the test run did not come to its end")
	}
	return nil
}

// tell prints a test's closing line and its figures, which name a world, and the
// rest where it is wanted.
func tell(out io.Writer, lines []string, all bool) {
	for _, l := range lines {
		wanted := strings.HasPrefix(strings.TrimSpace(l), "--- ") || strings.Contains(l, " world=")
		if wanted || all && !strings.HasPrefix(l, "=== ") {
			fmt.Fprint(out, l)
		}
	}
}

// count is how many tests ended so; a test that only holds others is none.
func (r results) count(how string) int {
	parents := map[string]bool{}
	for name := range r {
		for i := strings.LastIndexByte(name, '/'); i > 0; i = strings.LastIndexByte(name[:i], '/') {
			parents[name[:i]] = true
		}
	}
	n := 0
	for name, ended := range r {
		if ended == how && !parents[name] {
			n++
		}
	}
	return n
}
