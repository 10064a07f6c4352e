//go:build unix

package session_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"usher/backend/sandbox/cognito"
	"usher/session"
)

// childJob configures a child process.
type childJob struct {
	Folders session.Folders
	Profile session.Profile
	NoRoom  bool // all writes to the disk fail
}

const childVariable = "USHER_SESSION_TEST_CHILD"

// TestMain lets the test binary run as the child process too.
func TestMain(m *testing.M) {
	if job := os.Getenv(childVariable); job != "" {
		child(job)
		return
	}
	os.Exit(m.Run())
}

// child opens the session. For each line of input ("0", "600": seconds by which
// its clock moves) it writes one line: the token's fingerprint or the error.
func child(encoded string) {
	var job childJob
	if err := json.Unmarshal([]byte(encoded), &job); err != nil {
		panic(err)
	}
	if job.NoRoom {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{}); err != nil {
			panic(err)
		}
	}
	var ahead time.Duration
	now := func() time.Time { return time.Now().Round(0).Add(ahead) }
	s, err := session.Open(job.Folders, job.Profile, session.Options{Now: now, Random: rand.Reader})
	if err != nil {
		panic(err)
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var seconds int
		fmt.Sscan(in.Text(), &seconds)
		ahead += time.Duration(seconds) * time.Second
		if token, err := s.Token(ctx); err != nil {
			fmt.Println("error:", err)
		} else {
			fmt.Println(session.NewSecret(token))
		}
	}
}

// process is a running child.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t *testing.T, job childJob) *process {
	t.Helper()
	encoded, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), childVariable+"="+string(encoded))
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.in.Close(); p.cmd.Process.Kill(); p.cmd.Wait() })
	return p
}

// ask moves the child's clock and requests a token.
func (p *process) ask(ahead int) { fmt.Fprintln(p.in, ahead) }

func (p *process) answer(t *testing.T) string {
	t.Helper()
	if !p.out.Scan() {
		t.Fatal("the process ended")
	}
	return p.out.Text()
}

// Processes that find the token expired at the same moment use each refresh
// token once and get the same access token. The pool allows no reuse.
func TestProcessesRace(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *cognito.Config) { c.GracePeriod = 0 })
	r.signedIn("ada")
	used := map[string]int{}
	var mu sync.Mutex
	rival := make(chan struct{})
	r.inject(func(op string, _ int, _ http.ResponseWriter, req *http.Request, _ http.Handler) bool {
		if op == "GetTokensFromRefreshToken" {
			// The pool delays its answer, so that a second process without the
			// lock would arrive here too.
			select {
			case rival <- struct{}{}:
			case <-rival:
			case <-time.After(50 * time.Millisecond):
			}
			body, _ := io.ReadAll(req.Body)
			req.Body = io.NopCloser(bytes.NewReader(body))
			var in struct{ RefreshToken string }
			json.Unmarshal(body, &in)
			mu.Lock()
			used[in.RefreshToken]++
			mu.Unlock()
		}
		return false
	})
	processes := make([]*process, 3)
	for i := range processes {
		processes[i] = start(t, childJob{Folders: r.folders, Profile: r.profile()})
	}
	const cycles = 10
	last := ""
	for range cycles {
		r.poolClock.add(10 * time.Minute)
		for _, p := range processes {
			p.ask(600)
		}
		first := processes[0].answer(t)
		for _, p := range processes[1:] {
			if got := p.answer(t); got != first {
				t.Fatalf("%s and %s", first, got)
			}
		}
		if first == last || len(first) < 10 || first[:7] != "secret " {
			t.Fatalf("got %q after %q", first, last)
		}
		last = first
	}
	if len(used) != cycles {
		t.Errorf("%d refresh tokens in %d cycles", len(used), cycles)
	}
	for _, n := range used {
		if n != 1 {
			t.Errorf("a refresh token was used %d times", n)
		}
	}
}

// The pool replaced the refresh token, and the process died before it stored
// the new one. Within the grace period the next process continues; after it
// the person signs in again.
func TestKilledBeforeStoring(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		r := newRig(t, nil)
		r.signedIn("ada")
		before, err := os.ReadFile(r.tokenFile())
		if err != nil {
			t.Fatal(err)
		}
		r.poolClock.add(10 * time.Minute)
		p := start(t, childJob{Folders: r.folders, Profile: r.profile(), NoRoom: true}) // no renewed token reaches the disk
		p.ask(600)
		if got := p.answer(t); got[:7] != "secret " {
			t.Fatalf("a full disk ended the session: %s", got)
		}
		p.cmd.Process.Kill()
		p.cmd.Wait()
		if after, err := os.ReadFile(r.tokenFile()); err != nil || !bytes.Equal(before, after) {
			t.Fatalf("the file changed: %v", err)
		}
		if late {
			r.poolClock.add(2 * time.Minute)
		}
		next := start(t, childJob{Folders: r.folders, Profile: r.profile()})
		next.ask(600)
		got := next.answer(t)
		if want := "secret "; !late && got[:len(want)] != want {
			t.Errorf("within the grace period: %s", got)
		}
		if want := "error: Your sign-in has ended. Sign in again."; late && got != want {
			t.Errorf("after the grace period: %s", got)
		}
	}
}

// A process that cannot store its renewed tokens continues with those in
// memory, renewal after renewal.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *cognito.Config) { c.GracePeriod = 0 })
	r.signedIn("ada")
	p := start(t, childJob{Folders: r.folders, Profile: r.profile(), NoRoom: true})
	last := ""
	for range 4 {
		r.poolClock.add(10 * time.Minute)
		p.ask(600)
		got := p.answer(t)
		if got[:7] != "secret " || got == last {
			t.Fatalf("got %q after %q", got, last)
		}
		last = got
	}
}
