// Package redecide decides every recorded decision again, from the events and the
// kept versions of the grants. It is pure: the caller reads the log in order, and
// provides the grants by version.
//
// An event has the version of the grants that decided and the hash of the person's
// groups. The names of the groups are in an event of a session's start or of a
// changed membership before it. An event that the log of a server has and that this
// package decides differently was not decided by these grants: the log, the grants
// or the server was changed.
package redecide

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"usher/backend/event"
	"usher/backend/grant"
)

// Grants returns a version of the grants. The error is grant.ErrUnknown for a version
// that is not kept, and ErrBadPolicy for one whose text is damaged. Any other error ends
// the verification: it is no fact about the log.
type Grants func(ctx context.Context, version string) (*grant.Set, error)

// ErrBadPolicy: the kept text of a version of the grants is another one.
var ErrBadPolicy = errors.New("the kept text of the version is damaged")

// Difference is a decision with another result.
type Difference struct {
	Record int64 // number of the event, from 1 on
	ID     string
	Detail string
}

func (d Difference) String() string {
	return fmt.Sprintf("decision: record %d: %s", d.Record, d.Detail)
}

// Result is the result of all events so far.
type Result struct {
	Decisions   int64
	Differ      int64
	Undecidable int64        // the event with the names of the groups is not in the log any more
	Differences []Difference // the first 100
}

const (
	maxDifferences = 100
	maxSets        = 8       // versions of the grants in memory
	maxPending     = 100_000 // decisions whose groups are not known yet
	maxTexts       = 10_000  // texts of grants
)

// Config configures a Decider.
type Config struct {
	Grants Grants
	// Pruned reports that old events are deleted after a time, so the event with the
	// names of a person's groups can be missing.
	Pruned bool
}

// Decider decides events again, in the order of the log.
type Decider struct {
	c       Config
	names   map[string][]string // by hash
	lost    map[string]bool     // hashes without names in the log
	sets    map[string]*grant.Set
	order   []string // of sets, the oldest first
	texts   map[*grant.Grant]string
	missing map[string]error     // versions without a set
	pending map[string][]waiting // by the hash of their groups
	waiting int
	result  Result
	err     error
}

type waiting struct {
	record int64
	event  event.Event
}

// New returns a Decider.
func New(c Config) (*Decider, error) {
	if c.Grants == nil {
		return nil, errors.New("redecide: the grants are missing")
	}
	return &Decider{c: c, names: map[string][]string{event.HashGroups(nil): nil}, sets: map[string]*grant.Set{}, texts: map[*grant.Grant]string{},
		missing: map[string]error{}, pending: map[string][]waiting{}, lost: map[string]bool{}}, nil
}

// Groups gives the names of groups by their hash, before the first event. An export has
// them apart from its events. The decisions of a hash with names that are nil are
// undecidable: the log has lost the names.
func (d *Decider) Groups(all map[string][]string) {
	for hash, names := range all {
		switch {
		case names == nil:
			d.lost[hash] = true
		case event.HashGroups(names) == hash:
			d.names[hash] = slices.Clone(names)
		}
	}
}

// Event takes the next event of the log. e is valid during the call.
func (d *Decider) Event(ctx context.Context, record int64, e *event.Event) {
	if d.err != nil {
		return
	}
	if e.Action == event.SessionStart || e.Action == event.MembershipChanged {
		d.announce(ctx, record, e)
	}
	switch {
	case e.Policy != "":
		d.result.Decisions++
		d.decide(ctx, record, e)
	case e.Action == event.Download && e.Outcome == event.Allowed:
		d.result.Decisions++
		d.differ(record, e, "a download was allowed without a version of the grants")
	}
}

// announce notes the names of a hash of groups.
func (d *Decider) announce(ctx context.Context, record int64, e *event.Event) {
	if e.Groups == "" || e.Outcome != event.Allowed {
		return // a refused sign-in has no groups
	}
	if event.HashGroups(e.GroupNames) != e.Groups {
		d.result.Decisions++
		d.differ(record, e, "the names of the groups do not have their hash")
		return
	}
	if _, known := d.names[e.Groups]; known {
		return
	}
	d.names[e.Groups] = slices.Clone(e.GroupNames)
	for _, w := range d.pending[e.Groups] {
		d.waiting--
		d.decide(ctx, w.record, &w.event)
	}
	delete(d.pending, e.Groups)
}

