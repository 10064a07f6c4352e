package state_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/cursor"
	"usher/backend/dynamo"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
	"usher/backend/identity"
	"usher/backend/identity/directorytest"
	"usher/backend/state"
)

// world is one state table with a clock.
type world struct {
	t      testing.TB
	server *dynamotest.Server
	pool   *directorytest.Pool

	mu sync.Mutex
	at time.Time
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, pool: &directorytest.Pool{}, at: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
	w.server = dynamotest.NewAt(t, w.now)
	w.server.Table(t, "state")
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// config is the configuration of one more instance, whose clock is wrong by skew.
func (w *world) config(skew time.Duration) state.Config {
	now := func() time.Time { return w.now().Add(skew) }
	client := w.server.ClientAt(w.t, now)
	reader, err := dynamo.NewReader(client, now)
	if err != nil {
		w.t.Fatal(err)
	}
	return state.Config{Client: client, Reader: reader, Table: "state", Source: w.pool, Now: now, AliveRate: 60, GroupsRate: 25}
}

func (w *world) directory(skew time.Duration) settled { return directoryOf(w.t, w.config(skew)) }

// settled waits for the record of each answer, as a request does.
type settled struct{ *state.Directory }

func (s settled) ForRelease(ctx context.Context, c identity.Claims) (identity.Standing, error) {
	return settle(ctx, s.Directory.ForRelease, c)
}

func (s settled) ForListing(ctx context.Context, c identity.Claims) (identity.Standing, error) {
	return settle(ctx, s.Directory.ForListing, c)
}

func settle(ctx context.Context, check func(context.Context, identity.Claims) (identity.Standing, error), c identity.Claims) (identity.Standing, error) {
	s, err := check(ctx, c)
	if err == nil && s.Settle != nil {
		return s.Settle(ctx)
	}
	return s, err
}

func TestDirectoryInDynamoDB(t *testing.T) {
	directorytest.Run(t, func(t *testing.T) directorytest.Fixture {
		w := newWorld(t)
		return directorytest.Fixture{Directory: w.directory(0), Pool: w.pool, Advance: w.advance, Now: w.now}
	})
}

// The answers of one instance are those of all, also with clocks 5 s apart. A
// change of the pool reaches every instance within 5 s.
func TestInstancesShareAnswers(t *testing.T) {
	ctx := context.Background()
	for _, skew := range []time.Duration{0, 5 * time.Second, -5 * time.Second} {
		w := newWorld(t)
		one, two := w.directory(0), w.directory(skew)
		ada := directorytest.Claims("ada")
		w.pool.Member("ada", "finance-team")
		for _, d := range []settled{one, two, two, one} {
			if s, err := d.ForRelease(ctx, ada); err != nil || !slices.Equal(s.Groups, []string{"finance-team"}) {
				t.Fatalf("skew %s: %v, %v", skew, s, err)
			}
		}
		if alive, groups := w.pool.Questions(); alive != 1 || groups != 1 {
			t.Errorf("skew %s: %d and %d questions", skew, alive, groups)
		}
		w.pool.Member("ada")
		w.advance(5*time.Second + time.Millisecond)
		if s, err := two.ForRelease(ctx, ada); err != nil || len(s.Groups) != 0 {
			t.Errorf("skew %s: the other instance uses an answer of more than 5 s: %v, %v", skew, s.Groups, err)
		}
		w.pool.End(ada.Session)
		w.advance(time.Second)
		two.Drop(ada)
		w.advance(10 * time.Millisecond)
		if _, err := one.ForRelease(ctx, ada); !errors.Is(err, identity.ErrRevoked) {
			t.Errorf("skew %s: after a sign-out at the other instance: %v", skew, err)
		}
	}
}

// All instances together stay within the questions of a second.
func TestQuestionsAreCountedTogether(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	busy := 0
	for i := range 4 {
		d := w.directory(time.Duration(i-1) * time.Second)
		for j := range 12 {
			all.Go(func() {
				_, err := d.ForListing(context.Background(), directorytest.Claims(fmt.Sprint(i, "-", j)))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, identity.ErrBusy):
					busy++
				case err != nil:
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	// The clock does not advance, so the bounds of an instance can be in two seconds.
	if alive, groups := w.pool.Questions(); alive+busy != 48 || alive > 50 || groups != alive {
		t.Errorf("%d and %d questions, %d refused", alive, groups, busy)
	}
	if busy == 0 {
		t.Error("no question was refused")
	}
}

// Nothing is decided while DynamoDB does not respond.
func TestNoAnswerWhileDown(t *testing.T) {
	w := newWorld(t)
	d := w.directory(0)
	if _, err := d.ForRelease(context.Background(), directorytest.Claims("ada")); err != nil {
		t.Fatal(err)
	}
	for _, f := range []dynamotest.Fault{dynamotest.Down, dynamotest.Throttle, dynamotest.Error500} {
		w.server.Fault(func(string, int, []byte) dynamotest.Fault { return f })
		if _, err := d.ForRelease(context.Background(), directorytest.Claims("ada")); !errors.Is(err, identity.ErrUnavailable) {
			t.Errorf("fault %d: %v", f, err)
		}
	}
}

// A request reads once, and again after a second.
func TestOneReadARequest(t *testing.T) {
	w := newWorld(t)
	d := w.directory(0)
	if _, err := d.ForRelease(context.Background(), directorytest.Claims("ada")); err != nil {
		t.Fatal(err)
	}
	w.server.Reset()
	ctx := dynamo.Scope(context.Background())
	for range 3 {
		if _, err := d.ForRelease(ctx, directorytest.Claims("ada")); err != nil {
			t.Fatal(err)
		}
	}
	if calls := w.server.Calls(); len(calls) != 1 || calls["BatchGetItem"] != 1 {
		t.Errorf("%v", calls)
	}
	w.advance(time.Second)
	if _, err := d.ForRelease(ctx, directorytest.Claims("ada")); err != nil || w.server.Calls()["BatchGetItem"] != 2 {
		t.Errorf("after a second: %v, %v", w.server.Calls(), err)
	}
}

// The start of a session is one event, for all instances and after a crash
// between any two steps.
func TestSessionsStartOnce(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	var all sync.WaitGroup
	ids := make([]string, 16)
	for i := range ids {
		s, err := state.NewSessions(w.config(0))
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			e, _, err := s.Once(ctx, "session", event.Event{ID: fmt.Sprintf("%026d", i), Time: w.now(), Action: event.SessionStart, Outcome: event.Allowed})
			if err != nil {
				t.Error(err)
			}
			ids[i] = e.ID
		})
	}
	all.Wait()
	if slices.Sort(ids); ids[0] != ids[len(ids)-1] || ids[0] == "" {
		t.Errorf("several events: %v", ids)
	}
	s, err := state.NewSessions(w.config(0))
	if err != nil {
		t.Fatal(err)
	}
	later := event.Event{ID: fmt.Sprintf("%026d", 99), Time: w.now(), Action: event.SessionStart, Outcome: event.Allowed}
	if e, recorded, err := s.Once(ctx, "session", later); err != nil || recorded || e.ID != ids[0] {
		t.Errorf("before the record: %v, %v, %v", e.ID, recorded, err)
	}
	confirmation, ok := s.Confirmation(event.Event{Action: event.SessionStart, Outcome: event.Allowed, Session: event.SessionName("session")})
	if !ok {
		t.Fatal("a session's start has no confirmation")
	}
	if _, err := w.server.Client(t).TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{confirmation}}); err != nil {
		t.Fatal(err)
	}
	if e, recorded, err := s.Once(ctx, "session", later); err != nil || !recorded || e.ID != ids[0] {
		t.Errorf("after the record: %v, %v, %v", e.ID, recorded, err)
	}
	if e, recorded, err := s.Once(ctx, "another", later); err != nil || recorded || e.ID != later.ID {
		t.Errorf("another session: %v, %v, %v", e.ID, recorded, err)
	}
}

