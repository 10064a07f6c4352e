package download

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/client/download/fetch"
	localname "usher/client/download/name"
)

// The fault matrix plays every fault between S3 and the disk at each file size
// and, for a fault at an offset, at several offsets. A row is independent of
// the stack that it runs on. USHER_SOAK=1 plays all rows on every stack.

// stack makes testbeds, from fakes (fakeStack) or from real parts (realStack).
type stack interface {
	name() string
	testbed(testing.TB, userOptions) *testbed
}

// userOptions describe the user of a testbed.
type userOptions struct {
	exclusive bool             // the user has no other testbed, so that a test may end the session or the grant
	now       func() time.Time // the clock of the user's machine; nil: the correct time
}

// fault is one row of the matrix: the setup and the expected result.
type fault struct {
	name        string            // begins with the fault's number, 01 to 29; other rows have a name only
	atOffset    bool              // played at each of offsets
	stalls      bool              // needs the idle timeout to expire: it is set to stall
	slow        bool              // takes seconds on a real stack: one size and one offset there
	min         int               // smallest size, in bytes
	max         int               // largest size, in bytes; 0: no limit
	sum         string            // the object's checksum, as for put; "": CRC64NVME, "none": none
	key         string            // "": dir/file.bin
	exclusive   bool              // see userOptions
	clockOffset time.Duration     // error of the clock of the user's machine
	skip        map[string]string // the reason, by the name of a stack that cannot play the row
	setup       func(*trial)
	then        func(*testing.T, *trial) // runs after the transfer was added; may be nil
	want        State
	orWant      State                        // a second accepted state; 0: none
	err         error                        // compared with errors.Is; nil: not compared
	exit        int                          // exit code of the error; 0: not compared
	refetches   int                          // number of times that the whole object may be fetched again
	check       func(*trial, Transfer) error // further expectations; may be nil
}

// The most bytes that are fetched twice in a row without refetches: for a large
// file over several connections, and for a small file over one connection.
const (
	maxRefetch      = 8 << 20
	maxRefetchSmall = 2 * fetch.BufferSize
)

const stall = 500 * time.Millisecond

// trial is one download under one fault.
type trial struct {
	*testbed
	size, offset       int
	path               string // bucket and key of the object
	key                string
	dir                string // destination of the file
	top                string // destination of the request
	paged              bool   // the file is one of a folder: see paged
	obj                *object
	engine             *Engine
	id                 ID
	config             Config
	diskFixed          chan struct{} // closed when the disk works again
	reached            chan struct{} // closed when the proxy pauses the body
	resume             chan struct{} // closed to let the proxy send the rest
	visited            atomic.Int64  // requests to a host that must get none
	planted            string        // path of a foreign link at the part's name; it must stay
	s3Name             string        // the storage's DNS name; "": it has none
	restoreCertificate func()        // switches back to the storage's own certificate
}

func soak() bool { return os.Getenv("USHER_SOAK") != "" }

// sizes returns the object sizes, in bytes, at which the row is played on a
// stack: around 0 and around smallObject (8 MiB), where fetching changes from
// one request to ranges. Outside a soak a slow row has one size on a real stack.
func (f fault) sizes(on stack) []int {
	all := []int{0, 1, 70_000, 8<<20 - 1, 8 << 20, 8<<20 + 1}
	switch {
	case isPaged(on) && (testing.Short() || on != stack(paged{fakeStack{}})):
		all = []int{70_000}
	case isPaged(on):
		all = []int{0, 70_000, 8 << 20}
	case soak():
		all = append(all, 64<<20)
	case f.slow && on != stack(fakeStack{}):
		all = []int{max(f.min, 70_000)}
	}
	all = slices.DeleteFunc(all, func(n int) bool { return n < f.min || f.max > 0 && n > f.max })
	// The race detector needs one size for each way of fetching.
	if short := slices.DeleteFunc(slices.Clone(all), func(n int) bool { return n != 70_000 && n != smallObject+1 }); testing.Short() && len(short) > 0 {
		return short
	}
	return all
}

