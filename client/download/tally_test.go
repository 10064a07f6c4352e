package download

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	localname "usher/client/download/name"
	"usher/client/download/part"
)

// faultCount is the number of numbered faults. The name of a row begins with
// the number of its fault; a row without one is an additional case.
const faultCount = 29

// tally is the result of a run of the matrix. The first four counts must be zero.
type tally struct {
	shaBad      int // finished downloads with wrong bytes
	wrongFinal  int // wrong contents seen under a final name
	outside     int // files written outside the destination
	overwritten int // changed files of the user
	cases       int
	resumed     int   // cases with a retry or a resumed part
	refetched   int64 // bytes
	complaints  []string
	skipped     []string            // rows that were not played, with the reason
	rows        map[string]*rowNote // by name
}

// rowNote is the cost of one row.
type rowNote struct {
	cases, retries int
	refetched      int64
	took           time.Duration // the longest case
}

func (r *tally) bad() int { return r.shaBad + r.wrongFinal + r.outside + r.overwritten }

func (r *tally) complain(format string, args ...any) {
	r.complaints = append(r.complaints, fmt.Sprintf(format, args...))
}

// note adds one case.
func (r *tally) note(f fault, size int, got Transfer, took time.Duration) {
	n := &rowNote{cases: 1, retries: got.Retries, took: took}
	if f.want == Done {
		n.refetched = max(got.Fetched-int64(size), 0)
	}
	r.rows[f.name] = n
	r.cases++
	r.refetched += n.refetched
	if got.Retries > 0 || got.Fetched > 0 && got.Fetched < int64(size) {
		r.resumed++
	}
}

func (r *tally) add(o tally) {
	r.shaBad += o.shaBad
	r.wrongFinal += o.wrongFinal
	r.outside += o.outside
	r.overwritten += o.overwritten
	r.cases += o.cases
	r.resumed += o.resumed
	r.refetched += o.refetched
	r.complaints = append(r.complaints, o.complaints...)
	for name, n := range o.rows {
		mine := r.rows[name]
		if mine == nil {
			mine = &rowNote{}
			r.rows[name] = mine
		}
		mine.cases += n.cases
		mine.retries += n.retries
		mine.refetched += n.refetched
		mine.took = max(mine.took, n.took)
	}
}

// floorOf returns the least number of cases: whole, or short with -short.
func floorOf(whole, short int) int {
	if testing.Short() {
		return short
	}
	return whole
}

// faultNumber returns the two digits that a row's name begins with, or "" for
// an additional case.
func faultNumber(row string) string {
	n, _, _ := strings.Cut(row, " ")
	if n >= "01" && n <= fmt.Sprint(faultCount) && len(n) == 2 {
		return n
	}
	return ""
}

// played counts the cases by fault number.
func (r *tally) played() map[string]int {
	played := map[string]int{}
	for name, n := range r.rows {
		if f := faultNumber(name); f != "" {
			played[f] += n.cases
		}
	}
	return played
}

// problems returns the failures by fault number; "" holds those of the run as a
// whole. A fault without a case is a failure, and so are fewer cases than floor:
// an empty matrix must not pass.
func (r *tally) problems(floor int) map[string][]string {
	found := map[string][]string{}
	for _, c := range r.complaints {
		found[faultNumber(c)] = append(found[faultNumber(c)], c)
	}
	if n := r.bad(); n > 0 {
		found[""] = append(found[""], fmt.Sprintf("%d files have wrong bytes or a wrong path", n))
	}
	if r.cases < floor {
		found[""] = append(found[""], fmt.Sprintf("%d cases, want at least %d", r.cases, floor))
	}
	for played, n := r.played(), 1; n <= faultCount; n++ {
		if f := fmt.Sprintf("%02d", n); played[f] == 0 {
			found[f] = append(found[f], "the fault was not played")
		}
	}
	return found
}

// report prints the run and fails for its problems. Each fault has a subtest of
// its own, so that the table of proofs in backend/sandbox/rig can name it.
func (r *tally) report(t *testing.T, on stack, floor int) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(r.rows)) {
		n := r.rows[name]
		t.Logf("%-48s cases=%-3d retries=%-4d refetched=%-9d longest=%v", name, n.cases, n.retries, n.refetched, n.took.Round(time.Millisecond))
	}
	for _, row := range r.skipped {
		t.Logf("skipped on the %s stack: %s", on.name(), row)
	}
	t.Logf("DOWNLOAD world=%s faults=%d rows=%d cases=%d sha_bad=%d wrong_final_seen=%d outside_dest=%d overwritten=%d "+
		"resumed=%d refetched_MiB=%d left_out=%d",
		on.name(), len(r.played()), len(r.rows), r.cases, r.shaBad, r.wrongFinal, r.outside, r.overwritten,
		r.resumed, r.refetched>>20, len(r.skipped))
	problems := r.problems(floor)
	for n := 1; n <= faultCount; n++ {
		f := fmt.Sprintf("%02d", n)
		t.Run(f, func(t *testing.T) {
			for _, p := range problems[f] {
				t.Error(p)
			}
		})
	}
	for _, p := range problems[""] {
		t.Error(p)
	}
}

