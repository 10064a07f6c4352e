package sealer_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/sealer"
	"usher/backend/audit/tiles"
)

// witnessOf returns a witness, and the policy that requires it.
func witnessOf(t *testing.T, w *world, name string) (*checkpoint.Cosigner, *checkpoint.Policy) {
	t.Helper()
	secret, err := checkpoint.GenerateWitness(zeros{byte(len(name))}, name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := checkpoint.NewCosigner(secret, func() time.Time { return w.now })
	if err != nil {
		t.Fatal(err)
	}
	p, err := checkpoint.ParsePolicy(fmt.Sprintf("log %s\nwitness w %s\nquorum w\n", w.keys.Key(), c.Key()))
	if err != nil {
		t.Fatal(err)
	}
	return c, p
}

type zeros [1]byte

func (z zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = z[0]
	}
	return len(p), nil
}

// cosign returns the latest checkpoint with a cosignature.
func (w *world) cosign(t *testing.T, by *checkpoint.Cosigner) (size int64, note []byte) {
	t.Helper()
	note = slices.Clone(w.objects[tiles.Checkpoint])
	head, err := w.keys.Open(note)
	if err != nil {
		t.Fatal(err)
	}
	line, err := by.Cosign(note)
	if err != nil {
		t.Fatal(err)
	}
	return head.Size, append(note, line...)
}

// names are the stored names with a prefix.
func (w *world) names(prefix string) func(context.Context) iter.Seq2[string, error] {
	return func(context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for _, name := range slices.Sorted(maps.Keys(w.objects)) {
				if strings.HasPrefix(name, prefix) && !yield(name, nil) {
					return
				}
			}
		}
	}
}

// The latest cosigned checkpoint never goes back, and one that does not satisfy the
// policy is stored and not shown.
func TestCosignedCheckpoints(t *testing.T) {
	w := newWorld(t, 5)
	yes, policy := witnessOf(t, w, "yes.example.com")
	no, _ := witnessOf(t, w, "no.example.com")
	keep, err := sealer.NewCosigned(sealer.CosignedConfig{Objects: objects{&process{world: w}}, Key: &w.keys.Verifier, Satisfied: policy.Satisfied})
	if err != nil {
		t.Fatal(err)
	}
	if note, err := keep.Latest(t.Context()); note != nil || err != nil {
		t.Errorf("%q, %v", note, err)
	}
	var notes [2][]byte
	var sizes [2]int64
	for i := range notes {
		w.record(w.now, 3)
		w.now = w.now.Add(2 * time.Minute)
		if err := w.drain(); err != nil {
			t.Fatal(err)
		}
		sizes[i], notes[i] = w.cosign(t, yes)
	}
	expect := func(step string, want []byte) {
		t.Helper()
		if note, err := keep.Latest(t.Context()); string(note) != string(want) || err != nil {
			t.Errorf("%s: %q, %v", step, note, err)
		}
	}
	size, foreign := w.cosign(t, no)
	if err := keep.KeepCosigned(t.Context(), size, foreign); err != nil {
		t.Fatal(err)
	}
	expect("a cosignature outside the policy", nil)
	for _, i := range []int{1, 0, 1} { // the older one late, as by a slow server
		if err := keep.KeepCosigned(t.Context(), sizes[i], notes[i]); err != nil {
			t.Fatal(err)
		}
		expect(fmt.Sprint("size ", sizes[i]), notes[1])
	}
	w.record(w.now, 3)
	w.now = w.now.Add(2 * time.Minute)
	if err := w.drain(); err != nil {
		t.Fatal(err)
	}
	size, foreign = w.cosign(t, no)
	if err := keep.KeepCosigned(t.Context(), size, foreign); err != nil {
		t.Fatal(err)
	}
	expect("a later cosignature outside the policy", notes[1])
	verify := func(p *checkpoint.Policy) sealer.Report {
		t.Helper()
		r, err := sealer.Verify(t.Context(), sealer.VerifyConfig{
			Log: &process{world: w}, Objects: plain{w}, Key: &w.keys.Verifier, Now: func() time.Time { return w.now },
			Expired: func(time.Time) bool { return false }, Names: w.names(tiles.Checkpoints), Cosigned: w.names(tiles.AllCosigned), Policy: p,
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := verify(policy); r.FaultCount != 0 || r.Witnessed != sizes[1] || !r.Policy || r.Checkpoints != 3 {
		t.Errorf("%+v", r)
	}
	// The log is rewritten with its key; the cosigned checkpoints remain.
	rewritten := newWorld(t, 5)
	rewritten.record(rewritten.now, 7)
	rewritten.now = rewritten.now.Add(2 * time.Minute)
	if err := rewritten.drain(); err != nil {
		t.Fatal(err)
	}
	for name, data := range w.objects {
		if strings.HasPrefix(name, tiles.AllCosigned) {
			rewritten.objects[name] = data
		}
	}
	w = rewritten
	if r := verify(policy); r.FaultCount == 0 || r.Witnessed != 0 {
		t.Errorf("a rewritten log: %+v", r)
	}
	// Control: without them the rewritten log is whole.
	for _, name := range slices.Collect(maps.Keys(w.objects)) {
		if strings.HasPrefix(name, tiles.AllCosigned) {
			delete(w.objects, name)
		}
	}
	if r := verify(policy); r.FaultCount != 0 {
		t.Errorf("without cosigned checkpoints: %+v", r)
	}
}