// offsets returns the byte offsets of the fault. Over several connections an
// idle connection may take over the last bytes, so that a fault in the last byte
// would not occur. The last offset of a large file is therefore in the first
// half of the last connection's range.
func (f fault) offsets(on stack, size int) []int {
	all := []int{0, 1, 4095, size / 2, size - 1}
	if size > smallObject {
		all[4] = size - fetch.MinPart + 1000
	}
	switch {
	case !f.atOffset:
		return []int{0}
	case f.slow && on != stack(fakeStack{}) && !soak():
		all = []int{size / 2}
	case testing.Short() && !soak() && size > smallObject:
		all = []int{size / 2}
	case testing.Short() && !soak():
		all = []int{1, size / 2}
	}
	slices.Sort(all)
	return slices.Compact(slices.DeleteFunc(all, func(c int) bool { return c < 0 || c >= max(size, 1) }))
}

// newTrial uploads the object and makes the destination, with files of the user
// in and beside it.
func newTrial(t *testing.T, on stack, f fault, size, offset int, base string) *trial {
	opts := userOptions{exclusive: f.exclusive}
	if f.clockOffset != 0 {
		opts.exclusive, opts.now = true, func() time.Time { return time.Now().Add(f.clockOffset) }
	}
	tr := &trial{testbed: on.testbed(t, opts), size: size, offset: offset, top: filepath.Join(base, "dest"), paged: isPaged(on),
		diskFixed: make(chan struct{}), reached: make(chan struct{}), resume: make(chan struct{})}
	sum := cmp.Or(f.sum, "CRC64NVME")
	if sum == "none" {
		sum = ""
	}
	tr.path = tr.root + cmp.Or(f.key, "dir/file.bin")
	_, tr.key, _ = strings.Cut(tr.path, "/")
	tr.obj = tr.put(tr.path, random(uint64(size+offset), size), sum)
	if tr.dir = tr.top; tr.paged {
		tr.dir = filepath.Join(tr.top, "dir")
	}
	must(t, os.MkdirAll(tr.top, 0o700))
	must(t, os.WriteFile(filepath.Join(base, "canary"), []byte("canary"), 0o600))
	must(t, os.WriteFile(filepath.Join(tr.top, "mine"), []byte("mine"), 0o600))
	tr.config = tr.testbed.config()
	tr.config.Now = opts.now
	if f.stalls {
		tr.config.Timeouts.Idle, tr.config.Timeouts.RateWindow, tr.config.Timeouts.MinRate = stall, stall, 1000
	}
	return tr
}

// validContent reports whether b is the content of the object now or at the
// start of the trial.
func (tr *trial) validContent(b []byte) bool {
	now := tr.object(tr.path)
	return bytes.Equal(b, tr.obj.data) || now != nil && bytes.Equal(b, now.data)
}

