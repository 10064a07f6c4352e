package download

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
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

	"golang.org/x/sync/errgroup"

	"usher/backend/api"
)

// TestMain lets the test binary be the program that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("USHER_VICTIM"); dir != "" {
		run := victim
		if os.Getenv("USHER_VICTIM_FLOOR") != "" {
			run = floor
		}
		if err := run(dir, os.Getenv("USHER_VICTIM_SERVER"), os.Getenv("USHER_VICTIM_S3")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if status, err := os.ReadFile("/proc/self/status"); err == nil { // VmHWM: the peak
			fmt.Printf("%s", status)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// victim downloads the folder b/f into dir, in a process of its own.
func victim(dir, server, s3 string) error {
	var t Timeouts // those of every day, when it is measured
	if os.Getenv("USHER_VICTIM_MEASURED") == "" {
		t = quick()
		t.Checkpoint = 2 * time.Millisecond
	}
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

// floor is the least that can be done: the same releases, bare GETs and
// pwrite. No checksum, no rename, no sync, no look at what is there.
func floor(dir, server, _ string) error {
	ctx, client := context.Background(), remote(server)
	page, err := client.List(ctx, api.ListRequest{Bucket: "b", Prefix: "f/", Recursive: true})
	if err != nil {
		return err
	}
	entries := page.Entries
	for page.Cursor != "" {
		if page, err = client.List(ctx, api.ListRequest{Bucket: "b", Prefix: "f/", Recursive: true, Cursor: page.Cursor}); err != nil {
			return err
		}
		entries = append(entries, page.Entries...)
	}
	type work struct {
		item api.ReleaseItem
		file *os.File
		off  int64
		spec string
	}
	jobs := make(chan work, 1000)
	conns, transport := smallSlots, newTransport(hooks{}, Timeouts{}.withDefaults())
	if entries[0].Size > smallObject {
		conns = firstConns
	}
	group := errgroup.Group{}
	for range conns {
		group.Go(func() error {
			buf := make([]byte, bufferSize)
			if conns == smallSlots {
				buf = buf[:littleBuffer]
			}
			for j := range jobs {
				if err := bareGet(transport, j.item, j.spec, j.file, j.off, buf); err != nil {
					return err
				}
				if j.spec == "" {
					j.file.Close()
				}
			}
			return nil
		})
	}
	for len(entries) > 0 {
		var req api.ReleaseRequest
		for _, e := range entries[:min(len(entries), api.MaxRelease)] {
			req.Objects = append(req.Objects, api.ReleaseObject{Bucket: "b", Key: "f/" + e.Name, ETag: e.ETag})
		}
		resp, err := client.Release(ctx, req)
		if err != nil {
			return err
		}
		for i, item := range resp.Items {
			f, err := os.Create(filepath.Join(dir, entries[i].Name))
			if err != nil {
				return err
			}
			if entries[i].Size <= smallObject {
				jobs <- work{item: item, file: f}
				continue
			}
			const part = 8 << 20
			for off := int64(0); off < entries[i].Size; off += part {
				jobs <- work{item, f, off, fmt.Sprintf("bytes=%d-%d", off, min(off+part, entries[i].Size)-1)}
			}
		}
		entries = entries[len(resp.Items):]
	}
	close(jobs)
	return group.Wait()
}

// bareGet is one GET, written where it belongs.
func bareGet(rt http.RoundTripper, item api.ReleaseItem, spec string, f *os.File, off int64, buf []byte) error {
	req, err := http.NewRequest(http.MethodGet, item.URL, nil)
	if err != nil {
		return err
	}
	for k, v := range item.Headers {
		req.Header.Set(k, v)
	}
	if spec != "" {
		req.Header.Set("Range", spec)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for {
		n, err := io.ReadFull(resp.Body, buf)
		if n > 0 {
			if _, err := f.WriteAt(buf[:n], off); err != nil {
				return err
			}
			off += int64(n)
		}
		if err != nil {
			return nil
		}
	}
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

// backend serves List and Release to another process.
func (w *world) backend() *httptest.Server {
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
	backend := w.backend()
	w.mu.Lock()
	w.onGet = func(_ int, o *object, rw http.ResponseWriter, r *http.Request) bool { // some ms for each 256 KiB
		w.send(slow{rw, r.Context(), 256 << 10, 2 * time.Millisecond}, r, o, o.data)
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
