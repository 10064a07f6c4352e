package serve

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"syscall"
	"testing"
	"time"

	"usher/backend/audit/audittest"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/sqlite"
	"usher/backend/audit/tree"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/grant/pack"
)

// figures is the log of TestVerifyFigures in its own process.
const figures = "USHER_FIGURES"

// TestVerifyFigures compares the costs of a verification, with all decisions, with
// those of reading and hashing alone: of the loop that reads each record, expands it,
// and adds its hash to the tree. Both run in one process; the loop has one goroutine, and
// a verification has three. USHER_EVENTS is the number of
// events; with USHER_SOAK it is 1,000,000, and the bounds must hold. USHER_LOG is a file
// for the log that is used again.
func TestVerifyFigures(t *testing.T) {
	if path := os.Getenv(figures); path != "" {
		measure(t, path)
		return
	}
	n, soak := 5_000, os.Getenv("USHER_SOAK") != ""
	if soak {
		n = 1_000_000
	}
	if text := os.Getenv("USHER_EVENTS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	path := os.Getenv("USHER_LOG")
	if path == "" {
		path = filepath.Join(t.TempDir(), "audit.db")
	}
	if _, err := os.Stat(path); err != nil {
		manyEvents(t, path, n)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVerifyFigures$", "-test.v")
	child.Env = append(os.Environ(), figures+"="+path)
	out, err := child.CombinedOutput()
	m := regexp.MustCompile(`elapsed time (\d+\.\d+), of CPU \d+\.\d+; peak (\d+) MiB`).FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	ratio, _ := strconv.ParseFloat(string(m[1]), 64)
	peak, _ := strconv.Atoi(string(m[2]))
	if soak && (ratio > 2 || peak > 64) {
		t.Errorf("%d events: ratio %.2f, at most 2; peak %d MiB, at most 64", n, ratio, peak)
	}
}

// manyEvents makes a log of many events whose decisions can be made again.
func manyEvents(t *testing.T, path string, n int) {
	t.Helper()
	var all []grant.Grant
	for i := range audittest.ManyGroups {
		all = append(all, grant.Grant{Group: fmt.Sprintf("group-%02d", i), Bucket: "company-reports", Prefix: fmt.Sprintf("dept-%02d/", i)})
	}
	set, err := grant.NewSet(all)
	if err != nil {
		t.Fatal(err)
	}
	secret, public, err := checkpoint.Generate(rand.Reader, "usher.example.com/audit")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := checkpoint.NewSigner(secret, public)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{path + ".pub": signer.Key() + "\n", path + ".key": secret} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := sqlite.Open(sqlite.Config{Path: path, Signer: signer})
	if err != nil {
		t.Fatal(err)
	}
	text, err := pack.Pack(all)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.KeepPolicy(t.Context(), set.Version(), text); err != nil {
		t.Fatal(err)
	}
	var batch []event.Event
	for e := range audittest.Many(set.Version(), n) {
		if batch = append(batch, e); len(batch) == 20_000 {
			if err := s.Append(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	if err := s.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// measure prints the figures of a log.
func measure(t *testing.T, path string) {
	s, err := sqlite.Open(sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	read := func() (n int64) {
		var f tree.Frontier
		for r, err := range s.Records(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			f.Append(tree.Leaf(r.Canonical), func(int, int64, tree.Hash) {})
		}
		return f.Size()
	}
	size, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	before, beforeWall := cost(func() { n = read() })
	var v Verified
	// SPEC: proc_pid_clear_refs(5): 5 resets VmHWM.
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	whole, wholeWall := cost(func() {
		v, err = VerifyFile(t.Context(), Verify{Path: path, Key: path + ".pub"}, Deps{})
	})
	if err != nil || v.FaultCount > 0 || v.Decisions.Differ > 0 || v.Decisions.Decisions < n/2 || v.Checkpoints == 0 {
		t.Fatalf("%+v (%v)", v, err)
	}
	most := peak(t)
	after, afterWall := cost(func() { n = read() })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	floor, floorWall := min(before, after), min(beforeWall, afterWall)
	each := func(d time.Duration) string {
		return fmt.Sprintf("%.2f µs", float64(d.Nanoseconds())/float64(n)/1000)
	}
	fmt.Printf("%d events, %d decisions, %d bytes an event; reading and hashing alone %s of CPU (%v), verify %s of CPU (%v): ratio of elapsed time %.2f, of CPU %.2f; peak %d MiB\n",
		n, v.Decisions.Decisions, size.Size()/n, each(floor), floorWall.Round(time.Millisecond), each(whole), wholeWall.Round(time.Millisecond),
		float64(wholeWall)/float64(floorWall), float64(whole)/float64(floor), most>>10)
}

// cost returns the CPU time of the process and the elapsed time of f.
func cost(f func()) (cpu, wall time.Duration) {
	used := func() time.Duration {
		var r syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	at, began := used(), time.Now()
	f()
	return used() - at, time.Since(began)
}

// peak returns the largest resident size of the process, in KiB.
// SPEC: proc_pid_status(5), VmHWM.
func peak(t *testing.T) int {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(raw)
	if m == nil {
		t.Fatal("the status has no VmHWM")
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
