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

// TestKill ends the program with SIGKILL at random instants until folders are
// complete: 20 times, or 200 in a soak.
func TestKill(t *testing.T) {
	killMany(t, fakeStack{}, 20)
}

// killMany kills a program over and over. What is under a final name must be
// right at every instant, and a sidecar must not claim what is not there. A
// death costs what some twenty connections had in their buffers.
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
	rounds, wrong, lies, dir := 0, 0, 0, scratch(t)
	content := func(key string) []byte {
		if o := w.object(w.bucket() + "/" + key); o != nil {
			return o.data
		}
		return nil
	}
	whole := func() {
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
		var said strings.Builder
		cmd.Stderr = &said
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
		// From when it does something: how long a start takes is not the point.
		asking := make(chan struct{})
		var over atomic.Bool
		go func() {
			for w.gets.Load() == before && !over.Load() {
				<-time.After(time.Millisecond)
			}
			close(asking)
		}()
		killed := false
		select {
		case err := <-ended:
			ended <- err
		case <-asking:
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
			lies++
		}
		switch {
		case err == nil: // it was faster
			whole()
		case !killed:
			t.Fatalf("%v: %s", err, said.String())
		default:
			done++
		}
	}
	cmd := w.child(w.root+"f/", dir)
	if said, err := cmd.CombinedOutput(); err != nil { // left alone, it comes to its end
		t.Fatalf("%v: %s", err, said)
	}
	whole()
	need := int64(rounds) * int64(total)
	t.Logf("KILL world=%s kills=%d complete=%d wrong_final_seen=%d sidecar_lies=%d refetched=%d of %d bytes", on.name(), kills, rounds, wrong, lies, w.sent.Load()-need, need)
	if wrong != 0 || w.sent.Load()-need > int64(kills)*2*maxRefetch {
		t.Errorf("wrong finals: %d; %d bytes came twice", wrong, w.sent.Load()-need)
	}
}

// slow passes an answer on in steps.
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
