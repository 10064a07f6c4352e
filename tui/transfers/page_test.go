package transfers_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"usher/client/download"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/transfers"
)

// lines returns the rows of the list, unpainted.
func lines(p *transfers.Pane, w, h int) []string {
	var out []string
	for _, l := range strings.Split(ansi.Strip(p.View(w, h)), "\n")[3:] {
		out = append(out, strings.TrimRight(l, " "))
	}
	return out
}

// Rows are sorted by group. A wide page has an empty line between its blocks.
func TestRowsAreGrouped(t *testing.T) {
	p := page(t)
	s := download.Snapshot{}
	states := []download.State{download.Denied, download.Done, download.Waiting, download.Paused, download.Failed, download.Verifying, download.Running, download.Waiting, download.Cancelled, download.Skipped}
	for i, st := range states {
		s.Transfers = append(s.Transfers, download.Transfer{ID: download.ID(i + 1), Bucket: "b", Key: fmt.Sprintf("file-%d", i), Size: 1000, State: st})
	}
	p.Handle(transfers.Refreshed{Snapshot: s})
	for w, want := range map[int]string{
		80:  "verifying running failed paused waiting waiting done here denied",
		120: "verifying running failed paused waiting waiting - done here - denied",
	} {
		var got []string
		for _, l := range lines(p, w, 30)[:12] {
			switch f := strings.Fields(strings.TrimPrefix(l, "▌")); {
			case len(f) > 1 && len([]rune(f[0])) == 1:
				got = append(got, f[1])
			case len(f) == 0:
				got = append(got, "-")
			}
		}
		if g := strings.TrimRight(strings.Join(got, " "), " -"); g != want {
			t.Errorf("%d cells: %q, want %q", w, g, want)
		}
	}
	if text := strings.Join(lines(p, 80, 30), "\n"); strings.Count(text, "next") != 1 || !strings.Contains(text, "file-2") {
		t.Errorf("not one file is next:\n%s", text)
	}
}

// Among 20,000 transfers the page opens on an active one, and the cursor stays on
// active ones until a key moves it. Then it stays on its transfer.
func TestPageOpensOnAnActiveTransfer(t *testing.T) {
	p := page(t)
	s := download.Snapshot{Transfers: make([]download.Transfer, 20_000), Running: 1}
	for i := range s.Transfers {
		s.Transfers[i] = download.Transfer{ID: download.ID(i + 1), Bucket: "b", Key: fmt.Sprintf("%d/file-%05d", i, i), Size: 1000, State: download.Done}
	}
	s.Transfers[15_000].State = download.Running
	p.Opened()
	p.Handle(transfers.Refreshed{Snapshot: s})
	if l := lines(p, 80, 24)[0]; !strings.Contains(l, "▌ ↓ running    file-15000") {
		t.Errorf("the first row is %q", l)
	}
	s.Transfers[15_000].State, s.Transfers[15_001].State = download.Done, download.Running
	p.Handle(transfers.Refreshed{Snapshot: s})
	if l := lines(p, 80, 24)[0]; !strings.Contains(l, "▌ ↓ running    file-15001") {
		t.Errorf("the first row is %q", l)
	}
	p.Do(keys.Down)
	s.Transfers[15_002].State = download.Running
	p.Handle(transfers.Refreshed{Snapshot: s})
	found := false
	for _, l := range lines(p, 80, 24) {
		found = found || strings.HasPrefix(l, "▌") && strings.Contains(l, "file-00000")
	}
	if !found {
		t.Errorf("the cursor left its transfer:\n%s", strings.Join(lines(p, 80, 24), "\n"))
	}
}