// decide decides one event again.
func (d *Decider) decide(ctx context.Context, record int64, e *event.Event) {
	names, known := d.names[e.Groups]
	switch {
	case known:
	case d.lost[e.Groups]:
		d.result.Undecidable++
		return
	default:
		d.wait(record, e)
		return
	}
	set, err := d.set(ctx, e.Policy)
	if err != nil {
		if !finding(err) {
			d.err = err
			return
		}
		d.differ(record, e, fmt.Sprintf("the version %.40q of the grants: %v", e.Policy, err))
		return
	}
	allowed, g := decide(set, names, e)
	by := d.text(g)
	recorded := e.Outcome != event.Denied
	switch {
	case allowed != recorded:
		d.differ(record, e, fmt.Sprintf("it was %s, and the grants of that time %s it", e.Outcome, map[bool]string{true: "allow", false: "deny"}[allowed]))
	case by != e.Grant:
		d.differ(record, e, fmt.Sprintf("the recorded grant is %.200q, and %.200q decides", e.Grant, by))
	}
}

// decide returns the decision for an event, and the grant that makes it.
func decide(set *grant.Set, groups []string, e *event.Event) (allowed bool, by *grant.Grant) {
	switch e.Action {
	case event.List, event.Search:
		if e.Bucket == "" { // the list of the person's buckets
			return true, nil
		}
		v := set.Visible(groups, e.Bucket, e.Key, e.Time)
		allowed, by = !v.Nothing(), v.Grant
	default:
		made := set.Decide(groups, e.Bucket, e.Key, e.Time)
		allowed, by = made.Allowed, made.Grant
	}
	return allowed, by
}

// text returns the text of a grant, or "" for nil.
func (d *Decider) text(g *grant.Grant) string {
	if g == nil {
		return ""
	}
	text, known := d.texts[g]
	if !known {
		if len(d.texts) >= maxTexts {
			clear(d.texts)
		}
		text = g.String()
		d.texts[g] = text
	}
	return text
}

// wait keeps a decision whose groups are not known yet: a log of several servers is
// in the order of time, and the names can come some seconds later.
func (d *Decider) wait(record int64, e *event.Event) {
	if d.waiting >= maxPending {
		d.unresolved(record, e)
		return
	}
	d.waiting++
	d.pending[e.Groups] = append(d.pending[e.Groups], waiting{record, *e})
}

// unresolved counts a decision whose groups are not in the log.
func (d *Decider) unresolved(record int64, e *event.Event) {
	if d.c.Pruned {
		d.result.Undecidable++
		return
	}
	d.differ(record, e, "the groups of this decision are not in the log")
}

// set returns a version of the grants.
func (d *Decider) set(ctx context.Context, version string) (*grant.Set, error) {
	if s := d.sets[version]; s != nil {
		return s, nil
	}
	if err := d.missing[version]; err != nil {
		return nil, err
	}
	s, err := d.c.Grants(ctx, version)
	if err == nil && s.Version() != version {
		err = fmt.Errorf("%w: it is that of another version", ErrBadPolicy)
	}
	if err != nil {
		if finding(err) {
			d.missing[version] = err
		}
		return nil, err
	}
	if len(d.order) == maxSets {
		delete(d.sets, d.order[0])
		d.order = d.order[1:]
	}
	d.sets[version], d.order = s, append(d.order, version)
	return s, nil
}

// finding reports whether an error of Grants is a fact about the log.
func finding(err error) bool {
	return errors.Is(err, grant.ErrUnknown) || errors.Is(err, ErrBadPolicy)
}

func (d *Decider) differ(record int64, e *event.Event, detail string) {
	d.result.Differ++
	if len(d.result.Differences) < maxDifferences {
		d.result.Differences = append(d.result.Differences, Difference{record, e.ID, detail})
	}
}

// Result returns the result after the last event.
func (d *Decider) Result() (Result, error) {
	for _, all := range d.pending {
		for _, w := range all {
			d.unresolved(w.record, &w.event)
		}
	}
	clear(d.pending)
	slices.SortFunc(d.result.Differences, func(a, b Difference) int { return int(a.Record - b.Record) })
	return d.result, d.err
}
