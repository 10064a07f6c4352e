// Package alert finds events that come too often: it reads the log in the order of
// recording, counts the events that match a query, for each value of a field, and
// records the event alert when a count reaches its threshold within a window.
//
// Sinks deliver an alert like any other event. An alert has an id that depends on its
// rule and its last event alone, so a repeated reading after a crash adds no second one.
// The memory is bounded: values that do not fit are counted together.
//
// The rules come from the configuration; the records and the place in the log come from
// callers.
package alert

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"usher/backend/event"
)

// Bounds of a rule.
const (
	MaxRules     = 20
	MaxThreshold = 1_000_000
	MaxWindow    = 7 * 24 * time.Hour

	// maxKeys is the number of values of a field that a rule counts at once.
	maxKeys = 10_000
	// slots is the number of parts of a window: a count is exact to one of them.
	slots = 60
)

// Rule is an alert: Threshold events that match Filter within Window, of one value of
// By.
type Rule struct {
	Name      string
	Query     string // text of Filter
	Filter    event.Filter
	By        event.By // "": all events together
	Window    time.Duration
	Threshold int
}

// Log records alerts.
type Log interface {
	Record(ctx context.Context, events ...event.Event) error
}

// Position keeps the number of records that were read.
type Position interface {
	Load(ctx context.Context) (int64, error)
	Store(ctx context.Context, n int64) error
}

// Records is the log, in the order of recording.
type Records interface {
	Between(ctx context.Context, from, to int64) iter.Seq2[event.Record, error]
}

// Config holds the parts of a Watch. All are required but Report.
type Config struct {
	Rules    []Rule
	Records  Records
	Position Position
	// Size returns the number of records in the log. A first start begins behind them.
	Size   func(ctx context.Context) (int64, error)
	Log    Log
	Now    func() time.Time
	Report *slog.Logger
}

// Watch evaluates rules.
type Watch struct {
	c      Config
	counts []*counts // of each rule; nil before the first step
	at     int64
	known  map[string]bool // alerts behind the place
}

// New refuses a missing part.
func New(c Config) (*Watch, error) {
	if len(c.Rules) == 0 || c.Records == nil || c.Position == nil || c.Size == nil || c.Log == nil || c.Now == nil {
		return nil, errors.New("alert: rules, records, position, size, log and clock are needed")
	}
	if c.Report == nil {
		c.Report = slog.New(slog.DiscardHandler)
	}
	return &Watch{c: c}, nil
}

// Times of Run.
const (
	pause    = time.Second
	maxBatch = 5000
)