// The line above the list, the rows and the strip end with whole words, for any
// numbers.
func TestNoWordIsCut(t *testing.T) {
	whole := regexp.MustCompile(`(^|%|[ ,])( ?\d+ (s|days)( left)?|\d+m \d+s( left)?|\d+h \d\dm( left)?|\d+ min \d+ s left|\d+ h \d\d min left|[\d.]+ [kMGT]?B/s|waiting( for the network)?|counting…( [\d,]+)?|no data( for)? \d.*|no data|paused|\d+%)$`)
	p := page(t)
	n := 0
	for _, w := range []int{72, 80, 100, 110, 120, 170, 200} {
		for _, left := range []time.Duration{0, 14 * time.Second, 70 * time.Second, 59*time.Minute + 59*time.Second, 125 * time.Minute, 99*time.Hour + 59*time.Minute, 900 * time.Hour, 1e9 * time.Second} {
			for _, rate := range []float64{0, 812, 24_100_000, 240_000_000, 1e9} {
				for _, files := range []int{1, 11, 20_000} {
					x := download.Transfer{ID: 1, Bucket: "b", Key: "a-file-with-a-long-name-indeed.parquet", Size: 1_020_000_000, Done: 690_000_000, State: download.Running, Rate: rate, Left: left}
					s := download.Snapshot{Transfers: []download.Transfer{x}, Running: 1, Files: files, FilesFailed: files / 10, Bytes: 3_770_000_000, BytesDone: 1_120_000_000, Rate: rate, Left: left}
					for _, change := range []func(){
						func() {}, func() { s.Transfers[0].Quiet = 83 * time.Second },
						func() { s.Transfers[0].Quiet, s.Transfers[0].State = 0, download.WaitingNetwork },
						func() { s.Transfers[0].State, s.Counting = download.Running, 20_000 },
					} {
						change()
						p.Handle(transfers.Refreshed{Snapshot: s})
						text := strings.Split(ansi.Strip(p.View(w, 20)), "\n")
						for _, l := range []string{text[2], text[4], text[5]} {
							n++
							if l = strings.TrimRight(l, " "); l != "" && !strings.Contains(l, "at 690 MB") && !strings.HasSuffix(l, "list") && !strings.HasSuffix(l, "  "+x.Key) && !whole.MatchString(l) {
								t.Fatalf("%d cells, %v left, %.0f B/s: %q", w, left, rate, l)
							}
						}
						for _, form := range p.Strip() {
							l := ansi.Strip(form)
							if !whole.MatchString(l) || !strings.Contains(l, "%") {
								t.Fatalf("strip %q", l)
							}
							if s.Transfers[0].State == download.WaitingNetwork && !strings.Contains(l, "waiting") {
								t.Fatalf("strip %q lacks the reason of the wait", l)
							}
						}
					}
				}
			}
		}
	}
	if n < 1000 {
		t.Errorf("only %d lines were checked", n)
	}
}

// said runs a command and returns the sentence that it sends.
func said(cmd tea.Cmd) string {
	if cmd == nil {
		return ""
	}
	switch m := cmd().(type) {
	case pane.Say:
		return m.Text.String()
	case tea.BatchMsg:
		for _, c := range m {
			if s := said(c); s != "" {
				return s
			}
		}
	}
	return ""
}

// The sentence appears once, when no transfer is unfinished, with the sums of the
// batch. A paused transfer is unfinished.
func TestSentenceAtTheEnd(t *testing.T) {
	row := func(id int, st download.State) download.Transfer {
		return download.Transfer{ID: download.ID(id), Bucket: "b", Key: fmt.Sprint(id), State: st}
	}
	for _, c := range []struct {
		rest download.Snapshot
		want string
	}{
		{download.Snapshot{Files: 3, FilesDone: 3, BytesNew: 412_000_000}, "3 files, 412 MB, verified."},
		{download.Snapshot{Files: 1, FilesDone: 1, FilesSame: 1}, "1 file was already here and identical."},
		{download.Snapshot{Files: 4, FilesDone: 4, FilesSame: 2, BytesNew: 5000}, "2 files, 5.00 kB, verified. 2 files were already here and identical."},
		{download.Snapshot{Files: 3, FilesDone: 3, BytesNew: 5000, FilesPlain: 2}, "3 files, 5.00 kB, verified, 2 of them by size only."},
		{download.Snapshot{Files: 3, FilesDone: 3, BytesNew: 5000, FilesPlain: 3}, "3 files, 5.00 kB, checked by size only."},
		{download.Snapshot{Files: 3, FilesDone: 2, BytesNew: 5000, FilesFailed: 1}, "1 of 3 files failed. t shows why. 2 files, 5.00 kB, verified."},
		{download.Snapshot{Files: 2, FilesDone: 1, BytesNew: 5000, Transfers: []download.Transfer{row(1, download.Done), row(2, download.Paused)}}, ""},
		{download.Snapshot{}, ""}, // all transfers were removed
	} {
		p := page(t)
		if say := said(p.Handle(transfers.Refreshed{Snapshot: download.Snapshot{Files: 1, Transfers: []download.Transfer{row(1, download.Paused)}}})); say != "" {
			t.Errorf("said %q while something is paused", say)
		}
		if say := said(p.Handle(transfers.Refreshed{Snapshot: c.rest})); say != c.want {
			t.Errorf("said %q, want %q", say, c.want)
		}
		if say := said(p.Handle(transfers.Refreshed{Snapshot: c.rest})); say != "" {
			t.Errorf("said %q again", say)
		}
	}
	p := page(t)
	left := row(7, download.Skipped)
	left.Differs = true
	p.Handle(transfers.Refreshed{Snapshot: download.Snapshot{Files: 2, Transfers: []download.Transfer{row(7, download.Running)}}})
	want := "1 file differs and was not replaced. t shows more. 1 file was already here and identical."
	if say := said(p.Handle(transfers.Refreshed{Snapshot: download.Snapshot{Files: 2, FilesDone: 2, FilesSame: 1, FilesDiffer: 1, Transfers: []download.Transfer{left, row(8, download.Skipped)}}})); say != want {
		t.Errorf("said %q, want %q", say, want)
	}
	// The next batch does not count it again.
	p.Handle(transfers.Refreshed{Snapshot: download.Snapshot{Files: 1, Transfers: []download.Transfer{left, row(9, download.Running)}}})
	if say := said(p.Handle(transfers.Refreshed{Snapshot: download.Snapshot{Files: 1, FilesDone: 1, FilesSame: 1, Transfers: []download.Transfer{left, row(9, download.Skipped)}}})); say != "1 file was already here and identical." {
		t.Errorf("said %q", say)
	}
}

