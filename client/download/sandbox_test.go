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

// newSandbox starts a real stack with the sandbox's S3.
func newSandbox(t testing.TB) *realStack {
	return newRealStack(t, "sandbox", func(box *sandbox.Sandbox) (string, demotest.Storage) {
		srv := httptest.NewServer(box.Objects)
		t.Cleanup(srv.Close)
		return srv.URL, demotest.Storage{}
	})
}

// TestSandbox plays the matrix on a stack with real sign-ins, a real backend and
// audit log, and an S3 server that verifies each signature.
func TestSandbox(t *testing.T) {
	v := newSandbox(t)
	t.Run("faults", func(t *testing.T) { runMatrix(t, v, faults(), hooks{}).report(t, v, floorOf(700, 165)) })
	t.Run("pages", func(t *testing.T) { runPaged(t, v) })
	t.Run("requests", func(t *testing.T) { v.requests(t) })
	t.Run("names", func(t *testing.T) { hostileFolder(t, v, false) })
	t.Run("kill", func(t *testing.T) { killMany(t, v, 5) })
	t.Run("backend away", func(t *testing.T) { backendAway(t, v) })
	t.Run("log away", func(t *testing.T) { logAway(t, v) })
	t.Run("audited", func(t *testing.T) { v.audited(t) })
	t.Run("controls", func(t *testing.T) { controls(t, v, true) })
}

// audited checks that the audit log records the event of every GET.
func (v *realStack) audited(t *testing.T) {
	missing, total := v.unaudited(t)
	t.Logf("AUDITED world=%s events=%d unaudited_gets=%d", v.kind, total, len(missing))
	if len(missing) > 0 || total < 100 {
		t.Errorf("%d events (want at least 100), not in the log: %q", total, missing)
	}
}

// logAway checks that nothing is released while the audit log cannot be written,
// and that the paused transfer completes afterwards.
func logAway(t *testing.T, v *realStack) {
	w := v.testbed(t, userOptions{})
	defer w.close()
	o, dir := w.put(w.root+"file.bin", random(1, 70_000), "CRC64NVME"), scratch(t)
	e := w.engine()
	release := v.usher.LockLog(t)
	id := e.Add(w.request(w.root+"file.bin", dir))[0]
	eventually(t, "the refusal for the log", func() bool {
		return errors.Is(find(t, e, id).Err, &api.Error{Code: api.AuditUnavailable})
	})
	if n := w.gets.Load(); n > 0 {
		t.Errorf("%d GETs without a record", n)
	}
	release()
	e.ResumeAll()
	wait(t, e)
	mustEqual(t, find(t, e, id).Dest, o.data)
}

// backendAway checks that a transfer waits while connections to the backend
// break, and completes afterwards.
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
	eventually(t, "the wait for the network", func() bool { return find(t, e, id).State == WaitingNetwork })
	wait(t, e)
	mustEqual(t, find(t, e, id).Dest, o.data)
}
