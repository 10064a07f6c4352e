package download

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// faultsPlanned are the faults of the plan (reference/security.md, part 4.2).
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

// report prints the run and fails for what went wrong, for a fault that was
// not played, and for fewer cases than floor: a matrix of nothing is no success.
func (r *tally) report(t *testing.T, where scene, rows []fault, floor int) {
	t.Helper()
	played := map[string]int{}
	for _, f := range rows {
		if n := r.rows[f.name]; n != nil {
			t.Logf("%-40s cases=%-3d retries=%-4d refetched=%-9d longest=%v", f.name, n.cases, n.retries, n.refetched, n.took.Round(time.Millisecond))
			played[number(f.name)] += n.cases
		}
	}
	delete(played, "")
	for _, why := range r.left {
		t.Logf("not in the %s world: %s", where.name(), why)
	}
	t.Logf("DOWNLOAD world=%s faults=%d rows=%d cases=%d sha_bad=%d wrong_final_seen=%d outside_dest=%d overwritten=%d resumed=%d refetched=%d bytes left_out=%d",
		where.name(), len(played), len(r.rows), r.cases, r.shaBad, r.wrongFinal, r.outside, r.overwritten, r.resumed, r.refetched, len(r.left))
	if r.bad() != 0 || r.cases < floor || len(played) != faultsPlanned {
		t.Errorf("of %d faults %d were played, in %d cases (at least %d)", faultsPlanned, len(played), r.cases, floor)
	}
	for i := range faultsPlanned { // each by its number, so that a claim can name it
		n := fmt.Sprintf("%02d", i+1)
		t.Run(n, func(t *testing.T) {
			if played[n] == 0 {
				t.Error("it was not played")
			}
			for _, c := range r.complaints {
				if number(c) == n {
					t.Error(c)
				}
			}
		})
	}
	for _, c := range r.complaints {
		if number(c) == "" {
			t.Error(c)
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
	names, _ := filepath.Glob(filepath.Join(dir, partMark+"*.json"))
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