// runTrial plays one row at one size and offset.
func runTrial(t *testing.T, on stack, f fault, size, offset int, h hooks, r *tally) {
	base, began := scratch(t), time.Now()
	tr := newTrial(t, on, f, size, offset, base)
	defer func() {
		tr.close()
		os.RemoveAll(base)
	}()
	before := walk(base)
	final := filepath.Join(tr.dir, "file.bin")
	stop := watch(final, tr.validContent, &r.wrongFinal)
	tr.config.hooks = h
	f.setup(tr)
	var err error
	tr.engine, err = New(tr.config)
	must(t, err)
	tr.id = tr.add(t)
	if f.then != nil {
		f.then(t, tr)
	}
	wait(t, tr.engine)
	got := find(t, tr.engine, tr.id)
	must(t, tr.engine.Close())
	stop()
	r.note(f, size, got, time.Since(began))
	trialName := fmt.Sprintf("%s, %d bytes, at %d, on the %s stack", f.name, size, offset, on.name())
	if err := f.verify(tr, got); err != nil {
		r.complain("%s: %v (%v, %v, event %q, %d retries, fetched %d)", trialName, err, got.State, got.Err, got.Event, got.Retries, got.Fetched)
	}
	data, err := os.ReadFile(final)
	switch {
	case f.want == Done && (err != nil || !tr.validContent(data)):
		r.shaBad++
	case f.want != Done && err == nil && !bytes.Equal(data, tr.obj.data):
		r.wrongFinal++
	}
	left := slices.DeleteFunc(leftovers(t, tr.dir), func(p string) bool { return p == tr.planted })
	if f.want == Done && len(left) > 0 {
		r.complain("%s: left behind %v", trialName, left)
	}
	within, _ := filepath.Rel(base, tr.dir)
	for p, content := range walk(base) {
		if p == within+"/file.bin" || p == within+"/second.bin" || p == within ||
			filepath.Dir(p) == within && strings.HasPrefix(filepath.Base(p), localname.PartMark) {
			continue
		}
		if was, ok := before[p]; !ok {
			r.outside++
		} else if was != content {
			r.overwritten++
		}
	}
}

// verify returns the first difference from the row's expectations.
func (f fault) verify(tr *trial, got Transfer) error {
	var coded interface{ Exit() int }
	most := int64(f.refetches)*int64(tr.size) + maxRefetch
	if tr.size <= smallObject {
		most = int64(f.refetches)*int64(tr.size) + maxRefetchSmall
	}
	switch {
	case got.State != f.want && (f.orWant == 0 || got.State != f.orWant):
		return fmt.Errorf("want state %v", f.want)
	case f.err != nil && !errors.Is(got.Err, f.err):
		return fmt.Errorf("want error %v", f.err)
	case f.exit != 0 && (!errors.As(got.Err, &coded) || coded.Exit() != f.exit):
		return fmt.Errorf("want exit code %d", f.exit)
	case got.Fetched-int64(tr.size) > most:
		return fmt.Errorf("%d bytes fetched twice, want at most %d", got.Fetched-int64(tr.size), most)
	case f.check != nil:
		return f.check(tr, got)
	}
	return nil
}

// runMatrix plays rows, six trials at a time: a trial mostly waits.
func runMatrix(t *testing.T, on stack, rows []fault, h hooks) *tally {
	t.Helper()
	sum := tally{rows: map[string]*rowNote{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, 6)
	for _, f := range rows {
		if why := f.skip[on.name()]; why != "" {
			sum.skipped = append(sum.skipped, f.name+": "+why)
			continue
		}
		for _, size := range f.sizes(on) {
			for _, offset := range f.offsets(on, size) {
				wg.Add(1)
				slots <- struct{}{}
				go func() {
					defer func() { <-slots; wg.Done() }()
					r := tally{rows: map[string]*rowNote{}}
					runTrial(t, on, f, size, offset, h, &r)
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

// TestFaults plays the matrix on the fake stack, or the rows of USHER_FAULTS.
func TestFaults(t *testing.T) {
	if prefixes := os.Getenv("USHER_FAULTS"); prefixes != "" {
		playRows(t, strings.Split(prefixes, ","))
		return
	}
	runMatrix(t, fakeStack{}, faults(), hooks{}).report(t, fakeStack{}, floorOf(850, 180))
}

// playRows plays the rows whose names have one of the prefixes
// (USHER_FAULTS=05,27), for work on a single fault.
func playRows(t *testing.T, prefixes []string) {
	rows := slices.DeleteFunc(faults(), func(f fault) bool {
		return !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(f.name, p) })
	})
	r := runMatrix(t, fakeStack{}, rows, hooks{})
	for _, c := range r.complaints {
		t.Error(c)
	}
	if r.bad() > 0 || r.cases == 0 {
		t.Errorf("%d cases; %d files have wrong bytes or a wrong path", r.cases, r.bad())
	}
}
