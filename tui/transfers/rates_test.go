package transfers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"usher/client/download"
	"usher/tui/transfers"
)

// Over SSH too, a folder alone in the queue has the rate of the queue, while the number
// of its running files changes.
func TestOneRateForOneFolder(t *testing.T) {
	for _, ssh := range []bool{true, false} {
		p := page(t)
		p.Env.Jump = ssh
		for i, rate := range []float64{3.06e6, 3.59e6, 2.11e6, 2.5e6} {
			left := time.Duration(300+i) * time.Second
			p.Handle(transfers.Refreshed{Snapshot: download.Snapshot{Files: 9, Bytes: 9e8, BytesDone: 1e8, Running: 3 - i/2, Rate: rate, Left: left, Transfers: []download.Transfer{
				{ID: 1, Bucket: "b", Key: "folder/", Folder: true, Files: 9, Size: 9e8, Done: 1e8, State: download.Running, Rate: rate, Left: left}}}})
			rates := make(map[string]bool)
			words := strings.Fields(ansi.Strip(p.View(200, 24)))
			for j, w := range words {
				if strings.HasPrefix(w, "MB/s") {
					rates[words[j-1]] = true
				}
			}
			if len(rates) != 1 {
				t.Errorf("SSH %t, copy %d: rates %v", ssh, i, rates)
			}
		}
	}
}

// A transfer without bytes shows its state and no percentage.
func TestNoPercentageBeforeTheFirstByte(t *testing.T) {
	p := page(t)
	shows := func(x download.Transfer, done int64, want string) {
		t.Helper()
		x.ID, x.Bucket, x.Key, x.Size, x.Done = 1, "b", "tiny", 94, done
		s := download.Snapshot{Files: 1, Bytes: 94, BytesDone: done, Running: 1, Transfers: []download.Transfer{x}}
		if x.State == download.Done {
			s.FilesDone, s.Running = 1, 0
		}
		p.Handle(transfers.Refreshed{Snapshot: s})
		title, _ := p.Window()
		text := ansi.Strip(p.View(120, 24) + "\n" + strings.Join(p.Strip(), "\n") + "\n" + title + "\n" + transfers.Short(x))
		if strings.Contains(text, " 0%") || strings.Contains(text, "\n0%") || !strings.Contains(text, want) {
			t.Errorf("%v, %d bytes: 0%%, or no %q in\n%s", x.State, done, want, text)
		}
	}
	shows(download.Transfer{State: download.Waiting}, 0, "queued")
	shows(download.Transfer{State: download.Running}, 0, "starting")
	shows(download.Transfer{State: download.Running}, 47, " 50%")
	shows(download.Transfer{State: download.Verifying}, 94, "100%")
	shows(download.Transfer{State: download.Done, Verified: "SHA-256"}, 94, "100%")
}
