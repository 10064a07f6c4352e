//go:build unix

package session_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"usher/backend/sandbox/cognito"
)

// Two processes that renew at the token endpoint at the same moment use each
// refresh token once, with every grace period, and lose no session. In the middle
// the person signs in again. USHER_SOAK plays 500 renewals.
func TestBrowserSessionsRace(t *testing.T) {
	t.Parallel()
	cycles := 6
	if os.Getenv("USHER_SOAK") != "" {
		cycles = 500
	}
	for name, change := range map[string]func(*cognito.Config){
		"grace 0":  func(c *cognito.Config) { c.GracePeriod = 0 },
		"grace 10": func(c *cognito.Config) { c.GracePeriod = 10 * time.Second },
		"grace 60": func(c *cognito.Config) { c.GracePeriod = time.Minute },
		"off":      func(c *cognito.Config) { c.Rotation = false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := newBrowserRig(t, func(c *cognito.Config) {
				change(c)
				c.RefreshTokenLife = 365 * 24 * time.Hour
			})
			r.signedInByBrowser("ada")
			used := map[string]int{}
			var mu sync.Mutex
			rival := make(chan struct{})
			r.inject(func(op string, _ int, _ http.ResponseWriter, req *http.Request, _ http.Handler) bool {
				if op != tokenPath {
					return false
				}
				select { // a second process without the lock arrives here too
				case rival <- struct{}{}:
				case <-rival:
				case <-time.After(30 * time.Millisecond):
				}
				body, _ := io.ReadAll(req.Body)
				req.Body = io.NopCloser(bytes.NewReader(body))
				form, _ := url.ParseQuery(string(body))
				mu.Lock()
				used[form.Get("refresh_token")]++
				mu.Unlock()
				return false
			})
			processes := []*process{
				start(t, childJob{Folders: r.folders, Profile: r.profile()}), start(t, childJob{Folders: r.folders, Profile: r.profile()}),
			}
			last := ""
			for i := range cycles {
				r.poolClock.add(10 * time.Minute)
				for _, p := range processes {
					p.ask(600)
				}
				if i == cycles/2 {
					r.localClock.add(time.Duration(i+1) * 10 * time.Minute)
					r.signedInByBrowser("ada")
				}
				first, second := processes[0].answer(t), processes[1].answer(t)
				if len(first) < 10 || first[:7] != "secret " || second[:7] != "secret " || i != cycles/2 && (first != second || first == last) {
					t.Fatalf("renewal %d: %q and %q after %q", i, first, second, last)
				}
				last = first
			}
			mu.Lock()
			defer mu.Unlock()
			for token, n := range used {
				if n != 1 && name != "off" && token != "" {
					t.Errorf("a refresh token was used %d times", n)
				}
			}
			if r.count("GetTokensFromRefreshToken") != 0 {
				t.Error("a renewal went to the API")
			}
		})
	}
}
