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

	localname "usher/client/download/name"
)

// The fault matrix: what can go wrong between S3 and the disk, at each size
// and, where the fault is a cut, at each place. A row does not know in which
// world it is played. USHER_SOAK=1 plays all of it everywhere.

// scene is a kind of world.
type scene interface {
	name() string
	world(testing.TB, visitor) *world
}

// visitor is who downloads.
type visitor struct {
	alone bool             // somebody whom nobody else plays: something happens to them
	now   func() time.Time // their machine's clock; nil: it is right
}

// fault is one row: how it is set up and what must come of it.
type fault struct {
	name    string // begins with the number of the fault in the plan
	cuts    bool   // happens at an offset
	stalls  bool   // somebody must lose patience
	seldom  bool   // takes seconds where it is real: one size, one place
	min     int    // smallest size for which it means anything
	max     int    // largest; 0: any
	sum     string // of the object, as put takes it; "": CRC64NVME, "none": none
	key     string // "": dir/file.bin
	alone   bool   // see visitor
	off     time.Duration
	nowhere map[string]string // scenes where it can mean nothing, and why
	arm     func(*trial)
	// then acts while the transfer runs or after it stopped; may be nil.
	then  func(*testing.T, *trial)
	want  State
	also  State // as good; 0: none
	err   error // errors.Is
	exit  int   // of a command that ends so; 0: not asked
	again int   // how often the whole may be fetched once more

	check func(*trial, Transfer) error // of what else was promised; may be nil
}

// How many bytes may come twice where nothing asks for more: the plan's bound,
// and what one connection may lose.
const (
	twice    = 8 << 20
	twiceOne = 2 * bufferSize
)

const stall = 250 * time.Millisecond

// trial is one download under one fault.
type trial struct {
	*world
	size, cut int
	path      string // of the object
	key       string // the same, in its bucket
	dir       string
	obj       *object
	engine    *Engine
	id        ID
	config    Config
	healed    chan struct{} // closed: the disk works again
	reached   chan struct{} // closed: the front holds the body back
	gate      chan struct{} // closed: it lets go
	visited   atomic.Int64  // places that nobody should visit
	planted   string        // what another put beside the target, which stays
	s3Name    string        // of the storage, where it is found by name
	swapBack  func()        // the storage shows its own certificate again
}

func soak() bool { return os.Getenv("USHER_SOAK") != "" }

// sizes are those of the plan; what is slow where all is real is played there at
// one size and place, but in a soak.
func (f fault) sizes(where scene) []int {
	all := []int{0, 1, 70_000, 8<<20 - 1, 8 << 20, 8<<20 + 1}
	switch {
	case soak():
		all = append(all, 64<<20)
	case f.seldom && where != scene(fake{}):
		all = []int{max(f.min, 70_000)}
	case testing.Short():
		all = []int{0, 70_000, 8<<20 - 1, 8<<20 + 1}
	}
	return slices.DeleteFunc(all, func(n int) bool { return n < f.min || f.max > 0 && n > f.max })
}

// places are where it happens. The last byte of a file that several connections
// share may be taken over by another one, and what happens there meets nobody:
// such a file has its last place in the last connection's first half.
func (f fault) places(where scene, size int) []int {
	all := []int{0, 1, 4095, size / 2, size - 1}
	if size > smallObject {
		all[4] = size - minPart + 1000
	}
	switch {
	case !f.cuts:
		return []int{0}
	case f.seldom && where != scene(fake{}) && !soak():
		all = []int{size / 2}
	case testing.Short() && !soak():
		all = []int{1, size / 2}
	}
	slices.Sort(all)
	return slices.Compact(slices.DeleteFunc(all, func(c int) bool { return c < 0 || c >= max(size, 1) }))
}

// newTrial puts the object and a person's things around the destination.
func newTrial(t *testing.T, where scene, f fault, size, cut int, base string) *trial {
	who := visitor{alone: f.alone}
	if f.off != 0 {
		who.alone, who.now = true, func() time.Time { return time.Now().Add(f.off) }
	}
	tr := &trial{world: where.world(t, who), size: size, cut: cut, dir: filepath.Join(base, "dest"),
		healed: make(chan struct{}), reached: make(chan struct{}), gate: make(chan struct{})}
	sum := cmp.Or(f.sum, "CRC64NVME")
	if sum == "none" {
		sum = ""
	}
	tr.path = tr.place + cmp.Or(f.key, "dir/file.bin")
	_, tr.key, _ = strings.Cut(tr.path, "/")
	tr.obj = tr.put(tr.path, random(uint64(size+cut), size), sum)
	must(t, os.MkdirAll(tr.dir, 0o700))
	must(t, os.WriteFile(filepath.Join(base, "canary"), []byte("canary"), 0o600))
	must(t, os.WriteFile(filepath.Join(tr.dir, "mine"), []byte("mine"), 0o600))
	tr.config = tr.world.config()
	tr.config.Now = who.now
	if f.stalls {
		tr.config.Timeouts.Idle, tr.config.Timeouts.RateWindow, tr.config.Timeouts.MinRate = stall, stall, 1000
	}
	return tr
}

