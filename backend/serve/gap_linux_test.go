package serve_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
)

// refusedAtOnce is the number of requests during an outage.
const refusedAtOnce = 3

// outage plays one outage of the log. Nothing is released in it, and one event has
// the number of the refused requests and their times.
func outage(t *testing.T, w *demotest.Demo, begin func() (end func())) {
	t.Helper()
	ada := w.SignIn(t, "ada")
	w.SignIn(t, "grace") // the session of the queries
	release := func(name string) (int, api.Code, bool) {
		status, code, answer := post(t, ada, w.Server, api.VerbRelease, objects(name, 1))
		return status, code, strings.Contains(string(answer), "X-Amz-Signature")
	}
	if status, code, _ := release("before"); status != http.StatusOK {
		t.Fatalf("before the outage: %d %s", status, code)
	}
	end := begin()
	began := time.Now().Add(-time.Millisecond)
	var all sync.WaitGroup
	for range refusedAtOnce {
		all.Go(func() {
			if status, code, released := release("during"); status != http.StatusServiceUnavailable || code != api.AuditUnavailable || released {
				t.Errorf("during the outage: %d %s, released: %t", status, code, released)
			}
		})
	}
	all.Wait()
	ended := time.Now()
	poll(t, func() bool { // the health page is not ok meanwhile
		h, err := healthOf(w.Server + "/healthz")
		return err == nil && !h.OK && len(h.Problems) > 0 && h.Problems[0].Part == "log"
	})
	end()
	var gaps []event.Event
	poll(t, func() bool { // no request is needed
		gaps = w.Events(t, "action:"+event.AuditGap)
		return len(gaps) > 0
	})
	for range 2 {
		if status, code, released := release("after"); status != http.StatusOK || !released {
			t.Errorf("after the outage: %d %s", status, code)
		}
	}
	if gaps = w.Events(t, "action:"+event.AuditGap); len(gaps) != 1 {
		t.Fatalf("%d gaps of one outage: %+v", len(gaps), gaps)
	}
	e := gaps[0]
	if e.Count != refusedAtOnce || e.Outcome != event.Failed || e.From == nil || e.Until == nil ||
		e.From.Before(began.Truncate(time.Millisecond)) || e.Until.Before(*e.From) || e.Until.After(ended) {
		t.Errorf("the gap has %d requests from %v to %v; %d were refused between %v and %v", e.Count, e.From, e.Until, refusedAtOnce, began, ended)
	}
}

// A log that another process has locked, and one in DynamoDB that is slow or whose
// responses are lost.
func TestEachOutageOfTheLogIsOneGap(t *testing.T) {
	t.Run("locked by another process", func(t *testing.T) {
		t.Parallel()
		w := demotest.Start(t, demo.Options{})
		outage(t, w, func() func() { return holdLock(t, filepath.Join(w.Dir, "audit.db")) })
	})
	for name, fault := range map[string]dynamotest.Fault{"slow": dynamotest.Slow, "responses lost": dynamotest.Landed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, w := inTables(t)
			outage(t, w, func() func() {
				db.Fault(func(op string, _ int, body []byte) dynamotest.Fault {
					// Without a read the store cannot find that a write is there.
					if toLog(op, body) || strings.Contains(string(body), `"log"`) {
						return fault
					}
					return dynamotest.Pass
				})
				return func() { db.Fault(nil) }
			})
		})
	}
}

// lockedLog names the database that a child process locks.
const lockedLog = "USHER_TEST_LOCKED_LOG"

// holdLock lets another process lock a log until end is called.
func holdLock(t *testing.T, path string) (end func()) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestChildLocksTheLog$")
	child.Env = append(os.Environ(), lockedLog+"="+path)
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	word := make([]byte, len("locked"))
	if _, err := io.ReadFull(out, word); err != nil || string(word) != "locked" {
		t.Fatalf("the other process: %q, %v", word, err)
	}
	return func() {
		_ = in.Close()
		_, _ = io.Copy(io.Discard, out)
		if err := child.Wait(); err != nil {
			t.Errorf("the other process: %v", err)
		}
	}
}

// TestChildLocksTheLog is the other process.
func TestChildLocksTheLog(t *testing.T) {
	path := os.Getenv(lockedLog)
	if path == "" {
		return
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "PRAGMA busy_timeout = 30000; BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	_, _ = os.Stdout.WriteString("locked")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if _, err := conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
}

// outageOf selects the outage of a child process.
const outageOf = "USHER_TEST_OUTAGE"

// A disk without space: a small tmpfs where this process may mount one, and a limit
// of the file size everywhere. Both are the state of a whole process, so a child
// has them.
func TestAFullDiskIsOneGap(t *testing.T) {
	child := func(t *testing.T, kind string, prefix ...string) {
		t.Helper()
		words := append(prefix, os.Args[0], "-test.run=^TestChildWithAFullDisk$", "-test.timeout=5m")
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Env = append(os.Environ(), outageOf+"="+kind)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v:\n%s", err, strings.ReplaceAll(string(out), "---", "- -"))
		}
	}
	t.Run("limit", func(t *testing.T) { t.Parallel(); child(t, "limit") })
	t.Run("tmpfs", func(t *testing.T) {
		t.Parallel()
		prefix := []string{"unshare", "-rm"}
		trial := append(prefix, "mount", "-t", "tmpfs", "tmpfs", t.TempDir())
		if out, err := exec.Command(trial[0], trial[1:]...).CombinedOutput(); err != nil {
			t.Logf("not checked: no mount on this machine (the limit of the file size is): %v: %s", err, out)
			return
		}
		child(t, "tmpfs", prefix...)
	})
}

// TestChildWithAFullDisk is the process whose disk is full.
func TestChildWithAFullDisk(t *testing.T) {
	kind := os.Getenv(outageOf)
	if kind == "" {
		return
	}
	dir := t.TempDir()
	if kind == "tmpfs" {
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=96m"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	}
	w := demotest.Start(t, demo.Options{Dir: dir})
	outage(t, w, func() func() {
		if kind == "tmpfs" {
			return fill(t, filepath.Join(dir, "filler"))
		}
		return limitFiles(t)
	})
}

// fill takes all the space of a file system.
func fill(t *testing.T, path string) (end func()) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	size := 1 << 20
	for block := make([]byte, size); size > 0; {
		_, err := f.Write(block[:size])
		switch {
		case errors.Is(err, syscall.ENOSPC):
			size /= 2
		case err != nil:
			t.Fatal(err)
		}
	}
	return func() {
		if err := errors.Join(f.Truncate(0), f.Close(), os.Remove(path)); err != nil {
			t.Error(err)
		}
	}
}

// limitFiles lets every write to a file fail.
func limitFiles(t *testing.T) (end func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 0, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
			t.Error(err)
		}
	}
}
