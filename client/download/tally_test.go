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
)

// faultsPlanned is how many ways to fail were planned for. A row's name begins
// with the number of its fault.
const faultsPlanned = 29

// tally is what the matrix prints; the first four must be zero.
type tally struct {
	shaBad, wrongFinal, outside, overwritten int
	cases, resumed                           int
	refetched                                int64
	complaints                               []string
	left                                     []string            // rows that were not played, and why
	rows                                     map[string]*rowNote // by name
}

// rowNote is what one row cost.
type rowNote struct {
	cases, retries int
	refetched      int64
	took           time.Duration // of the longest
}

func (r *tally) bad() int { return r.shaBad + r.wrongFinal + r.outside + r.overwritten }

func (r *tally) complain(format string, args ...any) {
	r.complaints = append(r.complaints, fmt.Sprintf(format, args...))
}

// note counts one case.
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

// floorOf is the least number of cases: of a whole run, or of a short one.
func floorOf(whole, short int) int {
	if testing.Short() {
		return short
	}
	return whole
}

// number is the fault's in the plan; "" for a row of our own.
func number(row string) string {
	n, _, _ := strings.Cut(row, " ")
	if n >= "01" && n <= fmt.Sprint(faultsPlanned) && len(n) == 2 {
		return n
	}
	return ""
}

// played counts the cases of each fault of the plan.
func (r *tally) played() map[string]int {
	played := map[string]int{}
	for name, n := range r.rows {
		if f := number(name); f != "" {
			played[f] += n.cases
		}
	}
	return played
}

// problems are what went wrong, by the fault's number; "": in the whole. A fault
// that was not played is one, and so are fewer cases than floor: a matrix of
// nothing is no success.
func (r *tally) problems(floor int) map[string][]string {
	found := map[string][]string{}
	for _, c := range r.complaints {
		found[number(c)] = append(found[number(c)], c)
	}
	if n := r.bad(); n > 0 {
		found[""] = append(found[""], fmt.Sprintf("%d files are wrong, or where they must not be", n))
	}
	if r.cases < floor {
		found[""] = append(found[""], fmt.Sprintf("%d cases were played, fewer than %d", r.cases, floor))
	}
	for played, n := r.played(), 1; n <= faultsPlanned; n++ {
		if f := fmt.Sprintf("%02d", n); played[f] == 0 {
			found[f] = append(found[f], "it was not played")
		}
	}
	return found
}

// report prints the run and fails for its problems, each fault in a subtest of
// its own so that a claim can name it.
func (r *tally) report(t *testing.T, where scene, floor int) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(r.rows)) {
		n := r.rows[name]
		t.Logf("%-48s cases=%-3d retries=%-4d refetched=%-9d longest=%v", name, n.cases, n.retries, n.refetched, n.took.Round(time.Millisecond))
	}
	for _, why := range r.left {
		t.Logf("not in the %s world: %s", where.name(), why)
	}
	t.Logf("DOWNLOAD world=%s faults=%d rows=%d cases=%d sha_bad=%d wrong_final_seen=%d outside_dest=%d overwritten=%d resumed=%d refetched_MiB=%d left_out=%d",
		where.name(), len(r.played()), len(r.rows), r.cases, r.shaBad, r.wrongFinal, r.outside, r.overwritten, r.resumed, r.refetched>>20, len(r.left))
	problems := r.problems(floor)
	for n := 1; n <= faultsPlanned; n++ {
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

// TestTally: what is missing is missed.
func TestTally(t *testing.T) {
	whole := func() *tally {
		r := &tally{rows: map[string]*rowNote{}, cases: 100}
		for n := 1; n <= faultsPlanned; n++ {
			r.rows[fmt.Sprintf("%02d it fails", n)] = &rowNote{cases: 1}
		}
		return r
	}
	if p := whole().problems(100); len(p) > 0 {
		t.Errorf("a whole run has problems: %v", p)
	}
	for name, change := range map[string]func(*tally){
		"a wrong file": func(r *tally) { r.shaBad++ }, "a wrong file seen": func(r *tally) { r.wrongFinal++ },
		"a file outside": func(r *tally) { r.outside++ }, "a file replaced": func(r *tally) { r.overwritten++ },
		"too few cases": func(r *tally) { r.cases-- }, "a fault left out": func(r *tally) { delete(r.rows, "07 it fails") },
		"a row that complains": func(r *tally) { r.complain("07 it fails: it does not") },
		"a complaint of ours":  func(r *tally) { r.complain("not granted: it is") },
	} {
		r := whole()
		if change(r); len(r.problems(100)) == 0 {
			t.Errorf("%s was not missed", name)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// walk reads everything below dir.
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

// watch looks at final names each millisecond and counts the times that one
// holds something else than it should.
func watch(name string, ok func([]byte) bool, wrong *int) (stop func()) {
	return watchAll(map[string]func([]byte) bool{name: ok}, wrong)
}

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

// consistent says which bytes a sidecar in dir claims that its part does not
// have; data gives an object's content by its key.
func consistent(dir string, data func(key string) []byte) (problems []string) {
	names, _ := filepath.Glob(filepath.Join(dir, localname.PartMark+"*.json"))
	for _, name := range names {
		raw, err := os.ReadFile(name)
		var s sidecar
		if err != nil || json.Unmarshal(raw, &s) != nil || !s.sane() {
			problems = append(problems, name+" does not read")
			continue
		}
		part, err := os.ReadFile(strings.TrimSuffix(name, ".json"))
		if err != nil {
			continue // it has its final name by now
		}
		for _, r := range s.Ranges {
			if want := data(s.Key); int64(len(part)) < r.To || int64(len(want)) < r.To || !bytes.Equal(part[r.From:r.To], want[r.From:r.To]) {
				problems = append(problems, fmt.Sprintf("%s: bytes %d to %d of %q are not there", name, r.From, r.To, s.Key))
			}
		}
	}
	return problems
}
