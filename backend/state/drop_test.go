package state_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"usher/backend/identity"
	"usher/backend/identity/directorytest"
	"usher/backend/state"
)

// A sign-out drops the answer of another instance, also if this instance knows
// the clock of DynamoDB less exactly.
func TestDropIsKnownAtOnce(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ada := directorytest.Claims("ada")
	exact := w.directory(0)
	if _, err := exact.ForListing(ctx, directorytest.Claims("grace")); err != nil {
		t.Fatal(err)
	}
	w.advance(900 * time.Millisecond)
	if _, err := exact.ForListing(ctx, ada); err != nil {
		t.Fatal(err)
	}
	w.advance(10 * time.Millisecond)
	w.pool.End(ada.Session)
	rough := w.directory(0)
	if _, err := rough.ForListing(ctx, directorytest.Claims("katherine")); err != nil {
		t.Fatal(err)
	}
	rough.Drop(ada)
	if _, err := exact.ForListing(ctx, ada); !errors.Is(err, identity.ErrRevoked) {
		t.Errorf("after the drop: %v", err)
	}
}

// dropping is a pool that drops the session during the first question.
type dropping struct {
	*directorytest.Pool
	drop func()
}

func (d *dropping) Groups(ctx context.Context, c identity.Claims) ([]string, error) {
	groups, err := d.Pool.Groups(ctx, c)
	if drop := d.drop; drop != nil {
		d.drop = nil
		drop()
	}
	return groups, err
}

// A question that began before a sign-out stores no answer.
func TestDropDuringAQuestion(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ada := directorytest.Claims("ada")
	other := w.directory(0)
	for range 2 {
		c := w.config(0)
		pool := &dropping{Pool: w.pool}
		pool.drop = func() { other.Drop(ada) }
		c.Source = pool
		before, _ := w.pool.Questions()
		if _, err := directoryOf(t, c).ForRelease(ctx, ada); err != nil {
			t.Fatal(err)
		}
		if after, _ := w.pool.Questions(); after-before != 2 {
			t.Errorf("%d questions, want a second one after the drop", after-before)
		}
		other.Drop(ada)
	}
}

func directoryOf(t testing.TB, c state.Config) settled {
	t.Helper()
	d, err := state.NewDirectory(c)
	if err != nil {
		t.Fatal(err)
	}
	return settled{d}
}
