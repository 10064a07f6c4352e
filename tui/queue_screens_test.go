package tui_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/download"
	"usher/tui/tuitest"
)

// queueScenes returns the scenes of downloads: the page and the dialogs.
func queueScenes() []scene {
	return []scene{
		{"transfers", ledgers, func(t *testing.T, w *program) {
			w.Press("a", "d")
			w.Wait(time.Second)
			w.Press("enter")
			w.Wait(4 * time.Second)
			w.Press("t", "p") // the first that runs
			w.Wait(9 * time.Second)
			w.Press("g", "j", "j", "j") // the one that failed
			w.Wait(time.Second)
			w.Want(t, "running", "failed", "paused", "waiting", "done", "denied")
		}},
		{"transfers-many", func(w *program) {
			many(20_000)(w)
			w.deps.SSH = false
			w.deps.FreeSpace = func(string) (int64, error) { return 4_160_000_000_000, nil }
			w.engine.Speed = 1000
		}, func(t *testing.T, w *program) {
			w.Press("a", "d")
			w.Wait(2 * time.Second)
			w.Press("enter")
			w.Wait(2 * time.Second)
			w.Press("t")
			w.Wait(time.Second)
			w.Want(t, "running", "next")
		}},
		{"transfers-same-names", func(w *program) {
			for _, dir := range []string{"2024/", "2025/north/"} {
				w.server.Put("builds/logs/"+dir+"same.txt", 64_000_000, "2026-01-02 03:04")
			}
			w.server.Put("builds/logs/2025/other.txt", 64_000_000, "2026-01-02 03:04")
			w.deps.Start = tuitest.At("builds/")
		}, func(t *testing.T, w *program) {
			w.Press("d")
			w.Wait(time.Second)
			w.Press("enter")
			w.Wait(time.Second)
			w.Press("t")
			w.Wait(time.Second)
		}},
		{"history", nil, func(t *testing.T, w *program) {
			w.Press("t", "H")
			w.Wait(time.Second)
			w.Want(t, "verified sha256")
		}},
		{"watch", builds(3), func(t *testing.T, w *program) {
			w.Press("f")
			w.Type("*.sig")
			w.Press("enter")
			w.Wait(time.Second)
			w.server.Put("builds/nightly/a-first.tar.gz", 1_000_000, "2026-11-23 02:00")
			w.Wait(31 * time.Second)
			w.Want(t, "1 new name in")
		}},
		{"watch-field", builds(3), func(t *testing.T, w *program) {
			w.Press("f")
			w.Type("*.sig")
		}},
		{"transfers-left", another, func(t *testing.T, w *program) {
			w.Press("j", "j", "j", "space", "space", "d")
			w.Wait(time.Second)
			w.Press("enter")
			w.Wait(2 * time.Second)
			w.Press("t")
			w.Wait(time.Second)
		}},
		{"ask-here", func(w *program) {
			another(w)
			here := w.engine.Here
			w.engine.Here = func(r download.Request) download.Presence {
				switch {
				case strings.Contains(r.Key, "2019-c"):
					return download.HereOther
				case strings.Contains(r.Key, "2019-a"):
					return download.Here
				}
				return here(r)
			}
		}, press("j", "j", "j", "space", "space", "space", "space", "space", "space", "d")},
		{"ask-folder", nil, func(t *testing.T, w *program) {
			w.Press("j", "j", "j", "space", "space", "d")
			w.Wait(time.Second)
			w.Press("c", "ctrl+u")
			w.Type("reports/annual")
			w.Press("enter")
			w.Wait(time.Second)
		}},
		{"ask-counting", func(w *program) {
			for i := range 5000 {
				w.server.Put(fmt.Sprintf("builds/many/b-%05d", i), 1_000_000, "2026-01-02 03:04")
			}
			w.deps.Start = tuitest.At("builds/")
		}, func(t *testing.T, w *program) {
			w.server.Delay = time.Second
			w.Press("d")
			w.Wait(4500 * time.Millisecond)
			w.Want(t, " 4,000, 4.00 GB")
		}},
		{"ask-too-big", tooBig, press("D")},
		{"ask-left-out", tooBig, press("D", "l")},
		{"remove", ledgers, func(t *testing.T, w *program) {
			w.Press("a", "d")
			w.Wait(time.Second)
			w.Press("enter")
			w.Wait(4 * time.Second)
			w.Press("t", "x")
			w.Wait(time.Second)
		}},
		{"held", ledgers, func(t *testing.T, w *program) {
			w.Press("a", "d")
			w.Wait(time.Second)
			w.Press("enter")
			w.Wait(4 * time.Second)
			w.engine.Stop(download.WaitingNetwork)
			w.Wait(time.Second)
			w.Press("t")
			w.Wait(time.Second)
		}},
		{"unfinished", unfinished, nil},
	}
}

// ledgers adds a folder of large files with two failures.
func ledgers(w *program) {
	const dir = "company-reports/annual/ledgers/"
	for _, f := range []struct {
		name string
		size int64
	}{
		{"2021-consolidated-ledger.parquet", 803_000_000}, {"2022-consolidated-ledger.parquet", 871_000_000},
		{"2023-annual-report.pdf", 4_210_000}, {"2023-auditor-opinion-signed.pdf", 391_000}, {"2023-board-minutes-march.pdf", 1_120_000},
		{"2024-consolidated-ledger.parquet", 946_000_000}, {"2025-consolidated-ledger.parquet", 1_020_000_000},
		{"2025-consolidated-ledger-restated.parquet", 1_020_000_000}, {"2025-financial-statements.xlsx", 2_840_000}, {"2025-management-letter.docx", 118_000},
	} {
		w.server.Put(dir+f.name, f.size, "2026-03-14 09:12")
	}
	w.deps.Start = tuitest.At(dir)
	w.engine.Fail = func(r download.Request) error {
		switch {
		case strings.Contains(r.Key, "2022-consolidated"):
			return &download.Error{Kind: download.ErrNetwork, Detail: "the connection broke 3 times"}
		case strings.Contains(r.Key, "board-minutes"):
			return &api.Error{Code: api.NotFound, RequestID: "r-01JD9X5C8M"}
		}
		return nil
	}
}

func tooBig(w *program) {
	for i, name := range []string{"report.pdf", "name\x1b]0;owned\x07.txt", "two-tebibytes-of-nothing.bin"} {
		w.server.Put("datasets/public/hostile/"+name, []int64{48_000, 1000, 2 << 40}[i], "2026-01-02 03:04")
	}
	w.deps.Start = tuitest.At("datasets/public/hostile/")
}
