package backend

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"usher/backend/api"
	"usher/backend/object"
)

const maxHeads = 64 // concurrent HEAD calls of one release

// examined gets the sessions and, beside them, the regions of the buckets. It
// calls HEAD where a fact is missing, and compares the clocks.
func (b *Backend) examined(r *request, in *batch, all []candidate) error {
	buckets, withHeads := bucketsOf(all), needHead(all, in.purpose)
	var group errgroup.Group
	var clock error
	group.Go(func() error {
		b.locate(r.ctx, buckets)
		if len(buckets) > 0 && !withHeads { // a HEAD compares the clocks too
			clock = b.c.Clock.Check(r.ctx, buckets[0])
		}
		return nil
	})
	err := b.prepare(r, in, all)
	_ = group.Wait()
	if err != nil {
		return err
	}
	b.heads(r, all, in.purpose)
	for i := range all {
		if r.itemErr == nil && all[i].cause != nil && !errors.Is(all[i].cause, object.ErrAbsent) {
			r.itemErr = all[i].cause
		}
	}
	left := bucketsOf(all)
	if len(left) == 0 {
		return nil
	}
	if withHeads {
		clock = b.c.Clock.Check(r.ctx, left[0])
	}
	if clock != nil {
		code, _ := storageFailure(clock)
		return fail(code, clock)
	}
	return nil
}

// bucketsOf returns the buckets of the candidates without a refusal.
func bucketsOf(all []candidate) (buckets []string) {
	for i := range all {
		if all[i].refused == "" && !slices.Contains(buckets, all[i].in.Bucket) {
			buckets = append(buckets, all[i].in.Bucket)
		}
	}
	return buckets
}

// locate finds the regions of buckets. A failure occurs again in the call that
// needs a region.
func (b *Backend) locate(ctx context.Context, buckets []string) {
	if b.c.Places != nil && len(buckets) > 0 {
		_, _ = b.c.Places.Hosts(ctx, buckets)
	}
}

// heads calls HEAD for objects without an ETag or a known size, and for all objects
// of a link. The client of a link checks no ETag, so the object must at least
// exist. For an object with an ETag, the call is for the record alone: its URL is
// pinned to that ETag in any case.
func (b *Backend) heads(r *request, all []candidate, purpose string) {
	var group errgroup.Group
	group.SetLimit(maxHeads)
	for i := range all {
		c := &all[i]
		if !c.needsHead(purpose) {
			continue
		}
		group.Go(func() error {
			facts, err := b.c.Objects.Head(r.as(c.in.Bucket, c.in.Key), c.in.Bucket, c.in.Key, c.in.Version, c.event.ID)
			if c.in.ETag != "" && purpose != api.PurposeLink {
				if err == nil && facts.ETag == c.in.ETag {
					c.examined(facts)
				}
				return nil
			}
			switch {
			case err != nil:
				c.cause = err
				c.stop(storageFailure(err))
			case facts.Archived:
				c.stop(api.ObjectArchived, "the object is archived")
			case c.in.ETag != "" && facts.ETag != "" && c.in.ETag != facts.ETag:
				c.stop(api.ObjectChanged, "the object has another ETag")
			default:
				c.facts = &facts
				c.event.ETag = facts.ETag
				c.examined(facts)
			}
			return nil
		})
	}
	_ = group.Wait() // each candidate has its own error
}

// examined stores the facts of a HEAD in the event. The version of the request
// stays: the URL is for that version and no other.
func (c *candidate) examined(facts object.Facts) {
	c.event.Size = &facts.Size
	if c.in.Version == "" {
		c.event.Version = facts.Version
	}
}

func (c *candidate) needsHead(purpose string) bool {
	return c.refused == "" && (c.in.ETag == "" || c.event.Size == nil || purpose == api.PurposeLink)
}

func needHead(all []candidate, purpose string) bool {
	return slices.ContainsFunc(all, func(c candidate) bool { return c.needsHead(purpose) })
}
