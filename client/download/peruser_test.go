package download

import (
	"context"
	"path/filepath"
	"testing"

	"usher/backend/api"
)

// TestPerUser checks that the transfers of one user stop when another user signs
// in, cause no release for the other user, and are unfinished transfers when the
// first user signs in again.
func TestPerUser(t *testing.T) {
	w := newTestbed(t)
	w.put("b/ada", random(1, 9<<20), "CRC64NVME")
	w.put("b/grace", random(2, 1000), "CRC64NVME")
	dir, state := scratch(t), t.TempDir()
	asked := map[string][]string{} // by owner
	h, err := NewPerUser("ada", func(owner string) (*Engine, error) {
		c := w.config()
		if owner != "" {
			c.QueueFile = filepath.Join(state, "queue-"+owner+".json")
		}
		c.Releaser = watched{w, func(key string) { asked[owner] = append(asked[owner], key) }}
		return New(c)
	})
	must(t, err)
	defer h.Close()
	stuck := make(chan struct{})
	w.mu.Lock()
	w.onRelease = func(_ int, req api.ReleaseRequest) error {
		if req.Objects[0].Key == "ada" {
			select {
			case <-stuck:
			default:
				return &api.Error{Code: api.TokenExpired}
			}
		}
		return nil
	}
	w.mu.Unlock()
	h.Add(w.request("b/ada", dir))
	eventually(t, "waiting for a sign-in", func() bool { return h.Snapshot().Transfers[0].State == WaitingSignIn })
	must(t, h.SwitchTo("")) // ada signs out
	must(t, h.SwitchTo("grace"))
	h.SignedIn()
	if left, err := h.Unfinished(); err != nil || len(left) != 0 || len(h.Snapshot().Transfers) != 0 || !h.Keeps() {
		t.Errorf("grace finds %v, %v and %d transfers", left, err, len(h.Snapshot().Transfers))
	}
	h.Add(w.request("b/grace", dir))
	eventually(t, "grace's file", func() bool { return h.Snapshot().FilesDone == 1 })
	close(stuck)
	must(t, h.SwitchTo("grace")) // nothing changes
	if h.Snapshot().FilesDone != 1 {
		t.Error("the same owner got another engine")
	}
	must(t, h.SwitchTo("ada"))
	left, err := h.Unfinished()
	if err != nil || len(left) != 1 || left[0].Request.Key != "ada" {
		t.Fatalf("ada finds %v, %v", left, err)
	}
	h.Add(left[0].Request)
	eventually(t, "ada's file", func() bool { return h.Snapshot().FilesDone == 1 })
	for _, key := range asked["grace"] {
		if key != "grace" {
			t.Errorf("grace asked for %s", key)
		}
	}
	must(t, h.Close())
	if err := h.SwitchTo("grace"); err != nil || h.owner != "ada" {
		t.Errorf("after the end it goes to %q, %v", h.owner, err)
	}
}

// watched calls saw for each released key.
type watched struct {
	Releaser
	saw func(key string)
}

func (r watched) Release(ctx context.Context, req api.ReleaseRequest) (api.ReleaseResponse, error) {
	for _, o := range req.Objects {
		r.saw(o.Key)
	}
	return r.Releaser.Release(ctx, req)
}
