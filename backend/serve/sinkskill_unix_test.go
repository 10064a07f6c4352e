//go:build unix

package serve_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/audit/sqlite"
	"usher/backend/event"
	"usher/backend/serve"
)

// killedServerEnv has the configuration of a server in a process of its own, in JSON.
const killedServerEnv = "USHER_TEST_KILLED_SERVER"

type killedServer struct {
	Audit string
	Sink  serve.Sink
}

// TestKilledServer is the process that TestASinkOfAFileSurvivesKills kills.
func TestKilledServer(t *testing.T) {
	text := os.Getenv(killedServerEnv)
	if text == "" {
		t.Skip("runs in a process of TestASinkOfAFileSurvivesKills")
	}
	var k killedServer
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		t.Fatal(err)
	}
	start(t, func(c *serve.Config) { c.Audit, c.Sinks = k.Audit, []serve.Sink{k.Sink} })
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends
}

// A whole server with a log in a file delivers to a sink that was down, and is killed
// again and again in the middle of its work: no event is lost, an event that arrives
// twice is the same, and first arrivals are in the order of the log. USHER_SOAK plays
// 10,000 events and 50 kills.
func TestASinkOfAFileSurvivesKills(t *testing.T) {
	n, kills, patience := 2_500, 2, 2*time.Minute
	if os.Getenv("USHER_SOAK") != "" {
		n, kills, patience = 10_000, 50, 20*time.Minute
	}
	path := filepath.Join(t.TempDir(), "audit.db")
	recorded := whileDown(t, path, n)
	s := newSIEM(t, 5, kills)
	s.set(false)
	var child *exec.Cmd
	var out bytes.Buffer
	started := 0
	run := func() {
		text, err := json.Marshal(killedServer{path, serve.Sink{Name: "siem", To: fmt.Sprintf("%s/%d", s.web.URL, started), CA: s.ca}})
		if err != nil {
			t.Fatal(err)
		}
		started++
		out.Reset()
		s.mu.Lock()
		defer s.mu.Unlock()
		child = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledServer$")
		child.Env, child.Stdout, child.Stderr = append(os.Environ(), killedServerEnv+"="+string(text)), &out, &out
		if _, err = child.StdinPipe(); err == nil {
			err = child.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	dead := make(chan struct{}, kills)
	s.mu.Lock()
	s.kill = func(int) { // called under the lock, while the process waits for the answer
		_ = child.Process.Kill()
		dead <- struct{}{}
	}
	s.mu.Unlock()
	run()
	limit := time.After(patience)
	missing := func() int { // under the lock
		return len(slices.DeleteFunc(slices.Clone(recorded), func(id string) bool { return s.lines[id] != "" }))
	}
	left := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return missing()
	}
	done := 0
	for done < kills || left() > 0 {
		select {
		case <-dead:
			_ = child.Wait()
			done++
			run()
		case <-time.After(20 * time.Millisecond):
			s.mu.Lock()
			idle := s.kills > 0 && !s.doomed[started-1] && s.from[started-1] > 0 && missing() == 0
			if idle { // a start is an event, so the next server has something to deliver
				s.doomed[started-1] = true
				_ = child.Process.Kill()
			}
			s.mu.Unlock()
			if idle {
				_ = child.Wait()
				run()
			}
		case <-limit:
			t.Fatalf("%d kills, %d events have not arrived\n%s", done, left(), out.Bytes())
		}
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	ids, doubles := s.first()
	if at := slices.Index(ids, recorded[0]); at < 0 || len(ids) < at+n || !slices.Equal(ids[at:at+n], recorded) {
		t.Errorf("the first arrivals of %d events are not in the order of the log", len(ids))
	}
	t.Logf("%d events, 0 lost; %d arrived again; %d servers, %d kills", len(ids), doubles, started, kills)
}

// whileDown records events of less than a minute in a new log, and returns their ids. The
// next start signs them, as after a crash.
func whileDown(t *testing.T, path string, n int) (ids []string) {
	t.Helper()
	store, err := sqlite.Open(sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	var events []event.Event
	for i := range n {
		events = append(events, event.Event{
			ID: fmt.Sprintf("01K%023d", i), Time: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 5 * time.Millisecond), Action: event.Download, Outcome: event.Allowed,
			User: event.User{Sub: "ada", Username: "ada"}, Bucket: "company-reports", Key: fmt.Sprintf("annual/%d", i) + strings.Repeat("x", i%50),
		})
		ids = append(ids, events[i].ID)
	}
	for batch := range slices.Chunk(events, 500) {
		if err := store.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return ids
}
