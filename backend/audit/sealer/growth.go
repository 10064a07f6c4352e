package sealer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/audit/tiles"
	"usher/backend/audit/tree"
)

// timed is an event with the time of its id.
type timed struct {
	Event
	at time.Time
}

// timeOf returns the time of an id, and false for an id that is no ULID.
func timeOf(id string) (time.Time, bool) {
	u, err := ulid.ParseStrict(id)
	if err != nil || u.String() != id {
		return time.Time{}, false
	}
	return ulid.Time(u.Time()).UTC(), true
}

// maxLine is the size of an event in a bundle. SPEC: https://c2sp.org/tlog-tiles,
// "Log Entries": the length has 16 bits.
const maxLine = 1<<16 - 1

// usable returns a batch, with its damage if an event cannot be sealed.
func usable(b Batch) Batch {
	for _, e := range b.Events {
		if _, ok := timeOf(e.ID); !ok || len(e.Line) > maxLine {
			b.Damage = fmt.Errorf("the event %.40q cannot be sealed", e.ID)
		}
	}
	return b
}

// ordered returns the events of batches in order. An event of several batches is
// returned once; different events with one id are all returned.
func ordered(batches []Batch) []timed {
	var all []timed
	for _, b := range batches {
		for _, e := range b.Events {
			at, _ := timeOf(e.ID)
			all = append(all, timed{e, at})
		}
	}
	slices.SortFunc(all, func(a, b timed) int { return compare(a.Event, b.Event) })
	return slices.CompactFunc(all, func(a, b timed) bool { return compare(a.Event, b.Event) == 0 })
}

// compare is the order of events in the tree, strays apart.
func compare(a, b Event) int {
	if c := strings.Compare(a.ID, b.ID); c != 0 {
		return c
	}
	return bytes.Compare(a.Line, b.Line)
}

// growth is a tree with further events.
type growth struct {
	old    tree.Head
	events []timed
	base   tlog.HashReader // of the old tree
	fresh  map[int64]tlog.Hash
	head   tree.Head
}

// grow computes the tree of a log after further events, at least one.
func grow(ctx context.Context, objects tiles.Objects, old tree.Head, events []timed) (growth, error) {
	g := growth{old: old, events: events, fresh: map[int64]tlog.Hash{}}
	if old.Size > 0 {
		g.base = tiles.HashesOf(ctx, objects, old)
	}
	for i, e := range events {
		n := old.Size + int64(i)
		hashes, err := tlog.StoredHashes(n, e.Line, &g)
		if err != nil {
			return g, fmt.Errorf("extending the tree at event %d: %w", n+1, err)
		}
		first := tlog.StoredHashIndex(0, n)
		for j, h := range hashes {
			g.fresh[first+int64(j)] = h
		}
	}
	size := old.Size + int64(len(events))
	root, err := tlog.TreeHash(size, &g)
	if err != nil {
		return g, fmt.Errorf("computing the root of %d events: %w", size, err)
	}
	g.head = tree.Head{Size: size, Root: root}
	return g, nil
}

// ReadHashes implements tlog.HashReader.
func (g *growth) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	all := make([]tlog.Hash, len(indexes))
	var stored, places []int64
	for i, index := range indexes {
		if h, ok := g.fresh[index]; ok {
			all[i] = h
			continue
		}
		stored, places = append(stored, index), append(places, int64(i))
	}
	if len(stored) == 0 {
		return all, nil
	}
	if g.base == nil {
		return nil, errors.New("an empty tree has no hashes")
	}
	hashes, err := g.base.ReadHashes(stored)
	if err != nil {
		return nil, err
	}
	for i, h := range hashes {
		all[places[i]] = h
	}
	return all, nil
}

// objects returns all objects of the tree that the old tree does not have.
func (g *growth) objects(ctx context.Context, from tiles.Objects) ([]tiles.Object, error) {
	all, err := tiles.Hashes(g.old.Size, g.head.Size, g)
	if err != nil {
		return nil, err
	}
	lines, err := g.started(ctx, from)
	if err != nil {
		return nil, err
	}
	for _, e := range g.events {
		lines = append(lines, e.Line)
	}
	for n := g.old.Size / tiles.Width; n*tiles.Width < g.head.Size; n++ {
		name, count := tiles.BundleOf(n, g.head.Size)
		packed, err := tiles.PackBundle(lines[:count])
		if err != nil {
			return nil, err
		}
		all, lines = append(all, tiles.Object{Name: name, Data: packed}), lines[count:]
	}
	return all, nil
}

// started returns the events of the last bundle of the old tree, if it is not
// full. They are verified: they become part of another object.
func (g *growth) started(ctx context.Context, from tiles.Objects) ([][]byte, error) {
	n := g.old.Size / tiles.Width
	name, count := tiles.BundleOf(n, g.old.Size)
	if count == 0 {
		return nil, nil
	}
	packed, err := from.Get(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	lines, err := tiles.UnpackBundle(packed, count)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	indexes := make([]int64, count)
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(0, n*tiles.Width+int64(i))
	}
	stored, err := g.base.ReadHashes(indexes)
	if err != nil {
		return nil, err
	}
	for i, line := range lines {
		if stored[i] != tree.Leaf(line) {
			return nil, fmt.Errorf("%s: event %d: %w", name, n*tiles.Width+int64(i)+1, ErrTampered)
		}
	}
	return lines, nil
}
