package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/api"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/checkpoint/checkpointtest"
	"usher/backend/demo/demotest"
	"usher/backend/object/objecttest"
	"usher/backend/sandbox"
)

// turning is a server that turns dishonest: it answers requests for checkpoints with
// those of another log.
type turning struct {
	t  *testing.T
	to *url.URL

	mu      sync.Mutex
	answer  func(from int64) api.CheckpointResponse // nil: that of the server
	granted int                                     // URLs
}

func (s *turning) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	if r.URL.Path == "/v1/audit/checkpoint" && answer != nil {
		var in api.CheckpointRequest
		if err := json.Unmarshal(raw, &in); err != nil {
			s.t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer(in.From))
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(s.to)
			r.Out.Host = s.to.Host
			r.Out.Header.Del("Accept-Encoding")
		},
		ModifyResponse: s.count,
	}
	proxy.ServeHTTP(w, r)
}

// count counts the URLs of a response.
func (s *turning) count(res *http.Response) error {
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	res.Body = io.NopCloser(bytes.NewReader(raw))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.granted += bytes.Count(raw, []byte("X-Amz-Signature"))
	return nil
}

// usherProcess prepares a real process of usher.
func usherProcess(t *testing.T, home, server string, args ...string) *exec.Cmd {
	t.Helper()
	program, err := exec.LookPath("usher") // the test binary under that name (testscript.Main)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = home
	cmd.Env = []string{"HOME=" + home, "USHER_SERVER=" + server, "LANG=C.UTF-8", "TZ=UTC", "TMPDIR=" + t.TempDir()}
	return cmd
}

func exitOf(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

// A download of a folder runs while another command finds that the audit log was
// rolled back or rewritten. It finishes each file that it has a URL for, requests no
// further ones, and ends with exit code 5. A file has both signed notes.
func TestARunningGetAndAFinding(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of downloads")
	}
	kinds := []string{"rewritten"}
	if os.Getenv("USHER_SOAK") != "" {
		kinds = append(kinds, "rolled back")
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			runningGetAndAFinding(t, kind)
		})
	}
}

// manyObjects is more than the engine requests ahead.
const manyObjects = 6000

func runningGetAndAFinding(t *testing.T, kind string) {
	t.Helper()
	storage := objecttest.New(t)
	for i := range manyObjects {
		storage.Put("company-reports", fmt.Sprintf("quarterly/many/%04d", i), objecttest.Object{Body: "x"})
	}
	waiting, open := make(chan struct{}), make(chan struct{})
	var first sync.Once
	storage.SetHooks(nil, nil, func(_ http.ResponseWriter, r *http.Request, _, _ string) bool {
		first.Do(func() { close(waiting) })
		select {
		case <-open:
		case <-r.Context().Done():
		}
		return false
	})
	w := demotest.StartOn(t, func(*sandbox.Sandbox) demotest.Storage { return demotest.Storage{Endpoint: storage.URL} })
	to, err := url.Parse(w.Server)
	if err != nil {
		t.Fatal(err)
	}
	front := &turning{t: t, to: to}
	web := httptest.NewServer(front)
	t.Cleanup(func() { web.CloseClientConnections(); web.Close() })
	home := t.TempDir()
	login := usherProcess(t, home, web.URL, "login", "--username", "ada", "--password-stdin")
	for _, p := range w.People {
		if p.Username == "ada" {
			login.Stdin = strings.NewReader(p.Password + "\n")
		}
	}
	if out, err := login.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	events := func() (n int64) { // of the checkpoint that this machine remembers
		out, err := usherProcess(t, home, web.URL, "audit", "checkpoint", "--json").Output()
		var line struct{ Events int64 }
		if err = errors.Join(err, json.Unmarshal(out, &line)); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return line.Events
	}
	for deadline := time.Now().Add(60 * time.Second); events() < 2; {
		if time.Now().After(deadline) {
			t.Fatal("the log does not grow")
		}
		if out, err := usherProcess(t, home, web.URL, "ls", "company-reports/quarterly/none/").CombinedOutput(); err == nil {
			t.Fatalf("a folder that does not exist: %s", out)
		}
	}
	get := usherProcess(t, home, web.URL, "get", "company-reports/quarterly/many/", "-o", "out")
	var said bytes.Buffer
	get.Stdout, get.Stderr = &said, &said
	if err := get.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-waiting:
	case <-time.After(60 * time.Second):
		t.Fatal("the download does not begin")
	}
	front.turn(w, kind)
	out, err := usherProcess(t, home, web.URL, "audit", "checkpoint").CombinedOutput()
	if exitOf(err) != 5 || !strings.Contains(string(out), "was "+kind) {
		t.Errorf("the other command: %v: %s", err, out)
	}
	close(open)
	if code, text := exitOf(get.Wait()), said.String(); code != 5 || !strings.Contains(text, "was "+kind) {
		t.Errorf("the download ended with %d: %s", code, text[max(0, len(text)-2000):])
	}
	files, err := filepath.Glob(filepath.Join(home, "out", "many", "[0-9]*"))
	front.mu.Lock()
	granted := front.granted
	front.mu.Unlock()
	if err != nil || len(files) == 0 || len(files) != granted || granted >= manyObjects {
		t.Errorf("%d files of %d URLs and %d objects, %v", len(files), granted, manyObjects, err)
	}
	proofs, err := filepath.Glob(filepath.Join(home, ".local", "state", "usher", "audit-proof-*.txt"))
	if err != nil || len(proofs) != 1 {
		t.Fatalf("the files with notes: %q, %v", proofs, err)
	}
	text, err := os.ReadFile(proofs[0])
	if err != nil || strings.Count(string(text), "\n— ") < 2 {
		t.Errorf("%v: %s", err, text)
	}
	t.Logf("%s: %d of %d files, each with a URL from before", kind, len(files), manyObjects)
}

// turn lets the server show another log from now on.
func (s *turning) turn(w *demotest.Demo, kind string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, err := os.ReadFile(filepath.Join(w.Dir, "audit.key"))
	if err != nil {
		s.t.Fatal(err)
	}
	secret, public, _ := strings.Cut(strings.TrimSpace(string(raw)), "\n")
	signer, err := checkpoint.NewSigner(secret, public)
	if err != nil {
		s.t.Fatal(err)
	}
	l := &checkpointtest.Log{Signer: signer} // with the key of the server
	size := int64(1)
	if kind == "rewritten" {
		size = 10_000
	}
	for l.Size < size {
		l.Add(fmt.Appendf(nil, "forged %d", l.Size))
	}
	s.answer = func(from int64) api.CheckpointResponse { return s.checkpoint(l, from) }
}

func (s *turning) checkpoint(l *checkpointtest.Log, from int64) api.CheckpointResponse {
	note, err := l.Latest(context.Background())
	if err != nil {
		s.t.Error(err)
	}
	out := api.CheckpointResponse{Checkpoint: string(note), From: from}
	if from > 0 && from < l.Size {
		hashes, err := tlog.ProveTree(l.Size, from, l.Stored)
		if err != nil {
			s.t.Error(err)
		}
		for _, h := range hashes {
			out.Proof = append(out.Proof, h[:])
		}
	}
	return out
}
