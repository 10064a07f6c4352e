//go:build unix

package session_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/sandbox/cognito"
	"usher/session"
)

// soaking reports whether the long series are played.
func soaking() bool { return os.Getenv("USHER_SOAK") != "" }

// Processes that renew at the same moment use each refresh token once, for every
// grace period and without rotation, at the API and at the token endpoint. In the
// middle the person signs in again: that sign-in is never overwritten, and no
// session is lost. USHER_SOAK plays 2 processes 500 times and 8 processes 100 times.
func TestSessionsRace(t *testing.T) {
	t.Parallel()
	type series struct{ processes, cycles int }
	list := []series{{3, 4}}
	if soaking() {
		list = []series{{2, 500}, {8, 100}}
	}
	for _, k := range kinds() {
		for name, change := range map[string]func(*cognito.Config){
			"grace 0":  func(c *cognito.Config) { c.GracePeriod = 0 },
			"grace 10": func(c *cognito.Config) { c.GracePeriod = 10 * time.Second },
			"grace 60": func(c *cognito.Config) { c.GracePeriod = time.Minute },
			"off":      func(c *cognito.Config) { c.Rotation = false },
		} {
			if k.way == api.WayDevice && name != "grace 0" && !soaking() {
				continue // the source is that of SSO
			}
			t.Run(string(k.way)+", "+name, func(t *testing.T) {
				t.Parallel()
				for _, l := range list {
					race(t, k, l.processes, l.cycles, change)
				}
			})
		}
	}
}

func race(t *testing.T, k kind, n, cycles int, change func(*cognito.Config)) {
	t.Helper()
	r := k.rig(t, func(c *cognito.Config) {
		change(c)
		c.RefreshTokenLife = 365 * 24 * time.Hour
	})
	s := k.signedIn(r)
	reused := r.countReuse(k)
	processes := make([]*process, n)
	for i := range processes {
		processes[i] = start(t, childJob{Folders: r.folders, Profile: r.profile()})
	}
	lost, overwritten, last := 0, 0, ""
	for i := range cycles {
		r.poolClock.add(10 * time.Minute)
		for _, p := range processes {
			p.ask(600)
		}
		var signedIn session.Tokens
		if i == cycles/2 {
			r.localClock.add(time.Duration(i+1) * 10 * time.Minute)
			signedIn = k.tokens(r)
			if err := s.Adopt(signedIn); err != nil {
				t.Fatal(err)
			}
		}
		var answers []string
		for _, p := range processes {
			got := p.answer(t)
			if !strings.HasPrefix(got, "secret ") {
				t.Errorf("cycle %d: %s", i, got)
				lost++
			}
			answers = append(answers, got)
		}
		if i != cycles/2 {
			if first := answers[0]; first == last || slices.ContainsFunc(answers, func(a string) bool { return a != first }) {
				t.Errorf("cycle %d: %q after %q", i, answers, last)
			}
			last = answers[0]
			continue
		}
		// The file holds the sign-in, or a renewal of it: its family is the same.
		data, err := os.ReadFile(r.tokenFile())
		if err != nil || family(t, data) != familyOf(t, signedIn.Access.Reveal()) {
			overwritten++
			t.Errorf("the sign-in was overwritten: %v", err)
		}
	}
	if got := reused(); got > 0 {
		t.Errorf("%d refresh tokens were used twice", got)
	}
	t.Logf("RACE way=%s processes=%d cycles=%d lost=%d overwritten=%d reuse=%d", k.way, n, cycles, lost, overwritten, reused())
}

