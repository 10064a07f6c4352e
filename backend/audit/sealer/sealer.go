// Package sealer makes a log that many servers write into a tree with signed
// checkpoints, without a process of its own: one pure step over the log, an object
// storage and a state item. Any number of sealers may take steps at once, and each
// may end between any two calls.
//
// A step has two conditional writes of the state item, which are its lock. The
// first one stores a plan: the batches that come next, and the size and root of
// the tree with them. From then on every sealer carries out this plan and no
// other, so all of them write the same objects. The objects are written once
// (If-None-Match: *), then the checkpoint is signed and stored. The second
// conditional write ends the plan.
//
// Batches are planned in the order of their ids, once they have the age Config.Settle.
// A batch that appears later than that is a stray. Each hour is swept for strays when it
// is closed, again after a day, and when a writer marks it. Strays come at the end
// of the tree, out of the order of ids.
//
// Storage, keys and the schedule are left to the caller.
package sealer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"usher/backend/audit/tiles"
	"usher/backend/audit/tree"
)

// Errors of a step.
var (
	// ErrLost: another sealer changed the state first. The next step continues
	// from its state.
	ErrLost = errors.New("another sealer was first")
	// ErrExists: an object with this name exists, or another one than expected.
	ErrExists = errors.New("the object exists")
	// ErrTampered: a planned batch or an object differs from that of the sealer.
	ErrTampered = errors.New("the log or its sealed objects were changed by another hand")
)

// Event is an event of a batch.
type Event struct {
	ID   string
	Line []byte // canonical bytes, without a line break
}

// Batch is an item of the log: events of one millisecond.
type Batch struct {
	ID     string // of the first event
	Events []Event
	Damage error // set for an item that has no readable events
}

// Mark is the note of a writer that it added a batch to an hour late.
type Mark struct {
	Hour  time.Time
	Value string // differs between two marks of an hour
}

// Log is the log as a sealer reads it. All reads are consistent.
type Log interface {
	// Oldest returns the time of the oldest batch, or the zero time.
	Oldest(ctx context.Context) (time.Time, error)
	// Batches calls use for each batch with an id of from or later and before to,
	// in the order of ids, until use returns false.
	Batches(ctx context.Context, from, to time.Time, use func(Batch) bool) error
	// Get returns the batches with these ids, in any order. Batches that are gone
	// are left out.
	Get(ctx context.Context, ids []string) ([]Batch, error)
	// Marks returns the marks of the last days.
	Marks(ctx context.Context) ([]Mark, error)
}

// Objects is the object storage as a sealer needs it.
type Objects interface {
	tiles.Objects
	// Create writes an object unless there is one with this name (ErrExists).
	Create(ctx context.Context, name string, data []byte) error
	// Tagged returns an object with the tag of its content (its ETag).
	Tagged(ctx context.Context, name string) (data []byte, tag string, err error)
	// Replace writes an object if its tag is still the given one (otherwise
	// ErrExists). The tag "" is that of an absent object.
	Replace(ctx context.Context, name string, data []byte, tag string) error
}

// States keeps the state item.
type States interface {
	// Load returns the state, or the zero State.
	Load(ctx context.Context) (State, error)
	// Save replaces the state that has the version s.Version-1. It returns ErrLost
	// if the stored state has another version.
	Save(ctx context.Context, s State) error
	// SaveHour keeps the ranges of an hour that left the state, unless ranges of a
	// later version are kept.
	SaveHour(ctx context.Context, version int64, h Hour) error
	// LoadHour returns the ranges of an hour, or the zero Hour.
	LoadHour(ctx context.Context, start time.Time) (Hour, error)
}

// Signer signs the checkpoints of the log.
type Signer interface {
	Sign(ctx context.Context, head tree.Head) ([]byte, error)
	Open(note []byte) (tree.Head, error)
	Key() string // public key
}

// Config has the parts of a Sealer. All but Settle are required.
type Config struct {
	Log     Log
	Objects Objects
	States  States
	Signer  Signer
	Now     func() time.Time
	// Settle is the age from which batches are planned; 0: a minute. A log whose
	// only writer is this process can take less.
	Settle time.Duration
}

// Bounds of one step, which also bound its memory.
const (
	maxBatches = 1000
	maxBytes   = 8 << 20
)

const (
	// settle is the age from which no batch appears before another one without a
	// mark: the age up to which writers add batches without one, the longest write,
	// and twice the difference of two clocks.
	settle = time.Minute
	// closed is the time after an hour at which it is swept.
	closed = 5 * time.Minute
	// final is the time after an hour at which it is swept again.
	final = 25 * time.Hour
	// marked is the time for which a mark is remembered, longer than Marks returns it.
	marked = 4 * 24 * time.Hour
)

// Sealer takes steps. It is not safe for concurrent use; several Sealers of one log
// are.
type Sealer struct {
	c       Config
	keyed   bool              // the object with the public key was checked
	planned map[string]growth // this sealer's own plan, by its root
}

// New refuses a missing part.
func New(c Config) (*Sealer, error) {
	if c.Log == nil || c.Objects == nil || c.States == nil || c.Signer == nil || c.Now == nil {
		return nil, errors.New("sealer: log, objects, states, signer and clock are needed")
	}
	if c.Settle == 0 {
		c.Settle = settle
	}
	return &Sealer{c: c, planned: map[string]growth{}}, nil
}

// Result is the result of a step.
type Result struct {
	Head   tree.Head // after the step
	Sealed int64     // events
	Strays int64     // those of them that came late
	More   bool      // another step has work
	// Damaged are batches that have no readable events. They are not sealed.
	Damaged []Batch
}

// Step seals the next batches. The result is valid with an error too. A step that
// fails is repeated. ErrLost is no failure: another sealer did the work.
func (s *Sealer) Step(ctx context.Context) (Result, error) {
	state, err := s.c.States.Load(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("reading the state of the sealer: %w", err)
	}
	r := Result{Head: state.Head()}
	if err := s.checkKey(ctx); err != nil {
		return r, err
	}
	if state.Plan != nil {
		return r, s.finish(ctx, state, &r)
	}
	next, err := s.plan(ctx, state, &r)
	if err != nil || next == nil {
		return r, err
	}
	if err := s.c.States.Save(ctx, *next); err != nil {
		return r, fmt.Errorf("storing a plan of the sealer: %w", err)
	}
	if next.Plan == nil {
		return r, nil
	}
	return r, s.finish(ctx, *next, &r)
}

// checkKey stores the public key beside the log, once in its life, and refuses
// another one: a log has one key.
func (s *Sealer) checkKey(ctx context.Context) error {
	if s.keyed {
		return nil
	}
	err := s.c.Objects.Create(ctx, tiles.Key, []byte(s.c.Signer.Key()+"\n"))
	if errors.Is(err, ErrExists) {
		var known []byte
		if known, err = s.c.Objects.Get(ctx, tiles.Key); err == nil && string(known) != s.c.Signer.Key()+"\n" {
			return fmt.Errorf("the log is signed by another key, %.100q: %w", known, ErrTampered)
		}
	}
	if err != nil {
		return fmt.Errorf("storing the public key of the log: %w", err)
	}
	s.keyed = true
	return nil
}
