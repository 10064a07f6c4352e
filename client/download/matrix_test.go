package download

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The fault matrix: what can go wrong between S3 and the disk, at each size
// and, where the fault is a cut, at each place. USHER_SOAK=1 runs all of it.

// tally is what the matrix prints; the first four must be zero.
type tally struct {
	shaBad, wrongFinal, outside, overwritten int
	cases, resumed                           int
	refetched                                int64
	complaints                               []string
}

func (r *tally) bad() int { return r.shaBad + r.wrongFinal + r.outside + r.overwritten }

func (r *tally) complain(format string, args ...any) {
	r.complaints = append(r.complaints, fmt.Sprintf(format, args...))
}

// trial is one download under one fault.
type trial struct {
	*world
	size, cut int
	dir       string
	obj       *object
	engine    *Engine
	id        ID
	config    Config
	calls     atomic.Int64 // GETs for the object
	healed    atomic.Bool  // the disk works again
}

// fault is one row: how it is set up and what must come of it.
type fault struct {
	name   string
	cuts   bool // happens at an offset
	stalls bool // somebody must lose patience
	min    int  // smallest size for which it means anything
	max    int  // largest; 0: any
	sum    string
	arm    func(*trial)
	// then acts while the transfer runs or after it stopped; may be nil.
	then func(*testing.T, *trial)
	want State
	also State // as good; 0: none
	err  error // errors.Is
}

const (
	path  = "b/dir/file.bin"
	stall = 250 * time.Millisecond
)

func sizes() []int {
	if os.Getenv("USHER_SOAK") != "" {
		return []int{0, 1, 70_000, 8<<20 - 1, 8 << 20, 8<<20 + 1, 64 << 20}
	}
	return []int{0, 1, 70_000, 8<<20 - 1, 8<<20 + 1}
}

func (f fault) places(size int) []int {
	if !f.cuts {
		return []int{0}
	}
	all := []int{0, 1, 4095, size / 2, size - 1}
	if size > 1<<20 && os.Getenv("USHER_SOAK") == "" {
		all = []int{4095, size / 2}
	}
	var out []int
	for _, c := range all {
		if c >= 0 && c < max(size, 1) && (len(out) == 0 || c > out[len(out)-1]) {
			out = append(out, c)
		}
	}
	return out
}

// runTrial plays one row at one size and place.
func runTrial(t *testing.T, f fault, size, cut int, h hooks, r *tally) {
	base := scratch(t)
	canary := filepath.Join(base, "canary")
	tr := &trial{world: newWorld(t), size: size, cut: cut, dir: filepath.Join(base, "dest")}
	sum := f.sum
	if sum == "" {
		sum = "CRC64NVME"
	} else if sum == "none" {
		sum = ""
	}
	tr.obj = tr.put(path, random(uint64(size+cut), size), sum)
	good := [][]byte{tr.obj.data}
	must(t, os.MkdirAll(tr.dir, 0o700))
	must(t, os.WriteFile(canary, []byte("canary"), 0o600))
	must(t, os.WriteFile(filepath.Join(tr.dir, "mine"), []byte("mine"), 0o600))
	before := walk(base)
	tr.config = tr.world.config()
	tr.config.hooks = h
	if f.stalls {
		tr.config.Timeouts.Idle, tr.config.Timeouts.RateWindow, tr.config.Timeouts.MinRate = stall, stall, 1000
	}
	f.arm(tr)
	e, err := New(tr.config)
	must(t, err)
	tr.engine = e
	final := filepath.Join(tr.dir, "file.bin")
	stop := watch(final, func(b []byte) bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return bytes.Equal(b, good[0]) || bytes.Equal(b, tr.objects[path].data)
	}, &r.wrongFinal)
	tr.id = e.Add(tr.request(path, tr.dir))[0]
	if f.then != nil {
		f.then(t, tr)
	}
	wait(t, tr.engine)
	got := find(t, tr.engine, tr.id)
	must(t, tr.engine.Close())
	stop()
	r.cases++
	if got.Retries > 0 || got.Fetched > 0 && got.Fetched < int64(size) {
		r.resumed++
	}
	what := fmt.Sprintf("%s, %d bytes, at %d", f.name, size, cut)
	if got.State != f.want && (f.also == 0 || got.State != f.also) || f.err != nil && !errors.Is(got.Err, f.err) {
		r.complain("%s: %v, %v (event %q)", what, got.State, got.Err, got.Event)
	}
	data, err := os.ReadFile(final)
	switch {
	case f.want == Done && (err != nil || !bytes.Equal(data, good[0]) && !bytes.Equal(data, tr.objects[path].data)):
		r.shaBad++
	case f.want != Done && err == nil && !bytes.Equal(data, good[0]):
		r.wrongFinal++
	}
	if f.want == Done {
		r.refetched += max(got.Fetched-int64(size), 0)
		if left := leftovers(t, tr.dir); len(left) > 0 {
			r.complain("%s: left behind %v", what, left)
		}
	}
	for p, content := range walk(base) {
		if p == "dest/file.bin" || filepath.Dir(p) == "dest" && bytes.HasPrefix([]byte(filepath.Base(p)), []byte(partMark)) {
			continue
		}
		if was, ok := before[p]; !ok {
			r.outside++
		} else if was != content {
			r.overwritten++
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

// watch looks at the final name each millisecond and counts the times that it
// holds something else than it should.
func watch(name string, ok func([]byte) bool, wrong *int) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		var seen os.FileInfo
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			info, err := os.Lstat(name)
			if err != nil || seen != nil && os.SameFile(seen, info) && seen.ModTime().Equal(info.ModTime()) && seen.Size() == info.Size() {
				continue
			}
			data, err := os.ReadFile(name)
			if err == nil && !ok(data) {
				*wrong++
			}
			seen = info
		}
	}()
	return func() { close(quit); <-done }
}

// runMatrix plays rows, several at a time: most of the time they wait.
func runMatrix(t *testing.T, rows []fault, h hooks) *tally {
	t.Helper()
	var sum tally
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, 6)
	for _, f := range rows {
		for _, size := range sizes() {
			if size < f.min || f.max > 0 && size > f.max {
				continue
			}
			for _, cut := range f.places(size) {
				wg.Add(1)
				slots <- struct{}{}
				go func() {
					defer func() { <-slots; wg.Done() }()
					var r tally
					runTrial(t, f, size, cut, h, &r)
					mu.Lock()
					defer mu.Unlock()
					sum.add(r)
				}()
			}
		}
	}
	wg.Wait()
	return &sum
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
}

func TestFaults(t *testing.T) {
	r := runMatrix(t, faults(), hooks{})
	t.Logf("DOWNLOAD cases=%d sha_bad=%d wrong_final_seen=%d outside_dest=%d overwritten=%d resumed=%d refetched=%d bytes",
		r.cases, r.shaBad, r.wrongFinal, r.outside, r.overwritten, r.resumed, r.refetched)
	for _, c := range r.complaints {
		t.Error(c)
	}
	if r.bad() != 0 || r.cases < 200 {
		t.Errorf("%+v", *r)
	}
}
