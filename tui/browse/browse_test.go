package browse_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/backend/api"
	"usher/tui/browse"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
	"usher/tui/tuitest"
)

// browser is a pane with a fake server, without the root.
type browser struct {
	*browse.Pane
	server *tuitest.Server
	sent   []tea.Msg // by the last act or start
}

// newBrowser opens a path of the sample server.
func newBrowser(t *testing.T, path string) *browser {
	t.Helper()
	table, err := keys.New(keys.Default()...)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{server: tuitest.Reports(tuitest.NewServer("ada", "finance-team"))}
	b.Pane, err = browse.New(browse.Deps{
		Env:     &pane.Env{Theme: theme.New(theme.Options{Dark: true, Profile: colorprofile.TrueColor}), Keys: table, Zone: time.UTC, Me: &pane.Me{Version: "1", Online: true}},
		Backend: b.server, Server: "files.example.com", Now: tuitest.Epoch,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.View(120, 30) // sets the sizes of the lists
	b.sent = tuitest.Drive(b.Handle, b.Start(tuitest.At(path)))
	return b
}

// do runs actions, one after the other.
func (b *browser) do(actions ...keys.Action) {
	b.sent = nil
	for _, a := range actions {
		b.sent = append(b.sent, tuitest.Drive(b.Handle, b.Do(a))...)
	}
}

// write types into the text field.
func (b *browser) write(text string) {
	for _, r := range text {
		tuitest.Drive(b.Handle, b.Key(tea.KeyPressMsg{Code: r, Text: string(r)}))
	}
}

func (b *browser) wants(t *testing.T, texts ...string) {
	t.Helper()
	screen := ansi.Strip(b.View(120, 30))
	for _, x := range texts {
		if !strings.Contains(screen, x) {
			t.Fatalf("the pane does not show %q:\n%s", x, screen)
		}
	}
}

// message returns the last message of a type that the pane sent to the root.
func message[M tea.Msg](b *browser) (M, bool) {
	for _, m := range slices.Backward(b.sent) {
		if got, ok := m.(M); ok {
			return got, true
		}
	}
	var none M
	return none, false
}

// in runs a test in fake time.
func in(t *testing.T, test func(*testing.T)) { t.Helper(); synctest.Test(t, test) }

func TestWalk(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBrowser(t, "")
		b.wants(t, "Buckets", "company-reports")
		b.do(keys.Enter, keys.Enter)
		b.wants(t, "archive/", "audited/", "drafts/")
		b.do(keys.Down, keys.Enter) // audited/
		if got := strings.Join(b.Title(), " › "); got != "company-reports › annual › audited" {
			t.Errorf("the title is %q", got)
		}
		b.do(keys.Parent)
		b.wants(t, "▌  audited/") // the cursor is on the folder before
		b.do(keys.Visited)
		b.wants(t, "2025-annual-report.pdf")
		b.do(keys.Forward)
		if got := b.Target().Path(); got != "company-reports/annual/" {
			t.Errorf("forward leads to %s", got)
		}
		want := []string{"/", "company-reports/", "company-reports/annual/", "company-reports/annual/audited/"}
		if got := b.server.Lists(); !slices.Equal(got, want) {
			t.Errorf("listed %q, want each folder once: %q", got, want)
		}
	})
}

func TestMarkAndDownload(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBrowser(t, "company-reports/annual/audited/")
		b.do(keys.Last, keys.Mark, keys.Download)
		got, ok := message[browse.Download](b)
		if !ok || len(got.Entries) != 1 || got.Entries[0].Name.String() != "2025-notes-to-accounts.pdf" {
			t.Fatalf("asked the root for %+v", got)
		}
		b.Unmark()
		b.do(keys.First, keys.Download) // without a mark: the row under the cursor
		if got, _ := message[browse.Download](b); len(got.Entries) != 1 || got.Entries[0].Kind != api.KindFolder {
			t.Errorf("asked the root for %+v", got)
		}
		b.do(keys.Whole)
		if got, _ := message[browse.Download](b); len(got.Entries) != 1 || got.Entries[0].Key.Raw() != "annual/audited/" {
			t.Errorf("asked the root for %+v", got)
		}
	})
}

