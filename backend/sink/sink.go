// Package sink forwards the audit log to a SIEM: to a file, over HTTPS, or as
// syslog over TLS; as usher's JSON or as OCSF.
//
// A Feeder reads the log in the order of recording, and keeps its position. It
// delivers each event at least once and in order, as far as its Transport knows the
// delivery; an event that arrives twice has the same id. It never delays a release:
// the log does not know the feeders.
//
// The decision about the content of the log is left to package audit, and the
// translation to OCSF to package ocsf.
package sink

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"usher/backend/elapsed"
	"usher/backend/event"
)

// Record is an event of the log.
type Record = event.Record

// Records is the log, in the order of recording.
type Records interface {
	// After yields the records after the first n. It ends at the end of the log.
	After(ctx context.Context, n int64) iter.Seq2[Record, error]
}

// Position keeps the number of delivered records of one feeder.
type Position interface {
	Load(ctx context.Context) (int64, error)
	Store(ctx context.Context, n int64) error
}

// Transport delivers messages, in order. It returns nil only when the receiver has
// all of them. After an error any number of them may have arrived.
type Transport interface {
	Send(ctx context.Context, messages []Message) error
	// Check reaches the receiver as Send does, and sends no event.
	Check(ctx context.Context) error
	Close() error
}

// Message is an encoded event without a line break.
type Message struct {
	Event event.Event
	Text  []byte
}

// ErrTooLarge is the error of a Transport whose receiver refuses the size of the
// messages. The Feeder sends fewer of them.
var ErrTooLarge = errors.New("the receiver refuses the size of the messages")

// Bounds of a Feeder.
const (
	maxBatch      = 500 // messages
	maxBatchBytes = 1 << 20
	sendTimeout   = 30 * time.Second
	pollPause     = time.Second
	firstPause    = time.Second
	maxPause      = time.Minute

	// LateAfter is the age of the oldest undelivered event that raises an alarm.
	LateAfter = 5 * time.Minute
)

// FeederConfig holds a Feeder's parts. All are required but Log.
type FeederConfig struct {
	Name      string
	Records   Records
	Position  Position
	Transport Transport
	Encode    func(Record) ([]byte, error)
	Now       func() time.Time
	// Alarm records that the sink is late. It is called once, until the sink has
	// caught up.
	Alarm func(ctx context.Context, since time.Time, cause error)
	Log   *slog.Logger
}

// Status is the state of a Feeder at an instant.
type Status struct {
	Name      string
	Delivered int64         // records
	Oldest    time.Time     // of the undelivered events; zero: none
	Lag       time.Duration // age of the oldest undelivered event; 0 if there is none
	Stuck     error         // cause of the last failure, until a delivery succeeds; nil: idle or working
	LastSent  time.Time     // zero: never
}

// Late reports whether the sink has an undelivered event older than LateAfter.
func (s Status) Late() bool { return s.Lag > LateAfter }

// Feeder delivers the records of a log to one sink.
type Feeder struct {
	c FeederConfig

	mu     sync.Mutex
	status Status
	oldest time.Time // of the undelivered events; zero: none
	alarm  bool      // raised
}

// NewFeeder returns a Feeder. It refuses a missing part.
func NewFeeder(c FeederConfig) (*Feeder, error) {
	if c.Name == "" || c.Records == nil || c.Position == nil || c.Transport == nil || c.Encode == nil || c.Now == nil || c.Alarm == nil {
		return nil, errors.New("sink: name, records, position, transport, encoding, clock and alarm are needed")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Feeder{c: c, status: Status{Name: c.Name}}, nil
}

// Status returns the current state.
func (f *Feeder) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.status
	if s.Oldest = f.oldest; !f.oldest.IsZero() {
		s.Lag = max(0, elapsed.Since(f.c.Now(), f.oldest))
	}
	return s
}

// Run delivers until the context ends. It closes the transport.
func (f *Feeder) Run(ctx context.Context) {
	defer func() { _ = f.c.Transport.Close() }()
	pause, size, behind := firstPause, maxBatch, false
	for ctx.Err() == nil {
		sent, err := f.Step(ctx, size)
		switch {
		case err == nil && sent > 0:
			if behind { // the events of this batch waited although another batch was delivered
				f.late(ctx)
			}
			pause, size, behind = firstPause, maxBatch, true
			continue
		case err == nil:
			behind = false
			wait(ctx, pollPause)
			continue
		case errors.Is(err, ErrTooLarge) && size > 1:
			size /= 2
			continue
		}
		f.late(ctx)
		wait(ctx, pause)
		pause = min(2*pause, maxPause)
	}
}

// wait returns after the pause or at the end of the context.
func wait(ctx context.Context, pause time.Duration) {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Step delivers one batch of at most size records, and returns its length. The
// position is stored after the delivery, so a crash between both repeats the
// batch.
func (f *Feeder) Step(ctx context.Context, size int) (int, error) {
	from, err := f.c.Position.Load(ctx)
	if err != nil {
		return 0, f.failed(fmt.Errorf("reading the position: %w", err))
	}
	batch, next, err := f.batch(ctx, from, size)
	if err != nil {
		return 0, f.failed(err)
	}
	f.mu.Lock()
	f.status.Delivered = from
	f.oldest = time.Time{}
	if len(batch) > 0 {
		f.oldest = batch[0].Event.Time
	}
	f.mu.Unlock()
	if len(batch) == 0 {
		f.delivered(from, false)
		return 0, nil
	}
	sending, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if err := f.c.Transport.Send(sending, batch); err != nil {
		return 0, f.failed(fmt.Errorf("sending: %w", err))
	}
	if err := f.c.Position.Store(ctx, next); err != nil {
		return 0, f.failed(fmt.Errorf("storing the position: %w", err))
	}
	f.delivered(next, true)
	return len(batch), nil
}

// batch returns messages and the position after them. Records that retention
// removed are skipped.
func (f *Feeder) batch(ctx context.Context, from int64, size int) (batch []Message, next int64, err error) {
	next = from
	bytes := 0
	for r, err := range f.c.Records.After(ctx, from) {
		if err != nil {
			return nil, from, fmt.Errorf("reading the log: %w", err)
		}
		if r.Index < next {
			return nil, from, fmt.Errorf("the log has record %d after record %d", r.Index, next-1)
		}
		text, err := f.c.Encode(r)
		if err != nil {
			return nil, from, fmt.Errorf("encoding event %s: %w", r.Event.ID, err)
		}
		batch, bytes, next = append(batch, Message{r.Event, text}), bytes+len(text), r.Index+1
		if len(batch) >= size || bytes >= maxBatchBytes {
			break
		}
	}
	return batch, next, nil
}

// delivered notes a success.
func (f *Feeder) delivered(n int64, sent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.status.Stuck != nil {
		f.c.Log.Info("the sink works again", "sink", f.c.Name)
	}
	f.status.Stuck, f.status.Delivered = nil, n
	if sent {
		f.status.LastSent = f.c.Now()
	} else {
		f.alarm = false // caught up
	}
}

// failed notes a failure, and logs the first of a row.
func (f *Feeder) failed(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.status.Stuck == nil {
		f.c.Log.Warn("the sink is stuck; releases are not affected", "sink", f.c.Name, "cause", err.Error())
	}
	f.status.Stuck = err
	return err
}

// late raises the alarm if it is due.
func (f *Feeder) late(ctx context.Context) {
	s := f.Status()
	f.mu.Lock()
	due := s.Late() && !f.alarm
	f.alarm = f.alarm || due
	since := f.oldest
	f.mu.Unlock()
	if due {
		f.c.Alarm(ctx, since, s.Stuck)
	}
}
