package budget

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"usher/backend/event"
)

// maxAddresses bounds the counted addresses. The tokens of further addresses share
// one count.
const maxAddresses = 1000

// TokenRefusals counts requests with refused tokens, by address. Each count becomes
// an event after the period: a flood of them costs one event an hour.
type TokenRefusals struct {
	now    func() time.Time
	period time.Duration

	mu   sync.Mutex
	rows map[string]*tokens // by address; "" is the row of all further addresses
}

type tokens struct {
	from, until time.Time
	reasons     map[string]int
}

// NewTokenRefusals returns an empty count. now is the server's clock, and period the
// time after which a count becomes an event.
func NewTokenRefusals(now func() time.Time, period time.Duration) *TokenRefusals {
	return &TokenRefusals{now: now, period: period, rows: map[string]*tokens{}}
}

// Refused counts a request of an address. reason is one of few constants.
func (t *TokenRefusals) Refused(address, reason string) {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(address, now, now, map[string]int{reason: 1})
}

func (t *TokenRefusals) add(address string, from, until time.Time, reasons map[string]int) {
	row := t.rows[address]
	if row == nil && len(t.rows) >= maxAddresses {
		address, row = "", t.rows[""]
	}
	if row == nil {
		row = &tokens{from: from, reasons: map[string]int{}}
		t.rows[address] = row
	}
	if from.Before(row.from) {
		row.from = from
	}
	if until.After(row.until) {
		row.until = until
	}
	for reason, n := range reasons {
		row.reasons[reason] += n
	}
}

// Counted are the refusals of one address in a period.
type Counted struct {
	Address string
	row     *tokens
}

// Drain returns the counts whose period is over, or all.
func (t *TokenRefusals) Drain(all bool) []Counted {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	var due []Counted
	for _, address := range slices.Sorted(maps.Keys(t.rows)) {
		if row := t.rows[address]; all || now.Sub(row.from) >= t.period || now.Before(row.from) {
			due = append(due, Counted{address, row})
			delete(t.rows, address)
		}
	}
	return due
}

// Restore adds back counts that could not be recorded.
func (t *TokenRefusals) Restore(all []Counted) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range all {
		t.add(c.Address, c.row.from, c.row.until, c.row.reasons)
	}
}

// Event returns the event of a count, without id and time.
func (c Counted) Event() event.Event {
	var parts []string
	n := 0
	for _, reason := range slices.Sorted(maps.Keys(c.row.reasons)) {
		n += c.row.reasons[reason]
		parts = append(parts, fmt.Sprintf("%d %s", c.row.reasons[reason], reason))
	}
	from, until := c.row.from, c.row.until
	e := event.Event{Action: event.TokenRefused, Outcome: event.Denied, SourceIP: c.Address, Count: n, From: &from, Until: &until, Reason: strings.Join(parts, ", ")}
	if c.Address == "" {
		e.Reason += ", of further addresses"
	}
	return e
}
