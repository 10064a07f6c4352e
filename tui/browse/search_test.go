package browse_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/tui/browse"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/tuitest"
)

// find searches below the open folder.
func (b *browser) find(text string) {
	b.do(keys.FindHere)
	for range 100 {
		b.Key(tea.KeyPressMsg{Code: tea.KeyBackspace})
	}
	b.write(text)
	b.sent = tuitest.Drive(b.Handle, b.Key(tea.KeyPressMsg{Code: tea.KeyEnter}))
}

// The server searches, page by page. The result is a folder with marks and downloads.
func TestSearch(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBrowser(t, "company-reports/annual/audited/")
		b.server.PerPage = 10
		before := b.server.Lists()
		b.find("LETTER size:<200k modified:<400d")
		b.wants(t, "1 found in 34 names", "2025-management-letter.docx")
		if got := strings.Join(b.Title(), " › "); got != "company-reports › annual › audited › search: LETTER size:<200k modified:<400d" {
			t.Errorf("the title is %q", got)
		}
		asked := b.server.Searches()
		if len(asked) != 4 || len(slices.Compact(slices.Clone(asked))) != 1 {
			t.Errorf("the requests are %q, want four pages of one search", asked)
		}
		for _, part := range []string{`"text":"LETTER"`, `"max":199999`, `"from":"2025-10-19T09:12:04Z"`, `"prefix":"annual/audited/"`} {
			if !strings.Contains(asked[0], part) {
				t.Errorf("the request %s is without %s", asked[0], part)
			}
		}
		if after := b.server.Lists(); !slices.Equal(before, after) {
			t.Errorf("the search has listed %q", after[len(before):])
		}
		b.find("**/*.csv")
		b.wants(t, "working-papers/2024/b.csv", "2 found in 34 names")
		b.do(keys.First, keys.Mark, keys.Download)
		if got, ok := message[browse.Download](b); !ok || len(got.Entries) != 1 || got.Entries[0].Key.Raw() != "annual/audited/working-papers/2024/b.csv" {
			t.Errorf("marked for download: %+v", got)
		}
		b.Unmark()
		b.do(keys.Whole)
		if got, ok := message[browse.Download](b); !ok || len(got.Entries) != 2 || got.Entries[1].Kind != api.KindObject {
			t.Errorf("download of the whole result: %+v", got)
		}
		b.do(keys.Back)
		if got := strings.Join(b.Title(), " › "); got != "company-reports › annual › audited" {
			t.Errorf("esc leads to %q", got)
		}
		b.do(keys.Visited)
		b.wants(t, "working-papers/2024/b.csv")
	})
}

func TestSearchWithoutResult(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBrowser(t, "company-reports/annual/audited/")
		b.find("nowhere")
		b.wants(t, `Nothing matches "nowhere" in 34 names.`, "another search")
		if why := b.Why(keys.Whole).String(); why != "Download: the search has found no file." {
			t.Errorf("download of an empty result: %q", why)
		}
		b.do(keys.Back)
		b.find("size:100M") // the text stays, to be corrected
		say, _ := message[pane.Say](b)
		if !strings.HasPrefix(say.Text.String(), `Search: "100M" is not a limit of sizes`) || !b.Typing() {
			t.Errorf("the sentence is %q, typing %v", say.Text, b.Typing())
		}
		if n := len(b.server.Searches()); n != 1 {
			t.Errorf("%d searches", n)
		}
		b = newBrowser(t, "")
		b.do(keys.FindHere)
		if say, _ := message[pane.Say](b); say.Text.String() != "Search subfolders: open a bucket first." {
			t.Errorf("the sentence is %q", say.Text)
		}
	})
}

// stopper calls stop within the second page of each search.
type stopper struct {
	*tuitest.Server
	stop     func()
	canceled bool
}

func (s *stopper) Search(ctx context.Context, r api.SearchRequest) (api.SearchResponse, error) {
	if r.Cursor != "" {
		s.stop()
		s.canceled = ctx.Err() != nil
		return api.SearchResponse{}, ctx.Err()
	}
	return s.Server.Search(ctx, r)
}

// Esc cancels the pending request, and the results so far stay.
func TestSearchStops(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBrowser(t, "company-reports/annual/audited/")
		b.server.PerPage = 10
		s := &stopper{Server: b.server}
		s.stop = func() {
			b.wants(t, "searching… 6 found in 10 names")
			b.Do(keys.Back)
		}
		b.Backend = s
		b.find("201")
		if !s.canceled {
			t.Error("the request goes on")
		}
		b.wants(t, "stopped, 6 found in 10 names")
		b.do(keys.Back)
		if got := strings.Join(b.Title(), " › "); got != "company-reports › annual › audited" {
			t.Errorf("esc leads to %q", got)
		}
	})
}
