package download

import (
	"container/list"
	"context"
	"crypto/x509"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	localname "usher/client/download/name"
	"usher/client/download/ticket"
)

// hooks replace parts of the world in tests. Each guard that can be switched
// off here is there so that a test can show that it is needed.
type hooks struct {
	rootCAs      *x509.CertPool
	noIfMatch    bool
	noVerify     bool
	localName    func(form localname.Form, key string) string
	openRoot     func(dir string, rel []string, create bool) (*os.Root, []string, error)
	writeAt      func(f *os.File, p []byte, off int64) (int, error)
	free         func(*folder) int64
	descriptors  func() int // how many this process may have; 0: no limit is known
	writable     func(folder string) error
	sync         func(*os.File) error
	settle       func(*folder) error
	windowsNames func(dir string) bool
	fold         bool // take every file system for a case-insensitive one
}

func (h hooks) withDefaults() hooks {
	if h.localName == nil {
		h.localName = localname.In
	}
	if h.openRoot == nil {
		h.openRoot = openBelow
	}
	if h.writeAt == nil {
		h.writeAt = func(f *os.File, p []byte, off int64) (int, error) { return f.WriteAt(p, off) }
	}
	if h.sync == nil {
		h.sync = (*os.File).Sync
	}
	if h.settle == nil {
		h.settle = settleDisk
	}
	if h.windowsNames == nil {
		h.windowsNames = windowsNames
	}
	if h.writable == nil {
		h.writable = writable
	}
	if h.descriptors == nil {
		h.descriptors = maxDescriptors
	}
	if h.free == nil {
		h.free = freeSpace
	}
	return h
}

// Engine runs transfers. All methods may be called from any goroutine.
type Engine struct {
	cfg       Config
	check     *ticket.Checker
	transport *transport
	disk      *disk
	desk      *desk
	lanes     *laneControl
	small     *gate // small requests in flight
	large     *gate // places of large files
	limiter   *rate.Limiter
	readMost  int // bytes of one read
	buffers   buffers
	settler   *settler
	reporter  *reporter
	queue     *queueFile

	hands chan errand // unbuffered: only a hand that is free takes

	ctx  context.Context // ends with Close
	stop context.CancelCauseFunc
	wg   sync.WaitGroup

	moved  atomic.Int64 // bytes that came over the network, all transfers
	warmed int          // connections opened ahead, guarded by mu

	mu        sync.Mutex
	closed    bool
	nextID    ID
	byID      map[ID]*transfer
	places    map[string]*transfer // what was added, by object and local path
	claimed   map[uint64]uint64    // who has a local name: hashes of the path and of the object
	seed      maphash.Seed
	walks     map[*transfer]struct{}
	order     []*transfer // what Snapshot shows, in order
	waitSmall *list.List  // of *transfer
	waitLarge *list.List
	active    map[*transfer]struct{} // admitted and not finished
	smallIn   int                    // small ones among them
	smallSum  int64                  // their bytes
	largeIn   int                    // places of large ones
	ends      []outcome              // to be reported
	telling   bool                   // a goroutine reports them
	settling  int                    // small files that have their name and wait for a sync
	kept      int                    // finished children still in order
	totals    totals
	meter     meter
	ticking   bool
	alone     bool            // nobody is there who could sign in again: see Save
	halted    map[string]bool // folders below which all fails alike, and it was reported
	signedOut bool            // something waits, or waited, for a sign-in
	signIn    chan struct{}   // closed and replaced by SignedIn
	kick      chan struct{}   // closed and replaced by Retry: sleepers try now
	room      *sync.Cond      // a walk may go on
	changed   chan struct{}
	idle      chan struct{} // closed and replaced when nothing runs by itself

	told *sync.Cond // all ends are reported
}

// transfer is the engine's side of a Transfer. Fields are guarded by
// Engine.mu unless said otherwise.
type transfer struct {
	id      ID
	req     Request
	parent  *transfer
	segs    []string // local path below req.Dir; fixed
	nameErr error    // why there can be none
	barred  error    // why it cannot be released; it may be here already

	state    State
	err      error
	event    string
	dest     string
	size     int64 // -1: unknown
	verified string
	differs  bool
	anew     bool
	retries  int
	added    time.Time
	started  time.Time

	firstEvent, lastEvent string
	firstAt               time.Time

	cancel  context.CancelCauseFunc // while admitted
	running bool                    // admitted: a goroutine works on it
	parked  bool                    // the desk waits on its behalf
	syncing bool                    // has its name and waits for a sync; nothing stops it now
	again   bool                    // put back into the queue as soon as that goroutine ends
	elem    *list.Element           // in waitSmall or waitLarge
	weight  int                     // in largeIn
	meter   meter
	counted bool // in its folder's totals
	batched bool // in the engine's

	done, fetched atomic.Int64

	// Of a folder.
	walking  bool
	without  map[string]bool // of req.Without
	taken    int             // of req.Listed
	walkedTo string          // the last name that was taken
	names    sorter          // of the names up to there
	gone     bool            // taken off the list
	files    totals
	children int   // not finished
	firstErr error // of its files
	walkErr  error // of the walk
}

