package sealer_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/audit/sealer"
	"usher/backend/audit/tiles"
	"usher/backend/audit/tree"
)

// sealedWorld returns a log of 600 sealed events, a stray and a tail of 3 unsealed
// events.
func sealedWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, 3)
	for range 60 {
		w.record(w.now, 10)
		w.now = w.now.Add(time.Second)
	}
	w.now = w.now.Add(2 * time.Minute)
	if err := w.drain(); err != nil {
		t.Fatal(err)
	}
	w.record(w.now.Add(-10*time.Minute), 1)
	w.now = w.now.Add(2 * time.Minute)
	if err := w.drain(); err != nil {
		t.Fatal(err)
	}
	w.record(w.now, 3)
	return w
}

// batch returns the id of the nth batch.
func (w *world) batch(n int) string { return slices.Sorted(maps.Keys(w.batches))[n] }

// A verification names each kind of change.
func TestVerifyNamesTheChange(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(w *world)
		kinds  string // of the faults, in order
		whole  int64
		tail   int64
	}{
		{"nothing", func(*world) {}, "", 601, 3},
		{"an event of the table is edited", func(w *world) {
			b := w.batches[w.batch(20)]
			b.Events = slices.Clone(b.Events)
			b.Events[0].Line = bytes.Replace(b.Events[0].Line, []byte("allowed"), []byte("failed"), 1)
			w.batches[b.ID] = b
		}, "changed", 190, 3},
		{"the last sealed event is edited", func(w *world) {
			b := w.batches[w.batch(60)]
			b.Events = slices.Clone(b.Events)
			b.Events[9].Line = bytes.Replace(b.Events[9].Line, []byte("allowed"), []byte("failed"), 1)
			w.batches[b.ID] = b
		}, "changed", 599, 3},
		{"a batch of the table is deleted", func(w *world) { delete(w.batches, w.batch(30)) }, "missing", 290, 3},
		{"a stray of the table is deleted", func(w *world) { delete(w.batches, w.batch(0)) }, "missing", 600, 3},
		{"the whole table is deleted", func(w *world) { clear(w.batches) }, "missing", 0, 0},
		{"a batch is unreadable", func(w *world) {
			w.batches[w.batch(5)] = sealer.Batch{ID: w.batch(5), Damage: tiles.ErrDamaged}
		}, "unreadable missing", 40, 3},
		{"an event is inserted", func(w *world) { w.record(w.now.Add(-150*time.Second), 1) }, "", 601, 4},
		{"a bundle is edited", func(w *world) {
			w.objects["tile/entries/001"] = bytes.Replace(w.objects["tile/entries/001"], []byte("allowed"), []byte("denied!"), 1)
		}, "changed changed", 256, 3},
		{"a bundle is deleted", func(w *world) { delete(w.objects, "tile/entries/001") }, "unreadable", 256, 348},
		{"hashes and a bundle are edited", func(w *world) {
			w.objects["tile/entries/001"] = bytes.Replace(w.objects["tile/entries/001"], []byte("allowed"), []byte("denied!"), 1)
			w.objects["tile/0/001"] = bytes.Repeat([]byte{1}, 256*32)
		}, "tree changed", 256, 3},
		{"the checkpoint is forged", func(w *world) {
			other := newSigner(w.t, 99)
			note, err := other.Sign(tree.Head{Size: 601})
			if err != nil {
				w.t.Fatal(err)
			}
			w.objects[tiles.Checkpoint] = note
		}, "checkpoint", 0, 0},
		{"the checkpoint is an older one", func(w *world) { w.objects[tiles.Checkpoint] = w.objects[tiles.CheckpointOf(600)] }, "checkpoint", 600, 4},
		{"the checkpoint is gone", func(w *world) { delete(w.objects, tiles.Checkpoint) }, "checkpoint", 0, 604},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := sealedWorld(t)
			c.change(w)
			r, err := w.verify(w.shown)
			if err != nil {
				t.Fatal(err)
			}
			var kinds []string
			for _, f := range r.Faults {
				kinds = append(kinds, f.Kind)
			}
			if strings.Join(kinds, " ") != c.kinds || r.Whole != c.whole || r.Unsealed != c.tail {
				t.Errorf("the faults are %v, whole to %d, %d unsealed; want %q, %d, %d", r.Faults, r.Whole, r.Unsealed, c.kinds, c.whole, c.tail)
			}
		})
	}
}

// A batch that is changed or removed between plan and seal stops the sealer.
func TestAPlanKeepsItsBatches(t *testing.T) {
	for name, change := range map[string]func(*world){
		"changed": func(w *world) {
			b := w.batches[w.batch(0)]
			b.Events = []sealer.Event{w.event(timeOf(b.ID))}
			w.batches[b.ID] = b
		},
		"removed": func(w *world) { delete(w.batches, w.batch(0)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.record(w.now, 5)
			w.now = w.now.Add(2 * time.Minute)
			p := &process{}
			s := w.sealer(p)
			for p.dies = 1; w.state.Plan == nil; p.dies++ { // dies behind the plan
				p.n = 0
				_, _ = s.Step(t.Context())
				s = w.sealer(p)
			}
			change(w)
			if err := w.drain(); !strings.Contains(errText(err), sealer.ErrTampered.Error()) {
				t.Errorf("the error is %v", err)
			}
			if len(w.shown) > 0 {
				t.Error("a checkpoint was shown")
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A sealer with another key refuses to seal.
func TestALogHasOneKey(t *testing.T) {
	w := sealedWorld(t)
	s := w.sealer(&process{key: newSigner(t, 4)})
	if _, err := s.Step(t.Context()); !strings.Contains(errText(err), "another key") {
		t.Errorf("the error is %v", err)
	}
}

// A damaged batch, such as one of another writer, does not stop the others.
func TestDamagedBatchesAreReported(t *testing.T) {
	w := newWorld(t, 1)
	w.record(w.now, 2)
	id := w.newID(w.now)
	w.batches[id] = sealer.Batch{ID: id, Damage: tiles.ErrDamaged}
	w.now = w.now.Add(2 * time.Minute)
	r, err := w.sealer(&process{}).Step(t.Context())
	if err != nil || r.Sealed != 2 || len(r.Damaged) != 1 || r.Damaged[0].ID != id {
		t.Errorf("%+v, %v", r, err)
	}
}

// Expired events are no fault.
func TestExpiredEventsMayBeGone(t *testing.T) {
	w := sealedWorld(t)
	clear(w.batches)
	r, err := sealer.Verify(t.Context(), sealer.VerifyConfig{
		Log: &process{world: w}, Objects: plain{w}, Key: &w.keys.Verifier, Now: func() time.Time { return w.now },
		Expired: func(time.Time) bool { return true },
	})
	if err != nil || r.FaultCount != 0 || r.Expired != 601 {
		t.Errorf("%+v, %v", r, err)
	}
}