// The key line shows the effect of a key on the row under the cursor.
func TestLabelsFollowTheRow(t *testing.T) {
	p := page(t)
	at := func(st download.State, err error) {
		p.Handle(transfers.Refreshed{Snapshot: download.Snapshot{Transfers: []download.Transfer{{ID: 1, Bucket: "b", Key: "k", State: st, Err: err}}}})
	}
	at(download.Running, nil)
	if p.Label(keys.Pause) != "" || p.Label(keys.PauseAll) != "" {
		t.Error("a running one is paused")
	}
	at(download.Paused, nil)
	if p.Label(keys.Pause) != "resume" || p.Label(keys.PauseAll) != "resume all" {
		t.Errorf("a paused one: %q, %q", p.Label(keys.Pause), p.Label(keys.PauseAll))
	}
	at(download.Failed, &download.Error{Kind: download.ErrExists})
	if p.Label(keys.Again) != "replace" || !p.Why(keys.KeepBoth).IsZero() {
		t.Errorf("one with a different local file: %q, %q", p.Label(keys.Again), p.Why(keys.KeepBoth))
	}
	at(download.Failed, download.ErrNetwork)
	if p.Label(keys.Again) != "" || p.Why(keys.KeepBoth).IsZero() {
		t.Error("a broken connection offers to keep both")
	}
	for _, b := range p.Env.Keys.All(keys.Transfers) {
		for _, k := range b.Keys {
			if k == "Y" {
				t.Error("Y copies nothing here")
			}
		}
	}
}

// A file that was saved under another name shows that name: at the end of a wide
// row, and always below the row under the cursor.
func TestAnotherNameIsShown(t *testing.T) {
	p := page(t)
	shown := func(w int, dest string) string {
		p.Handle(transfers.Refreshed{Snapshot: download.Snapshot{Transfers: []download.Transfer{
			{ID: 1, Bucket: "b", Key: "annual/2024.pdf", Size: 10, Done: 10, State: download.Done, Verified: "crc64nvme", Dest: dest}}}})
		return ansi.Strip(p.View(w, 20))
	}
	if s := shown(200, "/home/a/usher/2024.pdf"); strings.Contains(s, "saved as") {
		t.Errorf("of its usual name:\n%s", s)
	}
	if s := shown(200, "/home/a/usher/2024 (1).pdf"); !strings.Contains(s, "verified crc64nvme, saved as 2024 (1).pdf") {
		t.Errorf("in a wide window:\n%s", s)
	}
	if s := shown(80, "/home/a/usher/2024\x1b[2J (1).pdf"); !strings.Contains(s, "saved as 2024\\u{1b}[2J (1).pdf") {
		t.Errorf("in a narrow one:\n%s", s)
	}
}

