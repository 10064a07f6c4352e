package file_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"usher/backend/accessrequest"
	"usher/backend/accessrequest/file"
	"usher/backend/accessrequest/requesttest"
)

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func TestFile(t *testing.T) {
	requesttest.Run(t, func(t *testing.T) requesttest.Fixture {
		c := &clock{at: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
		s, err := file.New(filepath.Join(t.TempDir(), "requests"), c.Now)
		return requesttest.Fixture{Open: func() (requesttest.Store, error) { return s, err }, Now: c.Now, Advance: c.Advance}
	})
}

// The file is private, and a file of another form is neither read nor replaced.
func TestContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests")
	s, err := file.New(path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(all []accessrequest.Request) (accessrequest.Change, error) {
		return accessrequest.Ask(all, accessrequest.Request{Sub: "ada", Bucket: "builds"}, time.Now())
	}
	if err := s.Update(context.Background(), ask); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(path, []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.All(context.Background()); err == nil {
		t.Error("read")
	}
	if err := s.Update(context.Background(), ask); err == nil {
		t.Error("replaced")
	}
	if got, err := os.ReadFile(path); string(got) != "not ours" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestNewNeedsAllParts(t *testing.T) {
	if _, err := file.New("", time.Now); err == nil {
		t.Error("without a path")
	}
	if _, err := file.New("requests", nil); err == nil {
		t.Error("without a clock")
	}
}
