package sealer_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/audit/sealer"
	"usher/backend/audit/tiles"
)

// An object with the name of a planned one and another content stops the sealer
// before it signs.
func TestAForeignObject(t *testing.T) {
	w := newWorld(t, 1)
	w.record(w.now, 5)
	w.objects["tile/entries/000.p/5"] = []byte("foreign")
	w.now = w.now.Add(2 * time.Minute)
	if err := w.drain(); !errors.Is(err, sealer.ErrTampered) {
		t.Errorf("the error is %v", err)
	}
	if len(w.shown) > 0 {
		t.Error("a checkpoint was shown")
	}
}

// The events of a bundle that is not full become part of the next one, so they are
// verified before.
func TestAStartedBundle(t *testing.T) {
	w := newWorld(t, 1)
	w.record(w.now, 5)
	w.now = w.now.Add(2 * time.Minute)
	if err := w.drain(); err != nil {
		t.Fatal(err)
	}
	w.objects["tile/entries/000.p/5"] = bytes.Replace(w.objects["tile/entries/000.p/5"], []byte("allowed"), []byte("denied!"), 1)
	w.record(w.now, 1)
	w.now = w.now.Add(2 * time.Minute)
	if err := w.drain(); !errors.Is(err, sealer.ErrTampered) {
		t.Errorf("the error is %v", err)
	}
}

// A sealer that was slow between its objects and its checkpoint does not show a
// smaller tree than the one that is shown.
func TestASlowSealer(t *testing.T) {
	w := newWorld(t, 1)
	w.record(w.now, 5)
	w.now = w.now.Add(2 * time.Minute)
	slow := &process{}
	s := w.sealer(slow)
	for slow.dies = 1; len(w.objects[tiles.CheckpointOf(5)]) == 0; slow.dies++ { // ends before the checkpoint is shown
		slow.n = 0
		_, _ = s.Step(t.Context())
	}
	planned := w.state
	if err := w.drain(); err != nil {
		t.Fatal(err)
	}
	w.record(w.now, 5)
	w.now = w.now.Add(2 * time.Minute)
	if err := w.drain(); err != nil {
		t.Fatal(err)
	}
	latest := slices.Clone(w.objects[tiles.Checkpoint])
	now := w.state
	w.state = planned // as the slow sealer has read it
	if _, err := w.sealer(&process{}).Step(t.Context()); !errors.Is(err, sealer.ErrLost) && !strings.Contains(errText(err), "the log or its sealed objects") {
		t.Errorf("the error is %v", err)
	}
	w.state = now
	if !bytes.Equal(w.objects[tiles.Checkpoint], latest) {
		t.Error("an older checkpoint is shown")
	}
}
