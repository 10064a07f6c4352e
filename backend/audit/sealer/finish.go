package sealer

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"usher/backend/audit/tiles"
	"usher/backend/audit/tree"
)

// writers bounds the concurrent writes of objects.
const writers = 8

// finish carries out a stored plan: objects, signature, checkpoint, state.
func (s *Sealer) finish(ctx context.Context, state State, r *Result) error {
	p := state.Plan
	planned := tree.Head{Size: p.Size, Root: p.Root}
	g, own := s.planned[p.Root.String()]
	clear(s.planned)
	if !own || g.old != state.Head() {
		var err error
		if g, err = s.again(ctx, state); err != nil {
			return err
		}
	}
	if g.head != planned {
		return fmt.Errorf("the batches of a plan have another root than they had: %w", ErrTampered)
	}
	objects, err := g.objects(ctx, s.c.Objects)
	if err != nil {
		return err
	}
	group, writing := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for _, o := range objects {
		group.Go(func() error { return s.create(writing, o.Name, o.Data) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	note, err := s.sign(ctx, planned)
	if err != nil {
		return err
	}
	if err := s.show(ctx, planned, note); err != nil {
		return err
	}
	next := State{Version: state.Version + 1, Size: p.Size, Root: p.Root, Position: p.Position, Hours: p.Hours}
	if err := s.c.States.Save(ctx, next); err != nil {
		return fmt.Errorf("storing the state of the sealer: %w", err)
	}
	r.Head, r.Sealed, r.More = planned, int64(len(g.events)), true
	if !p.Stray.IsZero() {
		r.Strays = r.Sealed
	}
	return nil
}

// again computes the tree of a plan of another sealer.
func (s *Sealer) again(ctx context.Context, state State) (growth, error) {
	p := state.Plan
	batches, err := s.c.Log.Get(ctx, p.IDs)
	if err != nil {
		return growth{}, fmt.Errorf("reading the batches of a plan: %w", err)
	}
	for i := range batches {
		if batches[i] = usable(batches[i]); batches[i].Damage != nil {
			return growth{}, fmt.Errorf("the planned batch %.40q: %w: %w", batches[i].ID, ErrTampered, batches[i].Damage)
		}
	}
	events := ordered(batches)
	if !p.Stray.IsZero() {
		h, err := s.hour(ctx, state.Hours, p.Stray)
		if err != nil {
			return growth{}, err
		}
		known, err := s.sealed(ctx, state.Head(), h)
		if err != nil {
			return growth{}, err
		}
		events = unsealed(events, known)
	}
	if len(events) == 0 {
		return growth{}, fmt.Errorf("the batches of a plan are gone: %w", ErrTampered)
	}
	return grow(ctx, s.c.Objects, state.Head(), events)
}

// create writes an object once. An equal object is there already if a sealer ended
// before its last write.
func (s *Sealer) create(ctx context.Context, name string, data []byte) error {
	err := s.c.Objects.Create(ctx, name, data)
	if errors.Is(err, ErrExists) {
		var there []byte
		if there, err = s.c.Objects.Get(ctx, name); err == nil && !bytes.Equal(there, data) {
			return fmt.Errorf("%s has another content: %w", name, ErrTampered)
		}
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// sign returns the stored checkpoint of a head whose objects are durable.
func (s *Sealer) sign(ctx context.Context, head tree.Head) ([]byte, error) {
	note, err := s.c.Signer.Sign(ctx, head)
	if err != nil {
		return nil, err
	}
	name := tiles.CheckpointOf(head.Size)
	if err := s.c.Objects.Create(ctx, name, note); err == nil {
		return note, nil
	} else if !errors.Is(err, ErrExists) {
		return nil, fmt.Errorf("writing %s: %w", name, err)
	}
	there, err := s.c.Objects.Get(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if signed, err := s.c.Signer.Open(there); err != nil || signed != head {
		return nil, fmt.Errorf("%s is the checkpoint of another log: %w", name, ErrTampered)
	}
	return there, nil
}

// show makes a checkpoint the latest one. It never replaces a later one.
func (s *Sealer) show(ctx context.Context, head tree.Head, note []byte) error {
	for range 3 {
		latest, tag, err := s.c.Objects.Tagged(ctx, tiles.Checkpoint)
		if err != nil && !errors.Is(err, tiles.ErrMissing) {
			return fmt.Errorf("reading the latest checkpoint: %w", err)
		}
		if err == nil {
			shown, err := s.c.Signer.Open(latest)
			switch {
			case err != nil:
				return fmt.Errorf("the latest checkpoint: %w: %w", ErrTampered, err)
			case shown == head:
				return nil
			case shown.Size == head.Size:
				return fmt.Errorf("the latest checkpoint has another root: %w", ErrTampered)
			case shown.Size > head.Size:
				return ErrLost
			}
		}
		if err = s.c.Objects.Replace(ctx, tiles.Checkpoint, note, tag); err == nil {
			return nil
		} else if !errors.Is(err, ErrExists) {
			return fmt.Errorf("writing the latest checkpoint: %w", err)
		}
	}
	return ErrLost
}