// totals count files and bytes.
type totals struct {
	files, done, failed int
	same, differ, plain int   // of done: were here; stay though they may differ; checked by size alone
	bytes, doneBytes    int64 // doneBytes: of finished files
	newBytes            int64 // of files that were fetched
}

// New checks the configuration and makes an engine that does nothing yet.
func New(cfg Config) (*Engine, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	check, err := ticket.New(ticket.Config{Hosts: cfg.S3Hosts, AllowHTTP: cfg.AllowHTTP})
	if err != nil {
		return nil, fmt.Errorf("download: Config.S3Hosts: %w", err)
	}
	bounds := boundsFor(cfg.Parallel, cfg.hooks.descriptors())
	ctx, stop := context.WithCancelCause(context.Background())
	e := &Engine{
		cfg: cfg, ctx: ctx, stop: stop,
		check:     check,
		transport: newTransport(cfg.hooks, cfg.Timeouts, bounds.idle),
		disk:      newDisk(cfg.hooks, bounds.folders),
		small:     newGate(bounds.small),
		large:     newGate(bounds.large),
		byID:      map[ID]*transfer{}, places: map[string]*transfer{}, walks: map[*transfer]struct{}{},
		halted:  map[string]bool{},
		claimed: map[uint64]uint64{}, seed: maphash.MakeSeed(),
		waitSmall: list.New(), waitLarge: list.New(),
		hands:  make(chan errand),
		active: map[*transfer]struct{}{}, readMost: bufferSize,
		signIn: make(chan struct{}), kick: make(chan struct{}),
		changed: make(chan struct{}, 1), idle: make(chan struct{}),
	}
	if cfg.Parallel > 0 {
		e.large = e.small // one number for all
	}
	e.lanes = newLaneControl(e.large.capacity(), bounds.conns)
	if cfg.Limit > 0 {
		e.limiter = rate.NewLimiter(rate.Limit(cfg.Limit), int(min(cfg.Limit, bufferSize)))
		e.readMost = int(min(max(cfg.Limit/8, 512), bufferSize))
	}
	e.room, e.told = sync.NewCond(&e.mu), sync.NewCond(&e.mu)
	e.desk = &desk{e: e}
	e.settler = newSettler(func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.active) == 0
	})
	e.reporter = &reporter{e: e}
	if e.queue, err = openQueue(cfg.QueueFile); err != nil {
		stop(errClosed)
		return nil, err
	}
	return e, nil
}

// Add puts transfers at the end of the queue. A request for what is already
// queued for the same place gives that transfer's ID.
func (e *Engine) Add(reqs ...Request) []ID {
	ids := make([]ID, 0, len(reqs))
	e.mu.Lock()
	e.newBatch()
	for _, r := range reqs {
		ids = append(ids, e.add(r))
	}
	e.admit()
	e.mu.Unlock()
	e.queue.touch(e)
	e.notify()
	return ids
}

// add runs under mu.
func (e *Engine) add(r Request) ID {
	segs, err := e.localPath(r)
	place := strings.Join(append([]string{r.Bucket, r.Key, r.Dir}, segs...), "\x00")
	if t := e.places[place]; t != nil && !t.state.Finished() {
		return t.id
	}
	t := e.newTransfer(r, nil, segs)
	e.places[place] = t
	t.nameErr = err
	if e.closed {
		e.conclude(t, Failed, errClosed)
		return t.id
	}
	if r.Folder {
		e.startWalk(t)
		return t.id
	}
	e.enqueue(t)
	return t.id
}

// newTransfer runs under mu.
func (e *Engine) newTransfer(r Request, parent *transfer, segs []string) *transfer {
	segs = e.claimName(r, segs)
	e.nextID++
	t := &transfer{id: e.nextID, req: r, parent: parent, segs: segs, added: e.cfg.Now(), size: -1}
	if r.ETag != "" || r.Size > 0 {
		t.size = r.Size
	}
	e.byID[t.id] = t
	e.order = append(e.order, t)
	if parent != nil {
		parent.children++
	}
	if !r.Folder {
		e.count(t, 1)
	}
	return t
}

