package tui_test

import (
	"testing"
	"time"

	"usher/client/history"
	"usher/tui/tuitest"
)

// past is a history with one download of each end.
func past() history.State {
	at := tuitest.Epoch().Add(-26 * time.Hour)
	s := history.State{Since: at, Files: 3, Bytes: 1_026_213_000}
	for i, e := range []history.Entry{
		{Key: "annual/audited/2025-auditor-opinion-signed.pdf", End: history.Done, Size: 391_000, Verified: "crc64nvme", Event: "01M8E3S2"},
		{Key: "annual/audited/2025-consolidated-ledger.parquet", End: history.Done, Size: 1_021_612_000, Verified: "sha256"},
		{Key: "annual/audited/2024-notes.txt", End: history.Done, Size: 4_210_000, Verified: "size"},
		{Key: "board-packs/2025-board-minutes-march.pdf", End: history.Denied, Size: 1_120_000},
		{Key: "annual/audited/p\u0430yroll\x1b[2J.csv", End: history.Failed, Size: -1},
	} {
		e.Bucket, e.At = "company-reports", at.Add(time.Duration(i)*time.Minute)
		s.Entries = append(s.Entries, e)
	}
	return s
}

// The history shows the ended downloads of earlier runs, newest first, each with the
// checksum that verified it, and leads to the file.
func TestHistory(t *testing.T) {
	for _, at := range []func(*testing.T, func(*program), func(*testing.T, *program)){at80, play} {
		at(t, nil, func(t *testing.T, w *program) {
			w.Press("t", "H")
			w.Wait(time.Second)
			w.Want(t, "Transfers › History", "3 files, 1.03 GB since 2026-11-22", "verified crc64nvme", "verified sha256", "by size only", "denied", "failed")
			w.Press("G")
			w.Want(t, "audit event 01M8E3S2")
			w.Press("y")
			w.Want(t, "Sent to the clipboard: company-reports/annual/audited/2025-auditor-opinion")
			w.Press("enter")
			w.Wait(time.Second)
			w.Want(t, "▌  2025-auditor-opinion-signed.pdf")
		})
	}
}

// Without a history there is no page, and the key gives the reason.
func TestNoHistory(t *testing.T) {
	play(t, func(w *program) { w.deps.History = nil }, func(t *testing.T, w *program) {
		w.Press("t", "H")
		w.Want(t, "No history is kept in this run.")
	})
	play(t, func(w *program) { w.deps.History = func() history.State { return history.State{} } }, func(t *testing.T, w *program) {
		w.Press("t", "H")
		w.Wait(time.Second)
		w.Want(t, "No download has ended yet.")
	})
}