// A cursor of one instance opens at another, also across midnight.
func TestCursorsOpenEverywhere(t *testing.T) {
	w := newWorld(t)
	w.at = time.Date(2026, 11, 1, 23, 55, 0, 0, time.UTC)
	open := func(skew time.Duration) *state.Cursors {
		c, err := state.NewCursors(w.config(skew), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	want := cursor.Cursor{Verb: "list", Sub: "ada"}
	sealed := want
	sealed.Expires = w.now().Add(cursor.Life)
	one := open(0)
	text, err := one.Seal(sealed)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []time.Duration{0, 10 * time.Minute} {
		w.advance(d)
		if _, err := open(0).Open(text, want, w.now()); err != nil {
			t.Errorf("at %s: %v", w.now(), err)
		}
		if _, err := one.Seal(sealed); err != nil {
			t.Error(err)
		}
	}
	if _, err := open(0).Open(text, cursor.Cursor{Verb: "list", Sub: "alan"}, w.now()); !errors.Is(err, cursor.ErrRefused) {
		t.Errorf("of another person: %v", err)
	}
	w.advance(10 * time.Minute)
	if _, err := open(0).Open(text, want, w.now()); !errors.Is(err, cursor.ErrRefused) {
		t.Errorf("after its life: %v", err)
	}
	w.server.Fault(func(string, int, []byte) dynamotest.Fault { return dynamotest.Down })
	if _, err := open(0).Open(text, want, w.now()); !errors.Is(err, dynamo.ErrUnavailable) {
		t.Errorf("while DynamoDB is down: %v", err)
	}
}
