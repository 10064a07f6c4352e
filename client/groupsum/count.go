// Package groupsum adds up the groups of all pages of a count of the audit log, in a
// bounded amount of memory.
//
//   - A few groups stay in memory, and no file is made.
//   - Further groups are in one temporary file, in runs that are sorted by their keys.
//     Groups of several runs are added up while the runs are merged. The file has mode
//     0600. It has no name while it is in use, except on Windows, so it ends with the
//     process.
//   - Different files are counted exactly: a run has the hashes of each group.
//
// It leaves the pages, the screen and the choice of an order to others.
package groupsum

import (
	"context"
	"iter"
	"slices"

	"usher/backend/event"
)

// DefaultMost is the size of the groups in memory, as event.Sums has it: about 10,000
// groups.
const DefaultMost = 4 << 20

// Count adds up groups. It is not safe for concurrent use.
type Count struct {
	by   []event.By
	most int
	sums *event.Sums // groups that are not in a run
	file *file       // nil: all groups are in memory
	runs []run       // sorted by key
}

// New returns a count without events. most bounds the size of the groups in memory.
func New(by []event.By, most int) *Count {
	return &Count{by: by, most: most, sums: event.NewSums(by)}
}

// Close removes the temporary file. The groups of the count cannot be read any more.
func (c *Count) Close() error {
	if c.file == nil {
		return nil
	}
	return c.file.close()
}

// Merge adds the groups of a page.
func (c *Count) Merge(groups []event.Group) error {
	if err := c.sums.Merge(groups); err != nil {
		return err
	}
	if c.sums.Size() < c.most {
		return nil
	}
	return c.spill()
}

// spill writes the groups in memory as a run.
func (c *Count) spill() error {
	if c.file == nil {
		f, err := newFile()
		if err != nil {
			return err
		}
		c.file = f
	}
	r, err := c.file.write(c.sums.Groups(event.SortKey))
	if err != nil {
		return err
	}
	c.runs, c.sums = append(c.runs, r), event.NewSums(c.by)
	return nil
}

// Groups are the groups of a count in an order. They have no hashes of objects.
type Groups struct {
	order  event.Sort
	number int
	few    []event.Group // all of them, if there is no run
	file   *file
	runs   []run // in the order
}

// Groups sorts the groups. The result can be read until the count is closed.
func (c *Count) Groups(ctx context.Context, order event.Sort) (*Groups, error) {
	if len(c.runs) == 0 {
		few := c.sums.Groups(order)
		for i := range few {
			few[i].Objects = ""
		}
		return &Groups{order: order, number: len(few), few: few}, nil
	}
	if c.sums.Size() > 0 {
		if err := c.spill(); err != nil {
			return nil, err
		}
	}
	out := &Groups{order: order, file: c.file}
	var some []event.Group
	size := 0
	write := func() error {
		slices.SortFunc(some, order.Compare)
		r, err := c.file.write(some)
		out.runs, some, size = append(out.runs, r), some[:0], 0
		return err
	}
	for g, err := range merged(ctx, c.file, c.runs, event.SortKey) {
		if err != nil {
			return nil, err
		}
		some = append(some, g)
		out.number++
		if size += sizeOf(g); size >= c.most {
			if err := write(); err != nil {
				return nil, err
			}
		}
	}
	return out, write()
}

// sizeOf returns the approximate size of a group in memory.
func sizeOf(g event.Group) int {
	n := 300
	for _, k := range g.Keys {
		n += len(k)
	}
	return n
}

// Len returns the number of groups.
func (g *Groups) Len() int { return g.number }

// All returns the groups in their order. It can be called again. The last pair has the
// error of an early end.
func (g *Groups) All(ctx context.Context) iter.Seq2[event.Group, error] {
	if g.file != nil {
		return merged(ctx, g.file, g.runs, g.order)
	}
	return func(yield func(event.Group, error) bool) {
		for _, x := range g.few {
			if !yield(x, nil) {
				return
			}
		}
	}
}

// List returns all groups of a count of few groups, and closes it.
func (c *Count) List(ctx context.Context, order event.Sort) (all []event.Group, err error) {
	defer func() { _ = c.Close() }()
	groups, err := c.Groups(ctx, order)
	if err != nil {
		return nil, err
	}
	for g, err := range groups.All(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}
