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

// Results of a test, with the names of go test -json.
const (
	passed  = "pass"
	failed  = "fail"
	skipped = "skip"
)

// results holds the result of each test by its full name.
type results map[string]string

// event is a line of go test -json (go doc test2json).
type event struct {
	Action, Package, Test, Output string
}

// read reads a test run of one or more packages. It prints each test's result,
// figures, and, unless the test passed, its output. It copies output that belongs
// to no test, such as go test's own ok and FAIL. An incomplete run is an error.
func read(run io.Reader, out io.Writer) (results, error) {
	r := results{}
	output := map[string][]string{}
	verdicts := map[string]string{} // by package; "": started
	lines := bufio.NewScanner(run)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(out, lines.Text()) // from the compiler or the go command
			continue
		}
		switch {
		case e.Action == "build-output" || e.Action == "output" && e.Test == "":
			fmt.Fprint(out, e.Output)
		case e.Action == "output":
			output[e.Test] = append(output[e.Test], e.Output)
		case e.Action == "start":
			verdicts[e.Package] = ""
		case e.Action != passed && e.Action != failed && e.Action != skipped:
		case e.Test == "":
			verdicts[e.Package] = e.Action
		default:
			r[e.Test] = e.Action
			printOutput(out, output[e.Test], e.Action != passed)
			delete(output, e.Test)
		}
	}
	if err := lines.Err(); err != nil {
		return r, fmt.Errorf("reading the test run: %w", err)
	}
	return r, verdict(verdicts)
}

// verdict returns an error unless each package that started also finished and
// passed.
func verdict(packages map[string]string) error {
	results := slices.Collect(maps.Values(packages))
	switch {
	case slices.Contains(results, failed) || slices.Contains(results, skipped): // skip: a package without tests
		return errors.New("the test run failed")
	case len(results) == 0 || slices.Contains(results, ""):
		return errors.New("the test run is incomplete")
	}
	return nil
}

// printOutput prints a test's closing line and its figures, which contain
// " world=". With all it prints the other lines too.
func printOutput(out io.Writer, lines []string, all bool) {
	for _, l := range lines {
		wanted := strings.HasPrefix(strings.TrimSpace(l), "--- ") || strings.Contains(l, " world=")
		if wanted || all && !strings.HasPrefix(l, "=== ") {
			fmt.Fprint(out, l)
		}
	}
}

// count returns the number of tests with a result. It excludes tests with
// subtests.
func (r results) count(result string) int {
	parents := map[string]bool{}
	for name := range r {
		for i := strings.LastIndexByte(name, '/'); i > 0; i = strings.LastIndexByte(name[:i], '/') {
			parents[name[:i]] = true
		}
	}
	n := 0
	for name, ended := range r {
		if ended == result && !parents[name] {
			n++
		}
	}
	return n
}