// good tells whether b is a content that the object has, or had when it was
// asked for.
func (tr *trial) good(b []byte) bool {
	now := tr.object(tr.path)
	return bytes.Equal(b, tr.obj.data) || now != nil && bytes.Equal(b, now.data)
}

// runTrial plays one row at one size and place.
func runTrial(t *testing.T, where scene, f fault, size, cut int, h hooks, r *tally) {
	base, began := scratch(t), time.Now()
	tr := newTrial(t, where, f, size, cut, base)
	defer func() {
		tr.leave()
		os.RemoveAll(base)
	}()
	before := walk(base)
	final := filepath.Join(tr.dir, "file.bin")
	stop := watch(final, tr.good, &r.wrongFinal)
	tr.config.hooks = h
	f.arm(tr)
	var err error
	tr.engine, err = New(tr.config)
	must(t, err)
	tr.id = tr.engine.Add(tr.request(tr.path, tr.dir))[0]
	if f.then != nil {
		f.then(t, tr)
	}
	wait(t, tr.engine)
	got := find(t, tr.engine, tr.id)
	must(t, tr.engine.Close())
	stop()
	r.note(f, size, got, time.Since(began))
	what := fmt.Sprintf("%s, %d bytes, at %d, in the %s world", f.name, size, cut, where.name())
	if err := f.judge(tr, got); err != nil {
		r.complain("%s: %v (%v, %v, event %q, %d retries, fetched %d)", what, err, got.State, got.Err, got.Event, got.Retries, got.Fetched)
	}
	data, err := os.ReadFile(final)
	switch {
	case f.want == Done && (err != nil || !tr.good(data)):
		r.shaBad++
	case f.want != Done && err == nil && !bytes.Equal(data, tr.obj.data):
		r.wrongFinal++
	}
	left := slices.DeleteFunc(leftovers(t, tr.dir), func(p string) bool { return p == tr.planted })
	if f.want == Done && len(left) > 0 {
		r.complain("%s: left behind %v", what, left)
	}
	for p, content := range walk(base) {
		if p == "dest/file.bin" || p == "dest/second.bin" || filepath.Dir(p) == "dest" && strings.HasPrefix(filepath.Base(p), localname.PartMark) {
			continue
		}
		if was, ok := before[p]; !ok {
			r.outside++
		} else if was != content {
			r.overwritten++
		}
	}
}

// judge says what is not as the row wants it.
func (f fault) judge(tr *trial, got Transfer) error {
	var coded interface{ Exit() int }
	most := int64(f.again)*int64(tr.size) + twice
	if tr.size <= smallObject {
		most = int64(f.again)*int64(tr.size) + twiceOne
	}
	switch {
	case got.State != f.want && (f.also == 0 || got.State != f.also):
		return fmt.Errorf("it should be %v", f.want)
	case f.err != nil && !errors.Is(got.Err, f.err):
		return fmt.Errorf("the cause should be %v", f.err)
	case f.exit != 0 && (!errors.As(got.Err, &coded) || coded.Exit() != f.exit):
		return fmt.Errorf("a command should end with %d", f.exit)
	case got.Fetched-int64(tr.size) > most:
		return fmt.Errorf("%d bytes came twice, and %d may", got.Fetched-int64(tr.size), most)
	case f.check != nil:
		return f.check(tr, got)
	}
	return nil
}

// runMatrix plays rows, several at a time: most of the time they wait.
func runMatrix(t *testing.T, where scene, rows []fault, h hooks) *tally {
	t.Helper()
	sum := tally{rows: map[string]*rowNote{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, 6)
	for _, f := range rows {
		if why := f.nowhere[where.name()]; why != "" {
			sum.left = append(sum.left, f.name+": "+why)
			continue
		}
		for _, size := range f.sizes(where) {
			for _, cut := range f.places(where, size) {
				wg.Add(1)
				slots <- struct{}{}
				go func() {
					defer func() { <-slots; wg.Done() }()
					r := tally{rows: map[string]*rowNote{}}
					runTrial(t, where, f, size, cut, h, &r)
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

func TestFaults(t *testing.T) {
	if begin := os.Getenv("USHER_FAULTS"); begin != "" {
		playRows(t, strings.Split(begin, ","))
		return
	}
	runMatrix(t, fake{}, faults(), hooks{}).report(t, fake{}, floorOf(850, 340))
}

// playRows plays the rows whose names begin so (USHER_FAULTS=05,27), for a
// change that concerns only these.
func playRows(t *testing.T, begin []string) {
	rows := slices.DeleteFunc(faults(), func(f fault) bool {
		return !slices.ContainsFunc(begin, func(b string) bool { return strings.HasPrefix(f.name, b) })
	})
	r := runMatrix(t, fake{}, rows, hooks{})
	for _, c := range r.complaints {
		t.Error(c)
	}
	if r.bad() > 0 || r.cases == 0 {
		t.Errorf("%d cases, %d files are wrong, or where they must not be", r.cases, r.bad())
	}
}
