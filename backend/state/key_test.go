package state_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"sync"
	"testing"

	"usher/backend/dynamo"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/state"
)

// All instances get the key of the first one, and other names have other keys.
func TestKeyIsShared(t *testing.T) {
	w := newWorld(t)
	var made [8][]byte
	var all sync.WaitGroup
	for i := range made {
		c := w.config(0)
		all.Go(func() {
			var err error
			if made[i], err = state.Key(t.Context(), c, rand.Reader, "device"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	other, err := state.Key(t.Context(), w.config(0), rand.Reader, "other")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range made {
		if len(key) != 32 || !bytes.Equal(key, made[0]) || bytes.Equal(key, other) {
			t.Errorf("the keys are %x and %x", made, other)
		}
	}
	w.server.Fault(func(string, int, []byte) dynamotest.Fault { return dynamotest.Down })
	if key, err := state.Key(t.Context(), w.config(0), rand.Reader, "device"); !errors.Is(err, dynamo.ErrUnavailable) || key != nil {
		t.Errorf("without a table: %x, %v", key, err)
	}
}
