package enginetest_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/sandbox/s3"
	"usher/client/download"
	"usher/tui/transfers"
	"usher/tui/transfers/enginetest"
)

// The download engine passes the suite, with a whole usher behind it.
func TestRealEngine(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	ada := w.SignIn(t, "ada")
	n := 0
	enginetest.Run(t, func() (enginetest.Bed, error) {
		n++
		r := &real{world: w, ada: ada, prefix: fmt.Sprintf("quarterly/suite-%02d/", n), dir: filepath.Join(t.TempDir(), fmt.Sprint(n)), refused: map[string]bool{}}
		e, err := download.New(download.Config{
			Releaser: r, Lister: ada, S3Hosts: w.Profile.Config.S3Hosts, AllowHTTP: true, Limit: 2_000_000,
			QueueFile: filepath.Join(t.TempDir(), fmt.Sprintf("queue-%d.json", n)),
		})
		if err != nil {
			return enginetest.Bed{}, err
		}
		return enginetest.Bed{
			Engine: e, Put: r.put, Refuse: r.refuse, Hold: r.hold, Big: 60_000_000, Patience: 30 * time.Second,
			Close: func() error { e.PauseAll(); return e.Close() },
		}, nil
	})
}

// real is the releaser of the engine, in front of the backend.
type real struct {
	world  *demotest.Demo
	ada    demotest.Actor
	prefix string
	dir    string

	mu      sync.Mutex
	refused map[string]bool
	held    download.State
}

// zeros is content of n bytes.
type zeros int64

func (z zeros) Size() int64 { return int64(z) }

func (z zeros) ReadAt(p []byte, off int64) (int, error) {
	n := min(int64(len(p)), int64(z)-off)
	clear(p[:max(0, n)])
	return int(n), nil
}

func (r *real) put(name string, size int64) (download.Request, error) {
	key := r.prefix + name
	if err := r.world.Sandbox.Objects.PutContent("company-reports", key, s3.Object{Content: zeros(size)}); err != nil {
		return download.Request{}, err
	}
	up := key[:strings.LastIndexByte(key, '/')+1]
	page, err := r.ada.List(context.Background(), api.ListRequest{Bucket: "company-reports", Prefix: up})
	if err != nil {
		return download.Request{}, err
	}
	for _, e := range page.Entries {
		if up+e.Name == key {
			return transfers.Below(r.dir, download.Request{Bucket: "company-reports", Key: key, Size: e.Size, ETag: e.ETag, Modified: *e.Modified}), nil
		}
	}
	return download.Request{}, fmt.Errorf("%s is not listed", key)
}

func (r *real) refuse(name string, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused[r.prefix+name] = on
}

func (r *real) hold(s download.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = s
}

// Release denies some objects, or fails like an unreachable server or an ended sign-in.
func (r *real) Release(ctx context.Context, in api.ReleaseRequest) (api.ReleaseResponse, error) {
	r.mu.Lock()
	held := r.held
	refused := make([]bool, len(in.Objects))
	for i, o := range in.Objects {
		refused[i] = r.refused[o.Key]
	}
	r.mu.Unlock()
	switch held {
	case download.WaitingNetwork:
		return api.ReleaseResponse{}, api.NewUnreachable("files.example.com", errors.New("no route"))
	case download.WaitingSignIn:
		return api.ReleaseResponse{}, &api.Error{Code: api.TokenExpired}
	}
	out, err := r.ada.Release(ctx, in)
	if err != nil {
		return out, err
	}
	for i := range out.Items {
		if refused[i] {
			out.Items[i] = api.ReleaseItem{Error: &api.ItemError{Code: api.NotFound}}
		}
	}
	return out, nil
}

// Complete does nothing: the suite does not check it.
func (r *real) Complete(context.Context, api.CompleteRequest) error { return nil }
