package sealer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/sealer"
	"usher/backend/audit/tiles"
	"usher/backend/audit/tree"
	"usher/backend/event"
)

var errDied = errors.New("the process died")

// world is a log, an object storage and a state item, as DynamoDB and S3 keep them.
// Every call of a process passes through step, which can end the process before
// the call takes effect, or after it.
type world struct {
	t       testing.TB
	random  *rand.Rand
	now     time.Time
	batches map[string]sealer.Batch
	marks   map[time.Time]string
	objects map[string][]byte
	state   sealer.State
	hours   map[time.Time]hourItem
	keys    *signer
	calls   int
	mu      sync.Mutex // guards all of it during calls

	shown []tree.Head // heads of all checkpoints that a client could have seen

	// Guards that controls turn off.
	unlocked  bool // Save ignores the version
	overwrite bool // Create and Replace ignore existing objects
	unmarked  bool // late writers leave no mark
}

type hourItem struct {
	version int64
	hour    sealer.Hour
}

func newWorld(t testing.TB, seed uint64) *world {
	t.Helper()
	return &world{
		t: t, random: rand.New(rand.NewPCG(seed, 15)), now: time.Date(2026, 11, 28, 9, 58, 0, 0, time.UTC),
		batches: map[string]sealer.Batch{}, marks: map[time.Time]string{}, objects: map[string][]byte{},
		hours: map[time.Time]hourItem{}, keys: newSigner(t, seed),
	}
}

// signer signs with a key in memory.
type signer struct{ *checkpoint.Signer }

func newSigner(t testing.TB, seed uint64) *signer {
	t.Helper()
	key := sha256.Sum256(fmt.Appendf(nil, "key %d", seed))
	secret, public, err := checkpoint.Generate(bytes.NewReader(slices.Concat(key[:], key[:])), "usher.example.com/audit")
	if err != nil {
		t.Fatal(err)
	}
	s, err := checkpoint.NewSigner(secret, public)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{s}
}

// process is one sealer's connection to the world.
type process struct {
	*world
	turn func() // blocks until this process may make its next call
	dies int    // number of the call that it does not survive; 0: none
	late bool   // it dies after the effect of that call
	n    int
	key  *signer
}

