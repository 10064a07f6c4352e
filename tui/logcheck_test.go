package tui_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/safetext"
	"usher/tui"
)

// The log is checked at the start and each hour. A finding opens a dialog and stays
// in the status line.
func TestAChangedLogStaysOnTheScreen(t *testing.T) {
	var checks atomic.Int64
	var changed atomic.Bool
	at80(t, func(w *program) {
		w.deps.Now = time.Now
		w.deps.CheckLog = func(context.Context) (out tui.LogCheck) {
			if checks.Add(1); changed.Load() {
				out.Finding = safetext.New("The audit log of files.example.com was rolled back: it has 7 events, and had 12.")
			}
			return out
		}
	}, func(t *testing.T, w *program) {
		if w.Wait(time.Second); checks.Load() != 1 {
			t.Fatalf("%d checks at the start", checks.Load())
		}
		if w.Wait(3*time.Hour + 2*time.Minute); checks.Load() != 4 {
			t.Errorf("%d checks after three hours", checks.Load())
		}
		if text := w.Text(); strings.Contains(text, "rolled back") {
			t.Errorf("a finding without a reason:\n%s", text)
		}
		changed.Store(true)
		w.Wait(time.Hour + time.Minute)
		if text := w.Text(); !strings.Contains(text, "The audit log was changed") || !strings.Contains(text, "it has 7 events") {
			t.Errorf("no dialog:\n%s", text)
		}
		w.Press("enter")
		w.Press("j")
		if text := w.Text(); strings.Contains(text, "The audit log was changed") || !strings.Contains(text, "The audit log of files.example.com was rolled back") {
			t.Errorf("the finding is gone:\n%s", text)
		}
	})
}