// TestTally checks that each kind of failure makes a run fail.
func TestTally(t *testing.T) {
	whole := func() *tally {
		r := &tally{rows: map[string]*rowNote{}, cases: 100}
		for n := 1; n <= faultCount; n++ {
			r.rows[fmt.Sprintf("%02d a row", n)] = &rowNote{cases: 1}
		}
		return r
	}
	if p := whole().problems(100); len(p) > 0 {
		t.Errorf("a complete run has problems: %v", p)
	}
	for name, change := range map[string]func(*tally){
		"wrong bytes":                    func(r *tally) { r.shaBad++ },
		"wrong bytes under a final name": func(r *tally) { r.wrongFinal++ },
		"a file outside the destination": func(r *tally) { r.outside++ },
		"an overwritten file":            func(r *tally) { r.overwritten++ },
		"too few cases":                  func(r *tally) { r.cases-- },
		"a missing fault":                func(r *tally) { delete(r.rows, "07 a row") },
		"a failed numbered row":          func(r *tally) { r.complain("07 a row: wrong state") },
		"a failed additional row":        func(r *tally) { r.complain("not granted: wrong state") },
	} {
		r := whole()
		if change(r); len(r.problems(100)) == 0 {
			t.Errorf("%s: the run passed", name)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// walk returns the content of every file below dir by its path, the target of a
// link as "-> target", and "folder" for a folder other than dest.
func walk(dir string) map[string]string {
	found := map[string]string{}
	filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return nil
		}
		rel, _ := filepath.Rel(dir, p)
		switch {
		case d.Type().IsRegular():
			data, _ := os.ReadFile(p)
			found[filepath.ToSlash(rel)] = string(data)
		case d.Type()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(p)
			found[filepath.ToSlash(rel)] = "-> " + to
		case rel != "dest":
			found[filepath.ToSlash(rel)] = "folder"
		}
		return nil
	})
	return found
}

// watch reads the file every millisecond if it changed, and counts contents for
// which ok returns false.
func watch(name string, ok func([]byte) bool, wrong *int) (stop func()) {
	return watchAll(map[string]func([]byte) bool{name: ok}, wrong)
}

// watchAll is watch for several files.
func watchAll(names map[string]func([]byte) bool, wrong *int) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	seen := map[string]os.FileInfo{}
	look := func(name string, ok func([]byte) bool) {
		info, err := os.Lstat(name)
		if was := seen[name]; err != nil || was != nil && os.SameFile(was, info) && was.ModTime().Equal(info.ModTime()) && was.Size() == info.Size() {
			return
		}
		if data, err := os.ReadFile(name); err == nil && !ok(data) {
			*wrong++
		}
		seen[name] = info
	}
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				for name, ok := range names {
					look(name, ok)
				}
			}
		}
	}()
	return func() { close(quit); <-done }
}

// consistent returns the ranges that a sidecar in dir lists although the part
// does not hold them. data returns an object's content by its key.
func consistent(dir string, data func(key string) []byte) (problems []string) {
	names, _ := filepath.Glob(filepath.Join(dir, localname.PartMark+"*.json"))
	for _, name := range names {
		raw, err := os.ReadFile(name)
		var s part.Sidecar
		if err != nil || json.Unmarshal(raw, &s) != nil || !s.Sane() {
			problems = append(problems, name+" is not a valid sidecar")
			continue
		}
		part, err := os.ReadFile(strings.TrimSuffix(name, ".json"))
		if err != nil {
			continue // the part was renamed to its final name
		}
		for _, r := range s.Ranges {
			if want := data(s.Key); int64(len(part)) < r.To || int64(len(want)) < r.To || !bytes.Equal(part[r.From:r.To], want[r.From:r.To]) {
				problems = append(problems, fmt.Sprintf("%s: bytes %d to %d of %q are missing or wrong", name, r.From, r.To, s.Key))
			}
		}
	}
	return problems
}
