package download

import (
	"container/list"
	"context"
	"crypto/x509"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"usher/client/download/fetch"
	localname "usher/client/download/name"
	"usher/client/download/part"
	"usher/client/download/ticket"
)

// hooks replace parts of the engine in tests. Each guard that can be switched off
// here can be shown to be needed.
type hooks struct {
	disk        part.Options
	rootCAs     *x509.CertPool
	dial        fetch.Dial
	noIfMatch   bool
	noVerify    bool
	localName   func(form localname.Form, key string) string
	descriptors func() int // how many this process may have; 0: no limit is known
}

func (h hooks) withDefaults() hooks {
	if h.localName == nil {
		h.localName = localname.In
	}
	if h.descriptors == nil {
		h.descriptors = part.MaxDescriptors
	}
	return h
}

// Engine runs transfers. All methods may be called from any goroutine.
type Engine struct {
	cfg      Config
	check    *ticket.Checker
	fetcher  *fetch.Client
	conns    *fetch.Connections // of large files
	small    *fetch.Semaphore   // small requests in flight
	large    *fetch.Semaphore   // places of large files
	disk     *part.Disk
	batcher  *batcher
	syncer   *part.Syncer
	reporter *reporter
	queue    *queueFile

	workers chan assignment // unbuffered: only a free worker receives

	ctx  context.Context // ends with Close
	stop context.CancelCauseFunc
	wg   sync.WaitGroup

	// mu guards all that follows, and the transfers.
	mu     sync.Mutex
	closed bool
	alone  bool // nobody can sign in again: see Save
	list   catalog
	window window
	halted map[string]bool // folders below which all fails alike, and it was reported
	ends   ends
	sums   sums
	wake   wake
}

// catalog holds the transfers and the local names that they have.
type catalog struct {
	nextID  ID
	byID    map[ID]*transfer
	places  map[string]*transfer // by object and local path
	claimed map[uint64]uint64    // owners of local names: hashes of the path and of the object
	seed    maphash.Seed
	order   []*transfer            // the order of Snapshot
	kept    int                    // finished children still in order
	walks   map[*transfer]struct{} // folders that are listed
}

// window holds the transfers that wait for admission, and counts those admitted.
type window struct {
	waitSmall *list.List             // of *transfer
	waitLarge *list.List             // of *transfer
	active    map[*transfer]struct{} // admitted and not finished
	smallIn   int                    // small ones among them
	smallSum  int64                  // their bytes
	largeIn   int                    // places of large ones
	settling  int                    // small files that have their name and wait for a sync
	warmed    int                    // connections opened ahead

	first  *transfer    // see First; nil: none
	limit  int64        // see SetLimit
	atOnce atomic.Int32 // see SetParallel; read without mu, too

	pagesPlain bool          // the server refuses pages with URLs
	life       time.Duration // of the URLs of the last page; 0: not known
}

// ends are the ends of transfers that are still to be reported.
type ends struct {
	queue   []outcome
	spare   []outcome  // an empty buffer for the next ones
	telling bool       // a goroutine reports them
	told    *sync.Cond // all are reported
}

// sums are the batch's totals and rate.
type sums struct {
	totals  totals
	batch   batch
	gauge                          // of all transfers
	folders map[*transfer]struct{} // with a file under way since the measuring began
	ticking bool                   // a goroutine measures
}

// wake holds the signals between goroutines.
type wake struct {
	signedOut bool          // something waits, or waited, for a sign-in
	signIn    chan struct{} // closed and replaced by SignedIn
	kick      chan struct{} // closed and replaced by Retry: sleepers try now
	room      *sync.Cond    // a walk may go on
	changed   chan struct{}
	idle      chan struct{} // closed and replaced when nothing runs by itself
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
	ctx, stop := context.WithCancelCause(context.WithoutCancel(cfg.Values))
	local := cfg.hooks.disk
	local.ExactFolders = cfg.ExactFolders
	e := &Engine{
		cfg: cfg, ctx: ctx, stop: stop,
		check: check,
		disk:  part.NewDisk(bounds.folders, local),
		small: fetch.NewSemaphore(firstSlots, bounds.small), large: fetch.NewSemaphore(bounds.large, bounds.large),
		workers: make(chan assignment),
		list:    catalog{byID: map[ID]*transfer{}, places: map[string]*transfer{}, claimed: map[uint64]uint64{}, seed: maphash.MakeSeed(), walks: map[*transfer]struct{}{}},
		window:  window{limit: cfg.Limit, waitSmall: list.New(), waitLarge: list.New(), active: map[*transfer]struct{}{}},
		halted:  map[string]bool{},
		wake: wake{signIn: make(chan struct{}), kick: make(chan struct{}),
			changed: make(chan struct{}, 1), idle: make(chan struct{})},
	}
	e.wake.room, e.ends.told = sync.NewCond(&e.mu), sync.NewCond(&e.mu)
	if cfg.Parallel > 0 {
		e.large = e.small // one number for all
	}
	e.conns = fetch.NewConnections(e.large.Capacity(), bounds.conns)
	if cfg.Parallel > 0 {
		e.conns.Share(e.small)
	}
	e.fetcher, err = fetch.New(fetch.Config{Timeouts: cfg.Timeouts.fetch(), Patience: cfg.Patience, Limit: int64(cfg.Limit), Wrap: cfg.Wrap, Idle: bounds.idle,
		Connections: e.conns, Small: e.small, RootCAs: cfg.hooks.rootCAs, Dial: cfg.hooks.dial, NoVerify: cfg.hooks.noVerify, Now: cfg.Now, Sleep: e.sleep})
	if err != nil {
		stop(errClosed)
		return nil, err
	}
	e.batcher = &batcher{e: e}
	e.syncer = part.NewSyncer(func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.window.active) == 0
	})
	e.reporter = &reporter{e: e}
	if e.queue, err = openQueue(cfg.QueueFile); err != nil {
		stop(errClosed)
		return nil, err
	}
	return e, nil
}

// Add puts transfers at the end of the queue. A request for an object that is already
// queued for the same path returns that transfer's ID. It takes the place of a
// finished transfer of that object and path, and goes on with its part.
func (e *Engine) Add(reqs ...Request) []ID {
	ids := make([]ID, 0, len(reqs))
	e.mu.Lock()
	e.newBatch()
	for _, r := range reqs {
		ids = append(ids, e.add(r))
	}
	e.sweep()
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
	if t := e.list.places[place]; t != nil && t.phase != removed {
		if !t.state.Finished() {
			return t.id
		}
		e.replace(t)
	}
	t := e.newTransfer(r, nil, segs)
	e.list.places[place] = t
	t.refused = err
	if e.closed {
		e.finish(t, Failed, errClosed)
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
	e.list.nextID++
	t := &transfer{id: e.list.nextID, req: r, parent: parent, segs: segs, added: e.cfg.Now(), size: r.listedSize()}
	if r.Folder {
		t.folder = &folderState{}
	}
	e.list.byID[t.id] = t
	e.list.order = append(e.list.order, t)
	if parent != nil {
		parent.folder.children++
	}
	if !r.Folder {
		e.count(t, 1)
	}
	return t
}

// Close stops everything. Parts and the queue are kept.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.wake.room.Broadcast()
	e.stop(errClosed) // under mu: see begin
	e.mu.Unlock()
	e.wg.Wait()
	e.syncer.Close()
	e.mu.Lock()
	for e.ends.telling {
		e.ends.told.Wait()
	}
	e.mu.Unlock()
	e.reporter.flush()
	err := e.queue.close(e)
	e.disk.Close()
	e.fetcher.Close()
	return err
}
