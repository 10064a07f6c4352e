package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

type options struct {
	root, match      string
	few, turn, least int
	check            bool
}

// run prints one line for each guard, followed by the counts.
func run(ctx context.Context, o options, out io.Writer) error {
	root, err := filepath.Abs(o.root)
	if err != nil {
		return err
	}
	guards, err := tables(root)
	if err != nil {
		return err
	}
	if len(guards) < o.least {
		return fmt.Errorf("the tables contain %d guards, fewer than %d", len(guards), o.least)
	}
	mutants := map[string]mutant{}
	var rotten []error
	for _, g := range guards {
		m, err := g.mutate(root)
		rotten = append(rotten, err)
		for _, t := range g.tests {
			if err := t.named(root); err != nil {
				rotten = append(rotten, fmt.Errorf("%s: guard %q: %w", g.table, g.name, err))
			}
		}
		mutants[g.room+g.name] = m
	}
	if err := errors.Join(rotten...); err != nil {
		return err
	}
	if o.check {
		fmt.Fprintf(out, "%d guards, each found once in the code\n", len(guards))
		return nil
	}
	guards, err = choose(guards, o)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "usher-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := tester{ctx, root, dir}
	if err := t.whole(guards); err != nil {
		return err
	}
	killed, survived, broken := 0, 0, 0
	for _, g := range guards {
		began := time.Now()
		by, err := t.without(g, mutants[g.room+g.name])
		took := time.Since(began).Round(100 * time.Millisecond)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			broken++
			fmt.Fprintf(out, "BROKEN   %s: %s: %v\n", g.room, g.name, err)
		case by == "":
			survived++
			fmt.Fprintf(out, "SURVIVED %s: %s\n", g.room, g.name)
		default:
			killed++
			fmt.Fprintf(out, "killed   %s: %s, by %s (%v)\n", g.room, g.name, by, took)
		}
	}
	fmt.Fprintf(out, "mutants: %d killed, %d survived\n", killed, survived)
	if survived+broken > 0 || killed == 0 {
		return fmt.Errorf("%d guards whose absence no test detects, %d rows that could not run", survived, broken)
	}
	return nil
}

// choose returns the guards that match the pattern. If o.few is set, it returns
// the group of that size for o.turn.
func choose(all []guard, o options) ([]guard, error) {
	match, err := regexp.Compile(o.match)
	if err != nil {
		return nil, err
	}
	chosen := slices.DeleteFunc(slices.Clone(all), func(g guard) bool { return !match.MatchString(g.room + ": " + g.name) })
	if len(chosen) == 0 {
		return nil, errors.New("no guard matches")
	}
	if o.few <= 0 || o.few >= len(chosen) {
		return chosen, nil
	}
	// Neighbors in a table are similar, so a group consists of rows far apart.
	groups := (len(chosen) + o.few - 1) / o.few
	turn := ((o.turn % groups) + groups) % groups
	var few []guard
	for i := turn; i < len(chosen); i += groups {
		few = append(few, chosen[i])
	}
	return few, nil
}

// tester runs go test in the module, with or without an overlay.
type tester struct {
	ctx  context.Context
	root string
	dir  string // for overlays
}

// whole runs the tests of all guards on the unchanged code. A test that fails
// there cannot detect the loss of a guard.
func (t tester) whole(guards []guard) error {
	var runs []test // of one package and environment
	for _, g := range guards {
		for _, at := range g.tests {
			i := slices.IndexFunc(runs, func(r test) bool { return r.pkg == at.pkg && r.env == at.env && r.long == at.long })
			if i < 0 {
				runs = append(runs, at)
				continue
			}
			runs[i].run += "|" + at.run // alternatives of the regular expression for -run
		}
	}
	for _, at := range runs {
		r, err := t.test(at)
		if err == nil && r.failed != "" {
			err = fmt.Errorf("%s fails with every guard in place:\n%s", r.failed, r.tail)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", at.pkg, err)
		}
	}
	return nil
}

// without switches off a guard and returns the first test that fails, or "".
func (t tester) without(g guard, m mutant) (by string, err error) {
	overlay, files := filepath.Join(t.dir, "overlay.json"), map[string]string{}
	for path, text := range m {
		files[path] = filepath.Join(t.dir, fmt.Sprintf("mutant%d.go", len(files)))
		if err := os.WriteFile(files[path], []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": files})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		return "", err
	}
	for _, at := range g.tests {
		r, err := t.test(at, "-overlay", overlay, "-count=1")
		if err != nil {
			return "", err
		}
		for _, name := range at.each {
			if !r.all[name] {
				return "", fmt.Errorf("%s does not fail", name)
			}
		}
		if r.failed != "" {
			return r.failed, nil
		}
	}
	return "", nil
}

// result is the end of a test run: the first test that failed, if any, and all of them.
type result struct {
	failed, tail string
	all          map[string]bool
}

// test runs tests of a package. It returns an error if the package does not build
// or no test matches: neither proves anything about a guard.
func (t tester) test(at test, more ...string) (result, error) {
	args := append([]string{"test", "-json", "-short=" + strconv.FormatBool(!at.long), "-failfast=" + strconv.FormatBool(len(at.each) == 0), "-vet=off", "-timeout=180s", "-run", at.run}, more...)
	cmd := exec.CommandContext(t.ctx, "go", append(args, "./"+at.pkg)...)
	cmd.Dir = t.root
	if at.env != "" {
		cmd.Env = append(os.Environ(), at.env)
	}
	lines, err := cmd.StdoutPipe()
	if err != nil {
		return result{}, err
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		return result{}, err
	}
	r, ran, built := read(lines)
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		return r, err
	case !built:
		return r, fmt.Errorf("it does not build:\n%s%s", r.tail, complaints.String())
	case ran == 0:
		return r, fmt.Errorf("no test of %s matches %s\n%s%s", at.pkg, at.run, r.tail, complaints.String())
	case err != nil && r.failed == "":
		return r, fmt.Errorf("go test failed without a test: %s%s", r.tail, complaints.String())
	}
	return r, nil
}

// read reads the output of go test -json (go doc test2json). A test that ended by
// a panic or the timeout has no verdict: it was started and not finished.
func read(run io.Reader) (r result, ran int, built bool) {
	built, r.all = true, map[string]bool{}
	open := []string{}
	last := []string{}
	verdict := ""
	lines := bufio.NewScanner(run)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var e struct{ Action, Test, Output string }
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		switch {
		case e.Action == "build-fail":
			built = false
		case e.Output != "":
			if last = append(last, e.Output); len(last) > 60 {
				last = last[1:]
			}
		case e.Test == "":
			verdict = e.Action
		case e.Action == "run":
			ran++
			open = append(open, e.Test)
		case e.Action == "pass" || e.Action == "fail" || e.Action == "skip":
			open = slices.DeleteFunc(open, func(name string) bool { return name == e.Test })
			if e.Action == "fail" {
				r.all[e.Test] = true
				r.failed = cmp.Or(r.failed, e.Test)
			}
		}
	}
	if verdict == "fail" && r.failed == "" && len(open) > 0 {
		r.failed = open[len(open)-1]
	}
	r.tail = strings.Join(last, "")
	return r, ran, built
}
