package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// lines returns the first words of the page's lines, each with its required
// figures. Several lines may have the same word; together they contain the
// figures.
func lines() []struct{ word, figures string } {
	return []struct{ word, figures string }{
		{"AUTHZ", "cases allow deny disagreements let_in"},
		{"TOKEN", "vectors mutations accepted_bad rejected_good"},
		{"ORACLE", "pairs s3_calls median_diff_us ks_p distinguishable"},
		{"REVOKE", "kind n p50 p99 max bound violations cognito_rps"},
		{"AUDIT", "released durable_before_release missing duplicate gaps chain unaudited_gets denied_by_audit_outage"},
		{"DOWNLOAD", "faults cases sha_bad wrong_final_seen outside_dest overwritten resumed refetched_MiB"},
		{"TERMINAL", "renders control_bytes_leaked overflow"},
		{"SECRETS", "sinks tokens_found signatures_found"},
		{"LOAD", "conns rps p50 p99 max rss_max_MiB odd_answers goroutines_end goroutines_left"},
	}
}

// zero lists the figures that must be 0 in every line.
const zero = "disagreements let_in accepted_bad rejected_good s3_calls violations missing duplicate gaps unaudited_gets " +
	"sha_bad wrong_final_seen outside_dest overwritten control_bytes_leaked overflow tokens_found signatures_found odd_answers goroutines_left"

// nonzero lists the counts of attempts. They must not be 0: a page without
// attempts proves nothing.
const nonzero = "cases vectors mutations pairs n released faults renders sinks conns"

// line is a printed line of one test.
type line struct {
	Word    string
	Figures map[string]string
	text    string
}

// page collects the lines of all tests.
type page struct {
	lines       []line
	killed, all int // controls
	failed      []string
	faults      []string
}

var (
	lineShape    = regexp.MustCompile(`\.go:\d+: ([A-Z]+) (\w+=.*)$`)
	controlShape = regexp.MustCompile(`controls killed (\d+)/(\d+)`)
	figureShape  = regexp.MustCompile(`(\w+)=(\S+)`)
)

// testEvent is one line of go test -json.
type testEvent struct{ Action, Package, Test, Output string }

// read reads the figures of a run of go test -json.
func (p *page) read(run io.Reader) {
	_ = eachEvent(run, p.add) // a run that ends early lacks figures
}

// readOf reads the figures of some suites in a run of more tests. Each test of the
// suites must have passed.
func (p *page) readOf(run io.Reader, of []suite) error {
	passed := map[string]bool{}
	err := eachEvent(run, func(e testEvent) {
		test, _, _ := strings.Cut(e.Test, "/")
		if test == "" || !slices.ContainsFunc(of, func(s suite) bool { return s.has(e.Package, test) }) {
			return
		}
		if e.Action == "pass" {
			passed[e.Package+" "+e.Test] = true
		}
		p.add(e)
	})
	for _, s := range of {
		for _, test := range s.tests() {
			if !passed[s.path()+" "+test] {
				p.faults = append(p.faults, fmt.Sprintf("%s: %s did not pass", s.pkg, test))
			}
		}
	}
	return err
}

func eachEvent(run io.Reader, do func(testEvent)) error {
	in := bufio.NewScanner(run)
	in.Buffer(nil, 4<<20)
	for in.Scan() {
		var e testEvent
		if json.Unmarshal(in.Bytes(), &e) == nil {
			do(e)
		}
	}
	return in.Err()
}

// add adds the figures of an event.
func (p *page) add(e testEvent) {
	if e.Action == "fail" && e.Test != "" {
		p.failed = append(p.failed, e.Test)
	}
	text := strings.TrimRight(e.Output, "\n")
	if m := controlShape.FindStringSubmatch(text); m != nil {
		killed, _ := strconv.Atoi(m[1])
		all, _ := strconv.Atoi(m[2])
		p.killed, p.all = p.killed+killed, p.all+all
	}
	m := lineShape.FindStringSubmatch(text)
	if m == nil || !slices.ContainsFunc(lines(), func(l struct{ word, figures string }) bool { return l.word == m[1] }) {
		return
	}
	l := line{Word: m[1], Figures: map[string]string{}, text: m[1] + " " + m[2]}
	for _, f := range figureShape.FindAllStringSubmatch(m[2], -1) {
		l.Figures[f[1]] = f[2]
	}
	p.lines = append(p.lines, l)
}

// check adds the faults of the page to p.faults.
func (p *page) check() {
	report := func(format string, args ...any) { p.faults = append(p.faults, fmt.Sprintf(format, args...)) }
	for _, want := range lines() {
		for _, figure := range strings.Fields(want.figures) {
			if !slices.ContainsFunc(p.lines, func(l line) bool { return l.Word == want.word && l.Figures[figure] != "" }) {
				report("%s: %s is missing", want.word, figure)
			}
		}
	}
	for _, l := range p.lines {
		for _, figure := range strings.Fields(zero) {
			if v, there := l.Figures[figure]; there && v != "0" {
				report("%s: %s is %s and must be 0", l.Word, figure, v)
			}
		}
		for _, figure := range strings.Fields(nonzero) {
			if l.Figures[figure] == "0" {
				report("%s: %s is 0: there was no attempt", l.Word, figure)
			}
		}
		if l.Word == "AUDIT" && (l.Figures["released"] != l.Figures["durable_before_release"] || l.Figures["chain"] != "ok") {
			report("AUDIT: a URL was released before its record was durable, or the chain is broken")
		}
	}
	if p.all == 0 || p.killed != p.all {
		report("controls killed %d/%d: no test detected that a guard was switched off", p.killed, p.all)
	}
	for _, test := range p.failed {
		report("%s failed", test)
	}
}

// MarshalJSON encodes lines, counts of controls and faults.
func (p *page) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"lines": p.lines, "controls_killed": p.killed, "controls": p.all, "faults": p.faults})
}

func (p *page) print(out io.Writer) {
	for _, want := range lines() {
		for _, l := range p.lines {
			if l.Word == want.word {
				fmt.Fprintln(out, l.text)
			}
		}
	}
	fmt.Fprintf(out, "controls killed %d/%d\n", p.killed, p.all)
	for _, f := range p.faults {
		fmt.Fprintln(out, "WRONG: "+f)
	}
	if len(p.faults) == 0 {
		fmt.Fprintln(out, "the page is complete, and no attack succeeded")
	}
}
