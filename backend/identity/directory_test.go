package identity_test

import (
	"sync"
	"testing"
	"time"

	"usher/backend/identity"
	"usher/backend/identity/directorytest"
)

func TestDirectoryInMemory(t *testing.T) {
	directorytest.Run(t, func(t *testing.T) directorytest.Fixture {
		var mu sync.Mutex
		at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
		now := func() time.Time { mu.Lock(); defer mu.Unlock(); return at }
		pool := &directorytest.Pool{}
		d, err := identity.NewDirectory(identity.DirectoryConfig{Source: pool, Now: now, AliveRate: 60, GroupsRate: 25})
		if err != nil {
			t.Fatal(err)
		}
		return directorytest.Fixture{Directory: d, Pool: pool, Now: now, Advance: func(d time.Duration) { mu.Lock(); defer mu.Unlock(); at = at.Add(d) }}
	})
}
