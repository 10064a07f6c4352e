package versions_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/browse"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
	"usher/tui/tuitest"
	"usher/tui/versions"
)

// server answers with the versions that it has at the time of a call.
type server struct {
	ids []string
	err error
}

func (s *server) Versions(context.Context, api.VersionsRequest) (api.VersionsResponse, error) {
	var out api.VersionsResponse
	for i, id := range s.ids {
		out.Versions = append(out.Versions, api.ObjectVersion{Version: id, Size: int64(i), Latest: i == 0})
	}
	return out, s.err
}

// page is a page under test, without the root.
type page struct {
	*versions.Page
	t    *testing.T
	sent []tea.Msg
}

func newPage(t *testing.T, s *server) *page {
	t.Helper()
	m, err := keys.New(keys.Default()...)
	if err != nil {
		t.Fatal(err)
	}
	env := &pane.Env{Theme: theme.New(theme.Options{}), Keys: m, Zone: time.UTC, Me: &pane.Me{}}
	p, err := versions.New(versions.Deps{Env: env, Backend: s, Server: "files.example.com",
		File: browse.Entry{Kind: api.KindObject, Bucket: safetext.New("reports"), Key: safetext.New("a.txt"), Name: safetext.New("a.txt")}})
	if err != nil {
		t.Fatal(err)
	}
	p.View(100, 24)
	return &page{Page: p, t: t}
}

func (p *page) run(cmd tea.Cmd) { p.sent = append(p.sent, tuitest.Drive(p.Handle, cmd)...) }

func (p *page) do(all ...keys.Action) {
	for _, a := range all {
		p.run(p.Do(a))
	}
}

// said returns the last sentence for the status line.
func (p *page) said() string {
	for i := len(p.sent) - 1; i >= 0; i-- {
		if s, ok := p.sent[i].(pane.Say); ok {
			return s.Text.String()
		}
	}
	return ""
}

func (p *page) screen() string {
	left, _ := p.Status(100)
	return ansi.Strip(p.View(100, 24) + "\n" + left)
}

// count requires the number of times that a text is on the screen.
func (p *page) count(text string, want int) {
	p.t.Helper()
	if s := p.screen(); strings.Count(s, text) != want {
		p.t.Errorf("%q is not %d times on the screen:\n%s", text, want, s)
	}
}

// A list that is requested again has each version once, also if the response to the
// request before arrives late. Cursor and marks stay.
func TestVersionsAreRequestedAgain(t *testing.T) {
	s := &server{ids: []string{"id-3", "id-2", "id-1"}}
	p := newPage(t, s)
	first := p.Opened()
	second := p.Do(keys.Reload)
	third := p.Do(keys.Reload)
	for _, cmd := range []tea.Cmd{second, first, third} {
		p.run(cmd)
	}
	p.count("id-2", 1)
	p.count("3 versions", 1)
	p.do(keys.Down, keys.Mark) // id-2; the cursor goes to id-1
	s.ids = []string{"id-4", "id-3", "id-2", "id-1"}
	again := p.Do(keys.Reload)
	p.count("3 versions, 1 marked", 1) // the rows stay until the response
	p.run(again)
	p.count("4 versions, 1 marked", 1)
	if w := p.Words(); !strings.Contains(w.Row.Text, "version 4 of 4") || w.Row.ID != "id-1" {
		t.Errorf("the cursor is on %+v", w.Row)
	}
	s.ids = []string{"id-4", "id-3", "id-1"}
	p.do(keys.Reload)
	if got := p.said(); got != "A marked version is not there any more. Its mark is removed." {
		t.Errorf("a marked version is gone: %q", got)
	}
	p.count("marked", 0)
}

// The response to an earlier request does not replace the versions of a later one.
func TestALateResponseIsDropped(t *testing.T) {
	s := &server{ids: []string{"old"}}
	p := newPage(t, s)
	early := p.Opened()
	late := early() // the response, not handled yet
	s.ids = []string{"new", "old"}
	p.do(keys.Reload)
	p.Handle(late)
	p.count("new", 1)
}

// An error of a repeated request has its sentence above the rows, unless there is no
// access any more: no row stays.
func TestVersionsFailAgain(t *testing.T) {
	s := &server{ids: []string{"id-2", "id-1"}}
	p := newPage(t, s)
	p.run(p.Opened())
	s.err = &api.Error{Code: api.AuditUnavailable}
	p.do(keys.Reload)
	p.count(api.Lookup(api.AuditUnavailable).Sentence, 1)
	p.count("id-2", 1)
	s.err = &api.Error{Code: api.NotFound}
	p.do(keys.Reload)
	p.count(api.Lookup(api.NotFound).Sentence, 1)
	p.count("id-2", 0)
}

// Keys that come before the versions are answered by a sentence.
func TestKeysBeforeTheVersions(t *testing.T) {
	p := newPage(t, &server{ids: []string{"id-2", "id-1"}})
	opened := p.Opened()
	for _, a := range []keys.Action{keys.Down, keys.Last, keys.Mark, keys.Compare, keys.Download, keys.Enter, keys.Read, keys.CopyMenu} {
		p.sent = nil
		p.do(a)
		if got := p.said(); got != "The versions are being listed." {
			t.Errorf("%s is answered by %q", a, got)
		}
	}
	p.run(opened)
	p.sent = nil
	p.do(keys.Compare)
	if got := fmt.Sprintf("%T", p.sent[len(p.sent)-1]); got != "pane.Open" {
		t.Errorf("compare sends %s", got)
	}
}
