package dynamo_test

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/audit/sealer"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
)

// The state of a sealer has one successor for each version, also when the response
// to its write is lost.
func TestSealStates(t *testing.T) {
	db := dynamotest.New(t)
	db.Table(t, "state")
	states, err := auditdynamo.NewStates(db.Client(t), "state")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := states.Load(t.Context()); err != nil || got.Version != 0 || got.Size != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	start := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	first := sealer.State{Version: 1, Size: 5, Position: start, Hours: []sealer.Hour{{Start: start, Ranges: [][2]int64{{0, 5}}}}, Plan: &sealer.Plan{IDs: []string{"a"}, Size: 6}}
	if err := states.Save(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if got, err := states.Load(t.Context()); err != nil || got.Size != 5 || !got.Position.Equal(start) || len(got.Hours) != 1 || got.Plan == nil || got.Plan.Size != 6 {
		t.Errorf("%+v, %v", got, err)
	}
	other := first
	other.Size = 7
	if err := states.Save(t.Context(), other); !errors.Is(err, sealer.ErrLost) {
		t.Errorf("a second first state: %v", err)
	}
	next := sealer.State{Version: 2, Size: 6}
	lost := false
	db.Fault(func(op string, _ int, _ []byte) dynamotest.Fault {
		if op == "PutItem" && !lost {
			lost = true
			return dynamotest.Landed
		}
		return dynamotest.Pass
	})
	if err := states.Save(t.Context(), next); err != nil {
		t.Errorf("a lost response: %v", err)
	}
	for _, late := range []sealer.State{{Version: 2, Size: 9}, {Version: 1, Size: 9}, {Version: 9, Size: 9}} {
		if err := states.Save(t.Context(), late); !errors.Is(err, sealer.ErrLost) {
			t.Errorf("a state of version %d over one of version 2: %v", late.Version, err)
		}
	}
}

// The ranges of an hour are those of the latest version.
func TestSealHours(t *testing.T) {
	db := dynamotest.New(t)
	db.Table(t, "state")
	states, err := auditdynamo.NewStates(db.Client(t), "state")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	for _, s := range []struct{ version, to int64 }{{5, 50}, {7, 70}, {6, 60}} {
		if err := states.SaveHour(t.Context(), s.version, sealer.Hour{Start: start, Ranges: [][2]int64{{0, s.to}}}); err != nil {
			t.Fatal(err)
		}
	}
	h, err := states.LoadHour(t.Context(), start)
	if err != nil || len(h.Ranges) != 1 || h.Ranges[0][1] != 70 {
		t.Errorf("%+v, %v", h, err)
	}
	if h, err := states.LoadHour(t.Context(), start.Add(time.Hour)); err != nil || len(h.Ranges) != 0 {
		t.Errorf("another hour: %+v, %v", h, err)
	}
}

// A sealer reads the stored bytes of all batches in order, and a late writer marks
// the hour of its events.
func TestSealingReadsTheLog(t *testing.T) {
	db := dynamotest.New(t)
	for _, name := range []string{"log", "log-index"} {
		db.Table(t, name)
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	log, err := auditdynamo.New(auditdynamo.Config{DB: db.Client(t), Log: "log", Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	ids := event.IDs(rand.Reader)
	late := now.Add(-3 * time.Hour)
	var want []event.Event
	for _, at := range []time.Time{late, now.Add(-3 * time.Second), now.Add(-2 * time.Second), now.Add(-time.Second)} {
		e := event.Clean(event.Event{ID: ids(at), Time: at, Action: event.List, Outcome: event.Allowed})
		want = append(want, e)
		if err := log.Append(t.Context(), []event.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	source := log.Sealing()
	var got []string
	var all []string
	err = source.Batches(t.Context(), late.Truncate(time.Hour), now, func(b sealer.Batch) bool {
		got, all = append(got, string(b.Events[0].Line)), append(all, b.ID)
		return b.Damage == nil
	})
	if err != nil || len(got) != 4 {
		t.Fatalf("%d batches, %v", len(got), err)
	}
	for i, e := range want {
		if got[i] != string(event.Canonical(e)) {
			t.Errorf("batch %d is %s", i, got[i])
		}
	}
	if batches, err := source.Get(t.Context(), append(all, ids(now))); err != nil || len(batches) != 4 {
		t.Errorf("%d batches by id, %v", len(batches), err)
	}
	if oldest, err := source.Oldest(t.Context()); err != nil || !oldest.Equal(late) {
		t.Errorf("the oldest batch is of %s, %v", oldest, err)
	}
	marks, err := source.Marks(t.Context())
	if err != nil || len(marks) != 1 || !marks[0].Hour.Equal(late.Truncate(time.Hour)) || marks[0].Value == "" {
		t.Errorf("the marks are %+v, %v", marks, err)
	}
}