// newBatch begins to count anew if all that there is has ended, under mu.
func (e *Engine) newBatch() {
	for _, t := range e.order {
		if !t.state.Finished() {
			return
		}
	}
	for _, t := range e.order {
		t.batched = false
	}
	e.totals = totals{}
}

// enterBatch counts a file that is to be fetched, under mu.
func (e *Engine) enterBatch(t *transfer) {
	if !t.batched {
		t.batched = true
		e.totals.files++
		e.totals.bytes += max(t.size, 0)
	}
}

// count adds a file to the totals, or takes it out, under mu.
func (e *Engine) count(t *transfer, n int) {
	t.counted = n > 0
	if p := t.parent; p != nil {
		p.files.files += n
		p.files.bytes += int64(n) * max(t.size, 0)
	}
	switch {
	case n > 0:
		e.enterBatch(t)
	case t.batched:
		t.batched = false
		e.totals.files--
		e.totals.bytes -= max(t.size, 0)
	}
}

// resize notes a size that became known, under mu.
func (e *Engine) resize(t *transfer, size int64) {
	grown := size - max(t.size, 0)
	t.size = size
	for _, c := range e.totalsOf(t) {
		c.bytes += grown
	}
}

// totalsOf are the sums that a transfer is part of.
func (e *Engine) totalsOf(t *transfer) (all []*totals) {
	if t.batched {
		all = append(all, &e.totals)
	}
	if t.parent != nil && t.counted {
		all = append(all, &t.parent.files)
	}
	return all
}

// isSmall tells which queue a transfer belongs to: one request fetches it all.
func (t *transfer) isSmall() bool { return t.req.ETag != "" && t.req.Size <= smallObject }

// set changes a transfer's state while it is admitted.
func (e *Engine) set(t *transfer, s State, err error, event string) {
	e.mu.Lock()
	e.setLocked(t, s, err, event)
	e.mu.Unlock()
	e.notify()
}

// setLocked is set under mu.
func (e *Engine) setLocked(t *transfer, s State, err error, event string) {
	// While the desk waits on its behalf, other connections of the same file
	// may still run; what holds it up is what counts.
	held := t.parked && (s == Running || s == Verifying)
	if !t.state.Finished() && t.state != Paused && !held {
		t.state, t.err = s, err
		if event != "" {
			t.event = event
		}
		if s == WaitingSignIn {
			e.signedOut = true
			e.checkIdle()
		}
	}
}

// notify wakes whoever listens to Changed.
func (e *Engine) notify() {
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// Changed receives after something changed; several changes may come as one.
func (e *Engine) Changed() <-chan struct{} { return e.changed }

// backoff is a pause with full jitter after the n-th failure in a row (from 1).
func (e *Engine) backoff(n int) time.Duration {
	t := e.cfg.Timeouts
	top := t.BackoffMin << min(n, 10)
	if top > t.BackoffMax || top <= 0 {
		top = t.BackoffMax
	}
	return t.BackoffMin/2 + rand.N(max(top-t.BackoffMin/2, 1))
}

// sleep waits, or until somebody says "try now", or until ctx ends.
func (e *Engine) sleep(ctx context.Context, d time.Duration) error {
	e.mu.Lock()
	kick := e.kick
	e.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-kick:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// checkIdle wakes Wait, under mu.
func (e *Engine) checkIdle() {
	if !e.busy() {
		close(e.idle)
		e.idle = make(chan struct{})
	}
}

// busy tells whether anything goes on, or could, without a person, under mu.
func (e *Engine) busy() bool {
	if e.telling || e.waitSmall.Len()+e.waitLarge.Len()+e.settling > 0 {
		return true
	}
	if !e.signedOut && len(e.active) > 0 {
		return true
	}
	for t := range e.active {
		if t.state != WaitingSignIn {
			return true
		}
	}
	for t := range e.walks {
		if t.state != Paused && t.state != WaitingSignIn {
			return true
		}
	}
	return false
}

// Wait returns when nothing is waiting or running any more. What is paused,
// or waits for a sign-in, does not count: it goes on only when a person acts.
func (e *Engine) Wait(ctx context.Context) error {
	for {
		e.mu.Lock()
		busy, idle := e.busy(), e.idle
		e.mu.Unlock()
		if !busy {
			e.reporter.flush()
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close stops everything. Parts and the queue are kept.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.room.Broadcast()
	e.mu.Unlock()
	e.stop(errClosed)
	e.wg.Wait()
	e.settler.close()
	e.mu.Lock()
	for e.telling {
		e.told.Wait()
	}
	e.mu.Unlock()
	e.reporter.flush()
	err := e.queue.close(e)
	e.disk.close()
	e.transport.close()
	return err
}