// Fresh drops all state of the person before: rows, folder, and pending copies of
// the queue.
func TestFreshForgets(t *testing.T) {
	p := page(t)
	late := p.Look()()
	p.Handle(transfers.Refreshed{Snapshot: snapshot()})
	p.Dir = "/home/ada/elsewhere"
	p.Fresh("/home/ada/usher")
	if p.Where() != "~/usher" || len(p.Strip()) != 0 || len(p.Newest()) != 0 {
		t.Errorf("left: %s, %q", p.Where(), p.Strip())
	}
	m := late.(transfers.Refreshed)
	m.Snapshot = snapshot()
	p.Handle(m)
	if text := ansi.Strip(p.View(120, 30)); !strings.Contains(text, "No transfers.") {
		t.Errorf("a late copy was taken:\n%s", text)
	}
}

// A folder whose listing lacks names shows them, with the next step below its row.
func TestOmittedNamesAreShown(t *testing.T) {
	p := page(t)
	folder := download.Transfer{ID: 1, Bucket: "b", Key: "f/", State: download.Done, Folder: true, Files: 3, FilesDone: 3, Omitted: 2,
		Event: "Not complete: the server left out 2 names. Tell your administrator."}
	p.Handle(transfers.Refreshed{Snapshot: download.Snapshot{Files: 3, FilesDone: 3, Transfers: []download.Transfer{folder}}})
	if text := ansi.Strip(p.View(120, 20)); !strings.Contains(text, "3 files, 2 names left out") || !strings.Contains(text, "Tell your administrator.") {
		t.Errorf("the page is\n%s", text)
	}
}

// All times of a page have one form: long in a wide window, short in a narrow one.
func TestTimesOfAPageHaveOneForm(t *testing.T) {
	p := page(t)
	left := 154 * time.Second
	s := download.Snapshot{Files: 4, Bytes: 4000, Running: 1, Rate: 2e6, Left: left, Transfers: []download.Transfer{
		{ID: 1, Bucket: "b", Key: "file", Size: 1000, Done: 10, State: download.Running, Rate: 1e6, Left: left},
		{ID: 2, Bucket: "b", Key: "folder/", Size: 3000, State: download.Running, Folder: true, Files: 3, Rate: 1e6, Left: left},
	}}
	p.Handle(transfers.Refreshed{Snapshot: s})
	for w, form := range map[int][2]string{80: {"2m 34s", "2 min 34 s"}, 120: {"2 min 34 s", "2m 34s"}, 200: {"2 min 34 s", "2m 34s"}} {
		text := ansi.Strip(p.View(w, 24))
		if n := strings.Count(text, form[0]); n < 2 || strings.Contains(text, form[1]) {
			t.Errorf("%d cells: %d times as %q, want 2 or more and no %q:\n%s", w, n, form[0], form[1], text)
		}
	}
}

// Over SSH a rate and a time left stay for some seconds. The last seconds, a stall and
// the bytes are never held back.
func TestRatesAreSteadyOverSSH(t *testing.T) {
	at := func(rate float64, left, quiet time.Duration, done int64) transfers.Refreshed {
		return transfers.Refreshed{Snapshot: download.Snapshot{Files: 1, Bytes: 9e8, BytesDone: done, Running: 1, Rate: rate, Left: left, Transfers: []download.Transfer{
			{ID: 1, Bucket: "b", Key: "file", Size: 9e8, Done: done, State: download.Running, Rate: rate, Left: left, Quiet: quiet}}}}
	}
	for _, ssh := range []bool{true, false} {
		p := page(t)
		p.Env.Jump = ssh
		shows := func(m transfers.Refreshed, want ...string) {
			t.Helper()
			p.Handle(m)
			text := ansi.Strip(p.View(120, 24))
			for _, x := range want {
				if !strings.Contains(text, x) {
					t.Errorf("SSH %t: no %q in\n%s", ssh, x, text)
				}
			}
		}
		shows(at(3e6, 5*time.Minute, 0, 1e8), "3.00 MB/s  5 min", "11%")
		second := "3.10 MB/s  4 min 50 s left"
		if ssh {
			second = "3.00 MB/s  5 min 0 s left"
		}
		shows(at(3.1e6, 290*time.Second, 0, 2e8), second, "22%", "200 of 900 MB")
		shows(at(3.2e6, 9*time.Second, 0, 8e8), "3.20 MB/s  9 s left")
		shows(at(3e6, 5*time.Minute, 0, 1e8), "3.00 MB/s  5 min")
		shows(at(1e6, 280*time.Second, 7*time.Second, 2e8), "stalled", "no data for 7 s")
	}
}