// step makes one call.
func (p *process) step(call func() error) error {
	if p.turn != nil {
		p.turn()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	p.calls++
	if p.dies > 0 && p.n >= p.dies {
		if p.late && p.n == p.dies {
			_ = call()
		}
		return errDied
	}
	return call()
}

func (p *process) Oldest(context.Context) (oldest time.Time, err error) {
	err = p.step(func() error {
		for id := range p.batches {
			if at := timeOf(id); oldest.IsZero() || at.Before(oldest) {
				oldest = at
			}
		}
		return nil
	})
	return oldest, err
}

func (p *process) Batches(_ context.Context, from, to time.Time, use func(sealer.Batch) bool) error {
	var some []sealer.Batch
	err := p.step(func() error {
		for _, id := range slices.Sorted(maps.Keys(p.batches)) {
			if at := timeOf(id); !at.Before(from) && at.Before(to) {
				some = append(some, p.batches[id])
			}
		}
		return nil
	})
	for _, b := range some {
		if err != nil || !use(b) {
			break
		}
	}
	return err
}

func (p *process) Get(_ context.Context, ids []string) (all []sealer.Batch, err error) {
	err = p.step(func() error {
		for _, i := range p.random.Perm(len(ids)) { // in any order
			if b, ok := p.batches[ids[i]]; ok {
				all = append(all, b)
			}
		}
		return nil
	})
	return all, err
}

func (p *process) Marks(context.Context) (all []sealer.Mark, err error) {
	err = p.step(func() error {
		for hour, value := range p.marks {
			all = append(all, sealer.Mark{Hour: hour, Value: value})
		}
		return nil
	})
	return all, err
}

type objects struct{ *process }

func (o objects) Get(_ context.Context, name string) (data []byte, err error) {
	err = o.step(func() error {
		var ok bool
		if data, ok = o.objects[name]; !ok {
			return tiles.ErrMissing
		}
		return nil
	})
	return data, err
}

func tagOf(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

func (o objects) Tagged(ctx context.Context, name string) ([]byte, string, error) {
	data, err := o.Get(ctx, name)
	if err != nil {
		return nil, "", err
	}
	return data, tagOf(data), nil
}

func (o objects) Create(_ context.Context, name string, data []byte) error {
	return o.step(func() error {
		if _, ok := o.objects[name]; ok && !o.overwrite {
			return sealer.ErrExists
		}
		o.put(name, data)
		return nil
	})
}

func (o objects) Replace(_ context.Context, name string, data []byte, tag string) error {
	return o.step(func() error {
		old, ok := o.objects[name]
		if !o.overwrite && (ok != (tag != "") || ok && tagOf(old) != tag) {
			return sealer.ErrExists
		}
		o.put(name, data)
		return nil
	})
}

// put stores an object. A checkpoint counts as shown from this instant.
func (w *world) put(name string, data []byte) {
	w.objects[name] = slices.Clone(data)
	if name == tiles.Checkpoint || strings.HasPrefix(name, tiles.Checkpoints) {
		head, err := w.keys.Open(data)
		if err != nil {
			w.t.Errorf("a checkpoint without a valid signature is stored: %v", err)
		}
		w.shown = append(w.shown, head)
	}
}

type states struct{ *process }

func (s states) Load(context.Context) (state sealer.State, err error) {
	err = s.step(func() error { state = s.state; return nil })
	return state, err
}

func (s states) Save(_ context.Context, state sealer.State) error {
	return s.step(func() error {
		if s.state.Version != state.Version-1 && !s.unlocked {
			return sealer.ErrLost
		}
		s.state = state
		return nil
	})
}

func (s states) SaveHour(_ context.Context, version int64, h sealer.Hour) error {
	return s.step(func() error {
		if known, ok := s.hours[h.Start]; !ok || known.version < version {
			s.hours[h.Start] = hourItem{version, h}
		}
		return nil
	})
}

func (s states) LoadHour(_ context.Context, start time.Time) (h sealer.Hour, err error) {
	err = s.step(func() error { h = s.hours[start].hour; return nil })
	return h, err
}

// remoteSigner makes a call to sign.
type remoteSigner struct{ *process }

func (r remoteSigner) Sign(_ context.Context, head tree.Head) (note []byte, err error) {
	err = r.step(func() error { note, err = r.key.Signer.Sign(head); return err })
	return note, err
}
func (r remoteSigner) Open(note []byte) (tree.Head, error) { return r.key.Open(note) }
func (r remoteSigner) Key() string                         { return r.key.Key() }

// sealer starts a process.
func (w *world) sealer(p *process) *sealer.Sealer {
	w.t.Helper()
	p.world = w
	if p.key == nil {
		p.key = w.keys
	}
	s, err := sealer.New(sealer.Config{Log: p, Objects: objects{p}, States: states{p}, Signer: remoteSigner{p}, Now: func() time.Time { return w.now }})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func timeOf(id string) time.Time {
	u, err := ulid.ParseStrict(id)
	if err != nil {
		return time.Time{}
	}
	return ulid.Time(u.Time()).UTC()
}

// newID returns an id of an instant.
func (w *world) newID(at time.Time) string {
	var u ulid.ULID
	_ = u.SetTime(uint64(at.UnixMilli()))
	for i := 6; i < len(u); i++ {
		u[i] = byte(w.random.Uint32())
	}
	return u.String()
}

func (w *world) event(at time.Time) sealer.Event {
	at = at.Truncate(time.Millisecond)
	id := w.newID(at)
	line := event.Canonical(event.Event{ID: id, Time: at, Action: event.Download, Outcome: event.Allowed, Bucket: "builds", Key: fmt.Sprint(w.random.Uint32())})
	return sealer.Event{ID: id, Line: line}
}

// record adds a batch of n events, as a request does. A writer marks an hour after
// it has added a batch late.
func (w *world) record(at time.Time, n int) {
	var events []sealer.Event
	for range n {
		events = append(events, w.event(at))
	}
	w.add(events)
}

func (w *world) add(events []sealer.Event) {
	slices.SortFunc(events, func(a, b sealer.Event) int { return strings.Compare(a.ID, b.ID) })
	id := events[0].ID
	w.batches[id] = sealer.Batch{ID: id, Events: events}
	if at := timeOf(id); w.now.Sub(at) > 30*time.Second && !w.unmarked {
		w.marks[at.Truncate(time.Hour)] = fmt.Sprint(len(w.batches))
	}
}

// events returns the distinct events of the log by id.
func (w *world) events() map[string][]byte {
	all := map[string][]byte{}
	for _, b := range w.batches {
		if b.Damage == nil {
			for _, e := range b.Events {
				all[e.ID] = e.Line
			}
		}
	}
	return all
}

// drain seals until nothing is left.
func (w *world) drain() error {
	s := w.sealer(&process{})
	for range 1000 {
		r, err := s.Step(w.t.Context())
		if err != nil {
			return err
		}
		if !r.More {
			return nil
		}
	}
	return errors.New("the sealer never ends")
}

// plain reads objects without a process.
type plain struct{ w *world }

func (p plain) Get(_ context.Context, name string) ([]byte, error) {
	data, ok := p.w.objects[name]
	if !ok {
		return nil, tiles.ErrMissing
	}
	return data, nil
}

func (w *world) verify(known []tree.Head) (sealer.Report, error) {
	p := &process{world: w}
	return sealer.Verify(w.t.Context(), sealer.VerifyConfig{
		Log: p, Objects: plain{w}, Key: &w.keys.Verifier, Now: func() time.Time { return w.now }, Known: known,
		Expired: func(time.Time) bool { return false },
	})
}

// check returns the first broken promise: each event is sealed exactly once, each
// checkpoint ever shown is a prefix of the tree, and a verification finds the log
// whole.
func (w *world) check() error {
	note, ok := w.objects[tiles.Checkpoint]
	if !ok {
		if len(w.batches) > 0 {
			return errors.New("nothing is sealed")
		}
		return nil
	}
	head, err := w.keys.Open(note)
	if err != nil {
		return err
	}
	sealed := map[string]int{}
	var f tree.Frontier
	roots := map[int64]tree.Hash{0: f.Root()}
	for line, err := range tiles.Events(w.t.Context(), plain{w}, head.Size, 0, head.Size) {
		if err != nil {
			return err
		}
		sealed[string(line)]++
		f.Append(tree.Leaf(line), func(int, int64, tree.Hash) {})
		roots[f.Size()] = f.Root()
	}
	if f.Head() != head {
		return errors.New("the objects have another root than the checkpoint")
	}
	for _, s := range w.shown {
		if roots[s.Size] != s.Root {
			return fmt.Errorf("a checkpoint of %d events was shown, and the log of %d events does not contain it", s.Size, head.Size)
		}
	}
	for id, line := range w.events() {
		if n := sealed[string(line)]; n != 1 {
			return fmt.Errorf("event %s is sealed %d times", id, n)
		}
	}
	if len(sealed) != len(w.events()) {
		return fmt.Errorf("%d events are sealed, and the log has %d", len(sealed), len(w.events()))
	}
	r, err := w.verify(w.shown)
	if err != nil {
		return err
	}
	if r.FaultCount != 0 || r.Unsealed != 0 || r.Whole != head.Size {
		return fmt.Errorf("the verification finds %d faults (%v), %d unsealed, whole to %d of %d", r.FaultCount, r.Faults, r.Unsealed, r.Whole, head.Size)
	}
	return nil
}
