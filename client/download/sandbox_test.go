package download

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"usher/backend/api"
	"usher/backend/demo/demotest"
	"usher/backend/sandbox"
	"usher/client"
)

// newSandbox is a venue whose S3 is the sandbox's.
func newSandbox(t testing.TB) *realStack {
	return newRealStack(t, "sandbox", func(box *sandbox.Sandbox) (string, demotest.Storage) {
		srv := httptest.NewServer(box.Objects)
		t.Cleanup(srv.Close)
		return srv.URL, demotest.Storage{}
	})
}

// TestSandbox plays the matrix, and what else needs a whole usher, with real
// sign-ins, a real backend and its log, and an S3 that checks each signature.
func TestSandbox(t *testing.T) {
	v := newSandbox(t)
	t.Run("faults", func(t *testing.T) { runMatrix(t, v, faults(), hooks{}).report(t, v, floorOf(700, 280)) })
	t.Run("names", func(t *testing.T) { hostileFolder(t, v, false) })
	t.Run("kill", func(t *testing.T) { killMany(t, v, 5) })
	t.Run("backend away", func(t *testing.T) { backendAway(t, v) })
	t.Run("log away", func(t *testing.T) { logAway(t, v) })
	t.Run("audited", func(t *testing.T) { v.audited(t) })
	t.Run("controls", func(t *testing.T) { controls(t, v, true) })
}

// audited wants every GET that S3 saw to be of an event that the log has.
func (v *realStack) audited(t *testing.T) {
	missing, asked := v.unaudited(t)
	t.Logf("AUDITED world=%s events=%d unaudited_gets=%d", v.kind, asked, len(missing))
	if len(missing) > 0 || asked < 100 {
		t.Errorf("of %d events the log lacks %q", asked, missing)
	}
}

// logAway: while the log cannot be written, nothing is released, and what the
// client gave up is paused; resumed, it goes on.
func logAway(t *testing.T, v *realStack) {
	w := v.testbed(t, userOptions{})
	defer w.close()
	o, dir := w.put(w.root+"file.bin", random(1, 70_000), "CRC64NVME"), scratch(t)
	e := w.engine()
	release := v.usher.LockLog(t)
	id := e.Add(w.request(w.root+"file.bin", dir))[0]
	eventually(t, "waiting for the log", func() bool {
		return errors.Is(find(t, e, id).Err, &api.Error{Code: api.AuditUnavailable})
	})
	if n := w.gets.Load(); n > 0 {
		t.Errorf("%d requests without a record", n)
	}
	release()
	e.ResumeAll()
	wait(t, e)
	mustEqual(t, find(t, e, id).Dest, o.data)
}

// backendAway: the connections to the backend break, then it answers.
func backendAway(t *testing.T, v *realStack) {
	w := v.testbed(t, userOptions{exclusive: true})
	defer w.close()
	o, dir := w.put(w.root+"file.bin", random(1, 70_000), "CRC64NVME"), scratch(t)
	backend, err := url.Parse(v.usher.Server)
	must(t, err)
	var broken atomic.Int64
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(backend) }}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if broken.Add(1) <= 3 {
			unanswered(0, nil, rw, r)
			return
		}
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(srv.Close)
	m := w.user.(*realUser)
	m.Client, err = client.New(client.Config{Server: srv.URL, Tokens: m.Session})
	must(t, err)
	e := w.engine()
	id := e.Add(w.request(w.root+"file.bin", dir))[0]
	eventually(t, "waiting for the network", func() bool { return find(t, e, id).State == WaitingNetwork })
	wait(t, e)
	mustEqual(t, find(t, e, id).Dest, o.data)
}