// Run evaluates the rules until the context ends. A failure is tried again.
func (w *Watch) Run(ctx context.Context) {
	failed := false
	for ctx.Err() == nil {
		n, err := w.Step(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			w.c.Report.Warn("alerts are late; releases are not affected", "cause", err.Error())
		}
		if failed = err != nil; n == maxBatch && err == nil {
			continue
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

// Step reads the next records, and returns their number. The place is stored after the
// alerts are durable.
func (w *Watch) Step(ctx context.Context) (n int, err error) {
	if w.counts == nil {
		if err := w.resume(ctx); err != nil {
			w.counts = nil
			return 0, err
		}
	}
	at := w.at
	for r, err := range w.c.Records.Between(ctx, at, at+maxBatch) {
		if err != nil {
			return n, w.again(fmt.Errorf("reading the log for alerts: %w", err))
		}
		for _, e := range w.take(r.Event) {
			if err := w.record(ctx, e); err != nil {
				return n, w.again(err)
			}
		}
		n, at = n+1, r.Index+1
	}
	if at == w.at {
		return 0, nil
	}
	if err := w.c.Position.Store(ctx, at); err != nil {
		return n, w.again(fmt.Errorf("storing the place of alerts: %w", err))
	}
	w.at = at
	return n, nil
}

// again drops the counts: the next step reads the window before the stored place.
func (w *Watch) again(err error) error {
	w.counts = nil
	return err
}

// resume reads the records of the longest window before the stored place. Their alerts
// are in the log.
func (w *Watch) resume(ctx context.Context) (err error) {
	if w.at, err = w.c.Position.Load(ctx); err != nil {
		return fmt.Errorf("reading the place of alerts: %w", err)
	}
	if w.at == 0 {
		if w.at, err = w.c.Size(ctx); err != nil {
			return fmt.Errorf("reading the size of the log: %w", err)
		}
		if err := w.c.Position.Store(ctx, w.at); err != nil {
			return fmt.Errorf("storing the place of alerts: %w", err)
		}
	}
	w.counts = make([]*counts, len(w.c.Rules))
	var longest time.Duration
	for i, r := range w.c.Rules {
		w.counts[i] = newCounts(r)
		w.counts[i].replay = true
		longest = max(longest, r.Window)
	}
	if err := w.recount(ctx, longest); err != nil {
		return fmt.Errorf("reading the log for alerts: %w", err)
	}
	for _, c := range w.counts {
		c.replay = false
	}
	return nil
}

// recount counts the events of the window before the place, and finds the alerts behind
// it: a crash came between their record and the next place.
func (w *Watch) recount(ctx context.Context, window time.Duration) error {
	last := w.c.Now()
	for r, err := range w.c.Records.Between(ctx, max(0, w.at-1), w.at) {
		if err != nil {
			return err
		}
		last = r.Event.Time
	}
	from, err := event.FirstAt(ctx, w.c.Records.Between, last.Add(-2*window), w.at)
	if err != nil {
		return err
	}
	for r, err := range w.c.Records.Between(ctx, from, w.at) {
		if err != nil {
			return err
		}
		w.take(r.Event)
		for i, rule := range w.c.Rules {
			w.counts[i].quiet(rule.silenced(r.Event))
		}
	}
	w.known = map[string]bool{}
	for r, err := range w.c.Records.Between(ctx, w.at, math.MaxInt64) {
		if err != nil {
			return err
		}
		if r.Event.Action == event.Alert {
			w.known[identity(r.Event)] = true
		}
	}
	return nil
}

// identity returns the rule, the value, the count and the last event's time of an alert.
func identity(e event.Event) string {
	if e.Until == nil {
		return e.Reason
	}
	return e.Reason + " " + e.Until.Format(time.RFC3339Nano)
}

// silenced returns the value of an alert of the rule, and the end of its silence. ok is
// false for other events.
func (r Rule) silenced(e event.Event) (key string, until time.Time, ok bool) {
	rest, ours := strings.CutPrefix(e.Reason, r.Name+": ")
	if e.Action != event.Alert || !ours || e.Until == nil {
		return "", time.Time{}, false
	}
	if r.By != "" {
		rest, ours = strings.CutPrefix(rest, string(r.By)+" ")
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil || !ours {
			return "", time.Time{}, false
		}
		if key, err = strconv.Unquote(quoted); err != nil {
			return "", time.Time{}, false
		}
	}
	return key, e.Until.Add(r.Window), true
}

// take counts an event, and returns the alerts that it completes.
func (w *Watch) take(e event.Event) (alerts []event.Event) {
	if e.Action == event.Alert { // an alert about alerts would not end
		return nil
	}
	for i, r := range w.c.Rules {
		if !r.Filter.Match(e) {
			continue
		}
		key := ""
		if r.By != "" {
			key = r.By.Key(e)
		}
		if n, first := w.counts[i].add(key, e.Time, weight(e)); n > 0 {
			alerts = append(alerts, r.alert(key, n, first, e))
		}
	}
	return alerts
}

// weight returns the number of events that one event represents.
func weight(e event.Event) int {
	if e.Action == event.Suppressed || e.Action == event.TokenRefused {
		return max(1, e.Count)
	}
	return 1
}

// alert returns the event of an alert.
func (r Rule) alert(key string, n int, first time.Time, last event.Event) event.Event {
	reason := fmt.Sprintf("%s: %d events in %s", r.Name, n, r.Window)
	if r.By != "" {
		reason = fmt.Sprintf("%s: %s %q: %d events in %s", r.Name, r.By, key, n, r.Window)
	}
	until := last.Time
	e := event.Event{Action: event.Alert, Outcome: event.Allowed, Time: last.Time, Query: r.Query, Reason: reason, Count: n, From: &first, Until: &until}
	if r.By == event.PerWho {
		e.User = last.User
	}
	sum := sha256.Sum256([]byte(r.Name + "\x00" + key + "\x00" + last.ID))
	var id ulid.ULID
	_ = id.SetTime(ulid.Timestamp(e.Time)) // fails after the year 10889
	_ = id.SetEntropy(sum[:10])            // fails for another length
	e.ID = id.String()
	return event.Clean(e)
}

// delay is the age of an event from which on its alert has the present time: the time of
// a record is close to that of its event.
const delay = 5 * time.Minute

// record records an alert, once.
func (w *Watch) record(ctx context.Context, e event.Event) error {
	if w.known[identity(e)] {
		return nil
	}
	if w.c.Now().Sub(e.Time) > delay {
		e.ID, e.Time = "", time.Time{}
	}
	if err := w.c.Log.Record(ctx, e); err != nil {
		return fmt.Errorf("recording an alert: %w", err)
	}
	w.c.Report.Warn("alert", "rule", e.Reason)
	return nil
}

// counts are the counts of one rule.
type counts struct {
	rule  Rule
	width time.Duration // of a slot
	keys  map[string]*count
	// replay is set while events before the place are counted: the alerts of the log
	// begin silences, and the counts begin none.
	replay bool
	queue  []string // keys in the order of their first event; some may be gone
}

// count is the count of one key.
type count struct {
	slots [slots]int
	first [slots]time.Time // first event of a slot
	last  int64            // number of the newest slot since 1970
	quiet time.Time        // no further alert before this time
}

// current reports whether a count has an event in the window that ends with a slot.
func (k *count) current(slot int64) bool { return k.last > slot-slots }

func newCounts(r Rule) *counts {
	return &counts{rule: r, width: max(r.Window/slots, time.Millisecond), keys: map[string]*count{}}
}

// add counts n events of a key. It returns the count and the time of the first event if
// the count reaches the threshold, and 0 otherwise: for the rest of a window after that,
// too.
func (c *counts) add(key string, at time.Time, n int) (int, time.Time) {
	slot := at.UnixMilli() / c.width.Milliseconds()
	k := c.of(key, slot)
	switch {
	case slot > k.last+slots: // nothing is left
		*k = count{last: slot, quiet: k.quiet}
	case slot > k.last:
		for s := k.last + 1; s <= slot; s++ {
			k.slots[s%slots], k.first[s%slots] = 0, time.Time{}
		}
		k.last = slot
	case slot <= k.last-slots: // recorded late, and outside of the window
		return 0, time.Time{}
	}
	place := slot % slots
	if k.slots[place] += n; k.first[place].IsZero() || at.Before(k.first[place]) {
		k.first[place] = at
	}
	total, first := 0, at
	for i, some := range k.slots {
		if total += some; some > 0 && k.first[i].Before(first) {
			first = k.first[i]
		}
	}
	if total < c.rule.Threshold || at.Before(k.quiet) {
		return 0, time.Time{}
	}
	if !c.replay {
		k.quiet = at.Add(c.rule.Window)
	}
	return total, first
}

// quiet sets the end of the silence of a key, which an alert of the log began.
func (c *counts) quiet(key string, until time.Time, ok bool) {
	if !ok {
		return
	}
	if k := c.keys[key]; k != nil && until.After(k.quiet) {
		k.quiet = until
	}
}

// others is the key of all values that do not fit: together they reach the threshold
// sooner than one of them would.
const others = "(others)"

// tested is the number of old keys that a new key tests for its place.
const tested = 8

// of returns the count of a key. A new key takes the place of one without events in its
// window.
func (c *counts) of(key string, slot int64) *count {
	if k := c.keys[key]; k != nil {
		return k
	}
	for range tested {
		if len(c.keys) < maxKeys {
			break
		}
		oldest := c.queue[0]
		c.queue = c.queue[1:]
		if c.keys[oldest].current(slot) || oldest == others {
			c.queue = append(c.queue, oldest)
			continue
		}
		delete(c.keys, oldest)
	}
	if len(c.keys) >= maxKeys {
		if k := c.keys[others]; k != nil {
			return k
		}
		key = others // one more than maxKeys
	}
	k := &count{last: slot}
	c.keys[key], c.queue = k, append(c.queue, key)
	return k
}
