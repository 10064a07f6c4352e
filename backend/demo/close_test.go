package demo_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"runtime"
	"testing"
	"time"

	"usher/backend/demo"
	"usher/backend/event"
)

// Close waits for the first keys of the pool, which are written into the directory
// that it removes.
func TestCloseWaitsForTheFirstKeys(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	d, err := demo.Start(t.Context(), demo.Options{NewID: event.IDs(rand.Reader)})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); !running("(*Pool).Warm"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the keys were not made, or in no time")
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if running("(*Pool).Warm") {
		t.Error("the keys are still being made")
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// running reports whether a function is on the stack of any goroutine.
func running(function string) bool {
	stacks := make([]byte, 1<<20)
	return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte(function))
}
