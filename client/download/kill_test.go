package download

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestKill kills a downloading process with SIGKILL at random instants, 20 times,
// or 200 in a soak, and restarts it until its folders are complete.
func TestKill(t *testing.T) {
	killMany(t, fakeStack{}, floorOf(20, 8))
}

// killMany kills a process repeatedly. A file under its final name must be
// correct at every instant, and a sidecar must not list bytes that are not in
// the part. One kill costs the buffers of some twenty connections.
func killMany(t *testing.T, on stack, kills int) {
	if soak() {
		kills = 200
	}
	w := on.testbed(t, userOptions{})
	defer w.close()
	sizes, total := []int{0, 1, 5000, 70_000, 900_000, 3 << 20, 9 << 20, 20 << 20}, 0
	for i, n := range sizes {
		w.put(fmt.Sprintf("%sf/%d", w.root, i), random(uint64(i), n), []string{"CRC64NVME", "CRC32C", "SHA256", ""}[i%4])
		total += n
	}
	w.script(anyGET(w.paced(64<<10, 2*time.Millisecond)))
	rnd := rand.New(rand.NewPCG(1, uint64(kills)))
	rounds, wrong, wrongSidecars, dir := 0, 0, 0, scratch(t)
	content := func(key string) []byte {
		if o := w.object(w.bucket() + "/" + key); o != nil {
			return o.data
		}
		return nil
	}
	complete := func() {
		t.Helper()
		for i := range sizes {
			mustEqual(t, filepath.Join(dir, strconv.Itoa(i)), w.object(fmt.Sprintf("%sf/%d", w.root, i)).data)
		}
		if left := leftovers(t, dir); left != nil {
			t.Fatalf("left behind %v", left)
		}
		rounds++
		os.RemoveAll(dir)
		dir = scratch(t)
	}
	for done := 0; done < kills; {
		cmd := w.child(w.root+"f/", dir)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		finals := map[string]func([]byte) bool{}
		for i := range sizes {
			o := w.object(fmt.Sprintf("%sf/%d", w.root, i))
			finals[filepath.Join(dir, strconv.Itoa(i))] = func(b []byte) bool { return string(b) == string(o.data) }
		}
		stop := watchAll(finals, &wrong)
		before := w.gets.Load()
		must(t, cmd.Start())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		// The random delay begins with the first GET: startup time does not count.
		started := make(chan struct{})
		var over atomic.Bool
		go func() {
			for w.gets.Load() == before && !over.Load() {
				<-time.After(time.Millisecond)
			}
			close(started)
		}()
		killed := false
		select {
		case err := <-ended:
			ended <- err
		case <-started:
			select {
			case err := <-ended:
				ended <- err
			case <-time.After(time.Duration(rnd.IntN(100)) * time.Millisecond):
				cmd.Process.Kill()
				killed = true
			}
		}
		err := <-ended
		over.Store(true)
		stop()
		for _, p := range consistent(dir, content) {
			t.Error(p)
			wrongSidecars++
		}
		switch {
		case err == nil: // it completed before the kill
			complete()
		case !killed:
			t.Fatalf("%v: %s", err, stderr.String())
		default:
			done++
		}
	}
	cmd := w.child(w.root+"f/", dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("a process that is not killed: %v: %s", err, out)
	}
	complete()
	need := int64(rounds) * int64(total)
	t.Logf("KILL world=%s kills=%d complete=%d wrong_final_seen=%d wrong_sidecars=%d refetched=%d of %d bytes",
		on.name(), kills, rounds, wrong, wrongSidecars, w.sent.Load()-need, need)
	if wrong != 0 || w.sent.Load()-need > int64(kills)*2*maxRefetch {
		t.Errorf("%d wrong files under a final name; %d bytes fetched twice", wrong, w.sent.Load()-need)
	}
}

// slow is a response writer that writes in steps, with a pause between them.
type slow struct {
	http.ResponseWriter
	ctx   context.Context
	step  int // bytes
	pause time.Duration
}

func (s slow) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		m, err := s.ResponseWriter.Write(p[:min(len(p), s.step)])
		n += m
		if err != nil {
			return n, err
		}
		if p = p[m:]; len(p) == 0 {
			break
		}
		select {
		case <-s.ctx.Done():
			return n, s.ctx.Err()
		case <-time.After(s.pause):
		}
	}
	return n, nil
}