func TestFilter(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBrowser(t, "company-reports/annual/audited/")
		b.do(keys.Filter)
		b.write("ledger 2025")
		b.wants(t, "row 1 of 2, 50%, 33 in all", "2025-consolidated…edger.parquet")
		b.write("x")
		b.wants(t, `Nothing matches "ledger 2025x".`)
		b.Key(tea.KeyPressMsg{Code: tea.KeyEscape})
		b.wants(t, "of 33, ")
	})
}

func TestSort(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBrowser(t, "company-reports/annual/audited/")
		b.do(keys.SortMenu, keys.BySize)
		screen := ansi.Strip(b.View(120, 30))
		large, small := strings.Index(screen, "2025-consolidated…edger.parquet"), strings.Index(screen, "2025-annual-report.pdf")
		if large < 0 || small < large {
			t.Errorf("the largest file is not first:\n%s", screen)
		}
	})
}

// A missing folder closes, its parent opens, and a sentence is shown.
func TestGone(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBrowser(t, "company-reports/annual/audited/")
		b.server.Hide("company-reports/annual/audited/")
		b.do(keys.Reload)
		if got := b.Target().Path(); got != "company-reports/annual/" {
			t.Errorf("it stays at %s", got)
		}
		say, ok := message[pane.Say](b)
		if !ok || !strings.HasPrefix(say.Text.String(), "audited/ is no longer available") {
			t.Errorf("the sentence is %q", say.Text)
		}
	})
}

// The rows stay on the screen after a failed refresh.
func TestFailureIsShown(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBrowser(t, "company-reports/annual/audited/")
		b.server.Fail(&api.Error{Code: api.StorageUnavailable, RequestID: "r-1"})
		b.do(keys.Reload)
		if failed, ok := message[pane.Failed](b); !ok || pane.Code(failed.Err) != api.StorageUnavailable {
			t.Errorf("the root receives %v", failed.Err)
		}
		b.wants(t, "as of 09:12:04", "2025-annual-report.pdf")
		b.server.Fail(nil)
		b.do(keys.Reload)
		b.wants(t, "of 33, ")
	})
}

// A failed refresh makes the rows of its folder old, and those of no other one.
func TestFailureIsOfItsFolder(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBrowser(t, "company-reports/annual/audited/")
		b.do(keys.Parent)
		b.do(keys.Enter)
		b.server.Fail(&api.Error{Code: api.StorageUnavailable, RequestID: "r-1"})
		b.do(keys.Reload)
		b.wants(t, "as of ")
		b.do(keys.Parent) // a kept listing
		b.wants(t, "audited/")
		if text := ansi.Strip(b.View(120, 37)); strings.Contains(text, "as of ") {
			t.Errorf("the rows of another folder are old:\n%s", text)
		}
	})
}

func TestWhy(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBrowser(t, "")
		for _, row := range []struct {
			action keys.Action
			want   string
		}{
			{keys.Whole, "Download: open a bucket first."},
			{keys.CopySum, "Copy the checksum: move to a file."},
			{keys.Touched, "There is no audit log here."},
			{keys.Visited, "There is no folder to go back to."},
			{keys.Enter, ""},
		} {
			if got := b.Why(row.action).String(); got != row.want {
				t.Errorf("%s: %q, want %q", row.action, got, row.want)
			}
		}
	})
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	env, server := &pane.Env{}, tuitest.NewServer("ada")
	for want, d := range map[string]browse.Deps{
		"environment": {Backend: server, Now: tuitest.Epoch},
		"backend":     {Env: env, Now: tuitest.Epoch},
		"clock":       {Env: env, Backend: server},
	} {
		if _, err := browse.New(d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %v", want, err)
		}
	}
}

// The details show the ETag and the type as a whole, and break a long name before its
// extension.
func TestDetailsCutNothing(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBrowser(t, "company-reports/annual/audited/")
		b.do(keys.First, keys.Down, keys.Down, keys.Down, keys.Down, keys.Down, keys.Enter)
		b.wants(t, "│ 2018-consolidated-ledger ", "│ .parquet ", "│ ETag      d5cef92f19644c71e410", "│           2cb4132541af ", "│ Type      application/pdf ")
	})
}