// countReuse counts the refresh tokens that arrive a second time. Each renewal
// waits for a rival, which arrives only without the lock.
func (r *rig) countReuse(k kind) func() int {
	var mu sync.Mutex
	used, twice := map[string]int{}, 0
	rival := make(chan struct{})
	r.inject(func(op string, _ int, _ http.ResponseWriter, req *http.Request, _ http.Handler) bool {
		token := k.used(op, req)
		if token == "" {
			return false
		}
		select {
		case rival <- struct{}{}:
		case <-rival:
		case <-time.After(30 * time.Millisecond):
		}
		mu.Lock()
		defer mu.Unlock()
		if used[token]++; used[token] == 2 {
			twice++
		}
		return false
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		if !r.pool.Rotates() {
			return 0 // without rotation a refresh token is used again on purpose
		}
		return twice
	}
}

func familyOf(t *testing.T, token string) string {
	t.Helper()
	origin, ok := session.Claim(token, "origin_jti")
	if !ok {
		t.Fatal("no origin_jti")
	}
	return origin
}

func family(t *testing.T, file []byte) string {
	t.Helper()
	var k struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(file, &k); err != nil {
		t.Fatal(err)
	}
	return familyOf(t, k.Access)
}

// A process that is killed before or after it stores its renewal costs no
// session within the grace period, at the API and at the token endpoint.
// USHER_SOAK plays 100 of each.
func TestKilledAroundTheWrite(t *testing.T) {
	t.Parallel()
	n := 2
	if soaking() {
		n = 100
	}
	for _, k := range kinds() {
		lost := 0
		for i := range 2 * n {
			if !k.killed(t, i%2 == 0) {
				lost++
			}
		}
		t.Logf("KILLED way=%s n=%d lost=%d", k.way, 2*n, lost)
	}
}

// killed kills a process before or after it stores a renewal, and reports whether
// the next process continues the session.
func (k kind) killed(t *testing.T, before bool) bool {
	t.Helper()
	r := k.rig(t, nil)
	k.signedIn(r)
	stored, err := os.ReadFile(r.tokenFile())
	if err != nil {
		t.Fatal(err)
	}
	r.poolClock.add(10 * time.Minute)
	p := start(t, childJob{Folders: r.folders, Profile: r.profile()})
	if before {
		r.inject(func(op string, n int, w http.ResponseWriter, req *http.Request, pool http.Handler) bool {
			if op != k.renewal || n > 1 {
				return false
			}
			var unread bufferWriter
			pool.ServeHTTP(&unread, req) // the pool replaces the refresh token
			p.cmd.Process.Kill()
			cut(w)
			return true
		})
	}
	p.ask(600)
	if !before {
		p.answer(t)
		p.cmd.Process.Kill()
	}
	p.cmd.Wait()
	if now, err := os.ReadFile(r.tokenFile()); err != nil || bytes.Equal(now, stored) != before {
		t.Errorf("%s: killed before the write %t, and the file is the old one %t, %v", k.way, before, bytes.Equal(now, stored), err)
	}
	next := start(t, childJob{Folders: r.folders, Profile: r.profile()})
	next.ask(600)
	got := next.answer(t)
	if !strings.HasPrefix(got, "secret ") {
		t.Errorf("%s: killed before the write %t: %s", k.way, before, got)
		return false
	}
	return true
}

// bufferWriter drops an answer.
type bufferWriter struct {
	header http.Header
}

func (b *bufferWriter) Header() http.Header {
	if b.header == nil {
		b.header = http.Header{}
	}
	return b.header
}

func (b *bufferWriter) WriteHeader(int) {}

func (b *bufferWriter) Write(p []byte) (int, error) { return len(p), nil }

// A process that is stopped while it holds the lock of renewals blocks neither a
// new sign-in nor the processes that wait for it, and overwrites nothing when it
// continues.
func TestStoppedHolderOfTheLock(t *testing.T) {
	t.Parallel()
	for _, k := range kinds() {
		t.Run(string(k.way), func(t *testing.T) {
			t.Parallel()
			k.stoppedHolder(t)
		})
	}
}

func (k kind) stoppedHolder(t *testing.T) {
	r := k.rig(t, nil)
	s := k.signedIn(r)
	r.poolClock.add(10 * time.Minute)
	holder := start(t, childJob{Folders: r.folders, Profile: r.profile()})
	stopped := make(chan struct{})
	r.inject(func(op string, n int, w http.ResponseWriter, req *http.Request, pool http.Handler) bool {
		if op != k.renewal || n > 1 {
			return false
		}
		holder.cmd.Process.Signal(syscall.SIGSTOP)
		pool.ServeHTTP(w, req)
		close(stopped)
		return true
	})
	holder.ask(600)
	<-stopped
	waiting := start(t, childJob{Folders: r.folders, Profile: r.profile()})
	waiting.ask(600)
	r.localClock.add(10 * time.Minute)
	next := k.tokens(r)
	if err := s.Adopt(next); err != nil {
		t.Fatal(err)
	}
	want := next.Access.String()
	if got := waiting.answer(t); got != want {
		t.Errorf("the waiting process: %s, want %s", got, want)
	}
	holder.cmd.Process.Signal(syscall.SIGCONT)
	if got := holder.answer(t); got != want {
		t.Errorf("the holder: %s, want %s", got, want)
	}
	if data, err := os.ReadFile(r.tokenFile()); err != nil || family(t, data) != familyOf(t, next.Access.Reveal()) {
		t.Errorf("the sign-in was overwritten: %v", err)
	}
}
