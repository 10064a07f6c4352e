package download

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
)

// TestMain lets the test binary be the program that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("USHER_VICTIM"); dir != "" {
		if err := victim(dir, os.Getenv("USHER_VICTIM_SERVER"), os.Getenv("USHER_VICTIM_S3")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// victim downloads the folder b/f into dir, in a process of its own.
func victim(dir, server, s3 string) error {
	t := quick()
	t.Checkpoint = 2 * time.Millisecond
	e, err := New(Config{Releaser: remote(server), Lister: remote(server), S3Hosts: []string{s3}, AllowHTTP: true, Timeouts: t})
	if err != nil {
		return err
	}
	e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: dir, Name: "."})
	if err := e.Wait(context.Background()); err != nil {
		return err
	}
	s := e.Snapshot()
	if s.FilesFailed > 0 || s.Transfers[0].State != Done {
		return fmt.Errorf("%v%s", s.Transfers[0].State, failures(e))
	}
	return e.Close()
}

// remote asks the test's backend over HTTP.
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

// TestKill ends the program with SIGKILL at random instants until a folder is
// complete: 20 times, or USHER_KILLS times. What is under a final name must be
// right at every instant, and no byte may be fetched for nothing but those
// since the last note.
func TestKill(t *testing.T) {
	kills := 20
	if n, err := strconv.Atoi(os.Getenv("USHER_KILLS")); err == nil {
		kills = n
	}
	self, err := os.Executable()
	must(t, err)
	w := newWorld(t)
	total := 0
	for i, n := range []int{0, 1, 5000, 70_000, 900_000, 3 << 20, 9 << 20, 20 << 20} {
		w.put(fmt.Sprintf("b/f/%d", i), random(uint64(i), n), []string{"CRC64NVME", "CRC32C", "SHA256", ""}[i%4])
		total += n
	}
	backend := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
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
	defer backend.Close()
	w.mu.Lock()
	w.onGet = func(_ int, o *object, rw http.ResponseWriter, r *http.Request) bool { // some ms for each 256 KiB
		w.send(slow{rw, r.Context()}, r, o, o.data)
		return true
	}
	w.mu.Unlock()
	rnd := rand.New(rand.NewPCG(1, uint64(kills)))
	rounds, wrong, dir := 0, 0, scratch(t)
	check := func() {
		for i := range 8 {
			o := w.objects[fmt.Sprintf("b/f/%d", i)]
			if got, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(i))); err == nil && string(got) != string(o.data) {
				wrong++
			}
		}
	}
	for done := 0; done < kills; {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), "USHER_VICTIM="+dir, "USHER_VICTIM_SERVER="+backend.URL, "USHER_VICTIM_S3="+w.host())
		var out strings.Builder
		cmd.Stderr = &out
		must(t, cmd.Start())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("%v: %s", err, out.String())
			}
			check()
			for i := range 8 {
				mustEqual(t, filepath.Join(dir, strconv.Itoa(i)), w.objects[fmt.Sprintf("b/f/%d", i)].data)
			}
			if left := leftovers(t, dir); left != nil {
				t.Fatalf("left behind %v", left)
			}
			rounds++
			dir = scratch(t)
		case <-time.After(time.Duration(5+rnd.IntN(120)) * time.Millisecond):
			cmd.Process.Kill()
			<-ended
			done++
			check()
		}
	}
	t.Logf("KILL kills=%d complete=%d wrong_final_seen=%d sent=%d of %d bytes", kills, rounds, wrong, w.sent.Load(), total*max(rounds, 1))
	if wrong != 0 {
		t.Error("a final name held something else than it should")
	}
	// Left alone, it comes to its end.
	must(t, victim(dir, backend.URL, w.host()))
	check()
	for i := range 8 {
		mustEqual(t, filepath.Join(dir, strconv.Itoa(i)), w.objects[fmt.Sprintf("b/f/%d", i)].data)
	}
	if left := leftovers(t, dir); left != nil || wrong != 0 {
		t.Errorf("left behind %v, %d wrong", left, wrong)
	}
}

// slow passes an answer on in steps.
type slow struct {
	http.ResponseWriter
	ctx context.Context
}

func (s slow) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		m, err := s.ResponseWriter.Write(p[:min(len(p), 256<<10)])
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
		case <-time.After(2 * time.Millisecond):
		}
	}
	return n, nil
}
