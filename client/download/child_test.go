package download

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client"
	localname "usher/client/download/name"
)

// TestMain makes the test binary the child process of tests that need one.
func TestMain(m *testing.M) {
	if dir := os.Getenv("USHER_TEST_CHILD"); dir != "" {
		os.Exit(runChild(dir))
	}
	// DNS is served by the tests, and no proxy bypasses it.
	net.DefaultResolver = names.resolver()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		os.Unsetenv(name)
	}
	os.Exit(m.Run())
}

// stoppedBySignal is the exit code of a child that a signal stopped.
const stoppedBySignal = 130

func runChild(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) // as client/cli
	defer stop()
	var err error
	if server, s3 := os.Getenv("USHER_TEST_CHILD_SERVER"), os.Getenv("USHER_TEST_CHILD_S3"); os.Getenv("USHER_TEST_CHILD_FLOOR") != "" {
		err = floor(dir, server)
	} else {
		err = download(ctx, dir, server, s3)
	}
	switch {
	case ctx.Err() != nil:
		return stoppedBySignal
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if status, err := os.ReadFile("/proc/self/status"); err == nil { // VmHWM is the peak memory
		fmt.Printf("%s", status)
	}
	return 0
}

// download fetches into dir: the folder b/f/, or USHER_TEST_CHILD_PATH.
func download(ctx context.Context, dir, server, s3 string) error {
	var t Timeouts // a measured child has the production timeouts
	if os.Getenv("USHER_TEST_CHILD_MEASURED") == "" {
		t = quick()
		t.Checkpoint = 2 * time.Millisecond
	}
	c := Config{Releaser: remote(server), Lister: remote(server), S3Hosts: []string{s3}, AllowHTTP: true, Timeouts: t}
	if token := os.Getenv("USHER_TEST_CHILD_TOKEN"); token != "" {
		real, err := client.New(client.Config{Server: server, Tokens: fixedToken(token), UserAgent: "usher-test-child/1"})
		if err != nil {
			return err
		}
		c.Releaser, c.Lister = real, real
	}
	e, err := New(c)
	if err != nil {
		return err
	}
	r := Request{Bucket: "b", Key: "f/", Dir: dir}
	if path := os.Getenv("USHER_TEST_CHILD_PATH"); path != "" {
		r.Bucket, r.Key, _ = strings.Cut(path, "/")
		r.ETag = os.Getenv("USHER_TEST_CHILD_ETAG")
		r.Size, _ = strconv.ParseInt(os.Getenv("USHER_TEST_CHILD_SIZE"), 10, 64)
	}
	if strings.HasSuffix(r.Key, "/") {
		r.Folder, r.Name = true, "."
	}
	e.Add(r)
	err = e.Wait(ctx)
	s := e.Snapshot()
	if cerr := e.Close(); err == nil {
		err = cerr
	}
	if err == nil && (s.FilesFailed > 0 || s.Transfers[0].State != Done && s.Transfers[0].State != Skipped) {
		err = fmt.Errorf("%v, %v, %s", s.Transfers[0].State, s.Transfers[0].Err, s.Transfers[0].Event)
	}
	return err
}

// fixedToken is an access token without a session.
type fixedToken string

func (f fixedToken) Token(context.Context) (string, error) { return string(f), nil }
func (fixedToken) Refused(string)                          {}

// child returns a command that downloads path into dir as the testbed's user.
func (w *testbed) child(path, dir string) *exec.Cmd {
	self, err := os.Executable()
	must(w.t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), w.user.env()...)
	cmd.Env = append(cmd.Env, "USHER_TEST_CHILD="+dir, "USHER_TEST_CHILD_PATH="+path, "USHER_TEST_CHILD_S3="+w.host())
	if o := w.object(path); o != nil {
		cmd.Env = append(cmd.Env, "USHER_TEST_CHILD_ETAG="+o.etag, "USHER_TEST_CHILD_SIZE="+strconv.Itoa(len(o.data)))
	}
	return cmd
}

// remote is the fake backend of another process (see backend), by its URL.
type remote string

func (r remote) call(verb string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	resp, err := http.Post(string(r)+verb, "application/json", strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(out)
}

func (r remote) Release(_ context.Context, req api.ReleaseRequest) (out api.ReleaseResponse, err error) {
	return out, r.call("/release", req, &out)
}
func (r remote) Complete(context.Context, api.CompleteRequest) error { return nil }
func (r remote) List(_ context.Context, req api.ListRequest) (out api.ListResponse, err error) {
	return out, r.call("/list", req, &out)
}

// backend serves List and Release over HTTP, for a child process.
func (w *testbed) backend() *httptest.Server {
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var out any
		if r.URL.Path == "/list" {
			var in api.ListRequest
			json.NewDecoder(r.Body).Decode(&in)
			out, _ = w.List(r.Context(), in)
		} else {
			var in api.ReleaseRequest
			json.NewDecoder(r.Body).Decode(&in)
			out, _ = w.Release(r.Context(), in)
		}
		json.NewEncoder(rw).Encode(out)
	}))
	w.t.Cleanup(srv.Close)
	return srv
}

// processFaults are faults 19 and 20: a signal or a closed terminal ends or
// suspends the first process, and a second one resumes the download.
func processFaults() []fault {
	rows := []fault{endedBySignal("19 killed", syscall.SIGKILL, -1)}
	return append(rows, signalFaults()...)
}

// endedBySignal returns a row in which sig ends the first process with an exit
// code (-1: killed), and the second process resumes the download.
func endedBySignal(name string, sig syscall.Signal, code int) fault {
	return fault{
		name:     name,
		atOffset: true,
		slow:     true,
		min:      8<<20 - 1,
		setup: func(tr *trial) {
			tr.script(tr.hold(tr.offset), noFault)
			cmd := tr.child(tr.path, tr.dir)
			tr.endChild(cmd, func(c *exec.Cmd) error { return c.Process.Signal(sig) }, code)
		},
		want:  Done,
		check: resumed,
	}
}

// resumed checks that the second process used the part of the first.
func resumed(tr *trial, got Transfer) error {
	if tr.offset > 1<<20 && got.Fetched >= int64(tr.size) {
		return errors.New("the first process left no part to resume")
	}
	return nil
}

// endChild starts cmd, calls end when the proxy pauses the body and the sidecar
// is written, and checks the exit code.
func (tr *trial) endChild(cmd *exec.Cmd, end func(*exec.Cmd) error, code int) {
	t := tr.t
	if cmd.Process == nil {
		must(t, cmd.Start())
	}
	select {
	case <-tr.reached:
	case <-time.After(patience):
		t.Errorf("the first process did not request byte %d", tr.offset)
	}
	if tr.offset > 1<<20 {
		eventually(t, "the sidecar", func() bool {
			found, _ := filepath.Glob(filepath.Join(tr.dir, localname.PartMark+"*.json"))
			return len(found) > 0
		})
	}
	must(t, end(cmd))
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("the first process ended with %d, want %d", got, code)
	}
	for _, p := range consistent(tr.dir, func(string) []byte { return tr.obj.data }) {
		t.Error(p)
	}
}
