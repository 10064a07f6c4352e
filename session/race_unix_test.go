//go:build unix

package session_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"usher/backend/sandbox/cognito"
	"usher/session"
)

// soaking reports whether the long series are played.
func soaking() bool { return os.Getenv("USHER_SOAK") != "" }

// Processes that renew at the same moment use each refresh token once, for every
// grace period and without rotation. In the middle the person signs in again:
// that sign-in is never overwritten, and no session is lost. USHER_SOAK plays
// 2 processes 500 times and 8 processes 100 times.
func TestNativeSessionsRace(t *testing.T) {
	t.Parallel()
	type series struct{ processes, cycles int }
	list := []series{{2, 4}, {4, 2}}
	if soaking() {
		list = []series{{2, 500}, {8, 100}}
	}
	for name, change := range map[string]func(*cognito.Config){
		"grace 0":  func(c *cognito.Config) { c.GracePeriod = 0 },
		"grace 10": func(c *cognito.Config) { c.GracePeriod = 10 * time.Second },
		"grace 60": func(c *cognito.Config) { c.GracePeriod = time.Minute },
		"off":      func(c *cognito.Config) { c.Rotation = false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, l := range list {
				race(t, l.processes, l.cycles, change)
			}
		})
	}
}

func race(t *testing.T, n, cycles int, change func(*cognito.Config)) {
	t.Helper()
	r := newRig(t, func(c *cognito.Config) {
		change(c)
		c.RefreshTokenLife = 365 * 24 * time.Hour
	})
	s := r.signedIn("ada")
	reused := r.countReuse()
	processes := make([]*process, n)
	for i := range processes {
		processes[i] = start(t, childJob{Folders: r.folders, Profile: r.profile()})
	}
	lost, overwritten := 0, 0
	for i := range cycles {
		r.poolClock.add(10 * time.Minute)
		for _, p := range processes {
			p.ask(600)
		}
		var signedIn session.Tokens
		if i == cycles/2 {
			r.localClock.add(time.Duration(i+1) * 10 * time.Minute)
			signedIn = r.tokens("ada")
			if err := s.Adopt(signedIn); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range processes {
			if got := p.answer(t); !strings.HasPrefix(got, "secret ") {
				t.Errorf("cycle %d: %s", i, got)
				lost++
			}
		}
		if i != cycles/2 {
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
	t.Logf("RACE processes=%d cycles=%d lost=%d overwritten=%d reuse=%d", n, cycles, lost, overwritten, reused())
}

// countReuse counts the refresh tokens that arrive at the pool a second time.
func (r *rig) countReuse() func() int {
	var mu sync.Mutex
	used, twice := map[string]int{}, 0
	r.inject(func(op string, _ int, _ http.ResponseWriter, req *http.Request, pool http.Handler) bool {
		if op != "GetTokensFromRefreshToken" {
			return false
		}
		body, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(body))
		var in struct{ RefreshToken string }
		json.Unmarshal(body, &in)
		mu.Lock()
		defer mu.Unlock()
		if used[in.RefreshToken]++; used[in.RefreshToken] == 2 {
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
// session within the grace period. USHER_SOAK plays 100 of each.
func TestKilledAroundTheWrite(t *testing.T) {
	t.Parallel()
	n := 3
	if soaking() {
		n = 100
	}
	lost := 0
	for i := range 2 * n {
		r := newRig(t, nil)
		r.signedIn("ada")
		r.poolClock.add(10 * time.Minute)
		p := start(t, childJob{Folders: r.folders, Profile: r.profile()})
		before := i%2 == 0
		if before {
			r.inject(func(op string, n int, w http.ResponseWriter, req *http.Request, pool http.Handler) bool {
				if op != "GetTokensFromRefreshToken" || n > 1 {
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
		next := start(t, childJob{Folders: r.folders, Profile: r.profile()})
		next.ask(600)
		if got := next.answer(t); !strings.HasPrefix(got, "secret ") {
			t.Errorf("killed before the write %t: %s", before, got)
			lost++
		}
	}
	t.Logf("KILLED n=%d lost=%d", 2*n, lost)
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
	r := newRig(t, nil)
	s := r.signedIn("ada")
	r.poolClock.add(10 * time.Minute)
	holder := start(t, childJob{Folders: r.folders, Profile: r.profile()})
	stopped := make(chan struct{})
	r.inject(func(op string, n int, w http.ResponseWriter, req *http.Request, pool http.Handler) bool {
		if op != "GetTokensFromRefreshToken" || n > 1 {
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
	next := r.tokens("ada")
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
