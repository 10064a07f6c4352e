package browse

import (
	"os"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/client/download"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
)

// spread runs commands and their batches, each on a goroutine of its own, because a
// watch ends with one that waits for the next listing.
func spread(cmd tea.Cmd, to chan<- tea.Msg) {
	if cmd == nil {
		return
	}
	go func() {
		msg := cmd()
		if all, ok := msg.(tea.BatchMsg); ok {
			for _, c := range all {
				spread(c, to)
			}
			return
		}
		select {
		case to <- msg:
		default:
		}
	}()
}

// A watch over HTTP reports new and changed objects, downloads those that match, and
// ends with the access. Each of its listings is an event.
func TestWatchOverABackend(t *testing.T) {
	usher := demotest.Start(t, demo.Options{})
	ada := usher.SignIn(t, "ada")
	const bucket, folder = "company-reports", "quarterly/watched/"
	usher.Put(t, bucket, folder+"old.csv", "old")
	table, err := keys.New(keys.Default()...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Deps{Env: &pane.Env{Theme: theme.New(theme.Options{}), Keys: table, Zone: time.UTC, Me: &pane.Me{}}, Backend: ada, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	p.here.location = location{bucket: bucket, prefix: folder}
	msgs := make(chan tea.Msg, 100)
	// due lists the folder once, and returns the first message that want accepts.
	due := func(cmd tea.Cmd, want func(tea.Msg) bool) tea.Msg {
		t.Helper()
		for len(msgs) > 0 {
			<-msgs
		}
		answer, ok := cmd().(watched)
		if !ok {
			t.Fatal("the listing has no response")
		}
		spread(p.Handle(answer), msgs)
		for end := time.After(30 * time.Second); ; {
			select {
			case m := <-msgs:
				if want(m) {
					return m
				}
			case <-end:
				t.Fatal("no message about the listing")
			}
		}
	}
	answered := func(m tea.Msg) bool { _, ok := m.(pane.Answered); return ok }
	arrived := func(m tea.Msg) bool { _, ok := m.(Arrived); return ok }
	start, ok := p.startWatch("*.csv *.sig")
	if !ok {
		t.Fatal("the patterns are refused")
	}
	due(start, answered)
	usher.Put(t, bucket, folder+"new.csv", "new text")
	usher.Put(t, bucket, folder+"new.log", "a log")
	usher.Put(t, bucket, folder+"old.csv", "changed text")
	usher.Put(t, bucket, folder+"deep/new.csv", "below")
	got := due(p.lookForNew(), arrived).(Arrived)
	var names, fetch []string
	for _, n := range got.Names {
		names = append(names, n.Raw())
	}
	for _, e := range got.Entries {
		fetch = append(fetch, e.Name.Raw())
	}
	if a, b := strings.Join(names, " "), strings.Join(fetch, " "); a != "deep/ new.csv new.log old.csv" || b != "new.csv old.csv" {
		t.Errorf("arrived %q, to download %q", a, b)
	}
	engine, err := download.New(download.Config{Releaser: ada, Lister: ada, S3Hosts: usher.Profile.Config.S3Hosts, AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = engine.Close() }()
	dir := t.TempDir()
	for _, e := range got.Entries {
		engine.Add(download.Request{Bucket: e.Bucket.Raw(), Key: e.Key.Raw(), ETag: e.ETag.Raw(), Size: e.Size, Modified: e.Modified, Dir: dir})
	}
	if err := engine.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, x := range engine.Snapshot().Transfers {
		text, err := os.ReadFile(x.Dest)
		if want := map[string]string{"new.csv": "new text", "old.csv": "changed text"}[strings.TrimPrefix(x.Key, folder)]; err != nil || string(text) != want || want == "" {
			t.Errorf("%s: %v, %q, %v", x.Key, x.State, text, err)
		}
	}
	if n := len(usher.Events(t, "who:ada action:list path:"+bucket+"/"+folder)); n != 2 || p.watch.lists != 2 {
		t.Errorf("%d events for %d listings", n, p.watch.lists)
	}
	usher.Remove(t, bucket, folder)
	ended := due(p.lookForNew(), func(m tea.Msg) bool { _, ok := m.(pane.Say); return ok }).(pane.Say)
	if !strings.Contains(ended.Text.Raw(), "is no longer watched") || p.watch.on != (location{}) {
		t.Errorf("%q, watched %v", ended.Text, p.watch.on)
	}
}
