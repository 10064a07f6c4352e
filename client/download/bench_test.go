//go:build unix

package download

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"usher/backend/api"
)

// The benchmarks stand next to their floors: bare ranged GETs and pwrite over
// the same transport from the same server, with no release, no checksum, no
// sidecar, no rename and no sync.

// cpu is what this process has used, server included, in seconds.
func cpu() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// measure reports CPU beside time: on a busy machine it says more.
func measure(b *testing.B, per float64, unit string) func() {
	from := cpu()
	return func() { b.ReportMetric((cpu()-from)/float64(b.N)/per, unit) }
}

func bigWorld(b *testing.B, size int) (*world, *object) {
	w := newWorld(b)
	data := make([]byte, size)
	for at := 0; at < size; at += copy(data[at:], noise()) {
	}
	return w, w.put("b/big", data, "CRC64NVME")
}

const bigSize = 256 << 20

func BenchmarkGet(b *testing.B) {
	w, _ := bigWorld(b, bigSize)
	e := w.engine(func(c *Config) { c.Timeouts = Timeouts{} })
	b.SetBytes(bigSize)
	defer measure(b, float64(bigSize)/(1<<30), "cpu-s/GiB")()
	for b.Loop() {
		dir := scratch(b)
		id := e.Add(w.request("b/big", dir))[0]
		wait(b, e)
		if tr := find(b, e, id); tr.State != Done || tr.Verified != "crc64nvme" {
			b.Fatal(tr.State, tr.Err)
		}
		os.RemoveAll(dir)
	}
}

func BenchmarkGetFloor(b *testing.B) {
	w, _ := bigWorld(b, bigSize)
	transport := newTransport(hooks{}, Timeouts{}.withDefaults())
	b.SetBytes(bigSize)
	defer measure(b, float64(bigSize)/(1<<30), "cpu-s/GiB")()
	for b.Loop() {
		dir := scratch(b)
		f, err := os.Create(filepath.Join(dir, "f"))
		must(b, err)
		item := release(b, w, "big")
		const part = 8 << 20
		offsets := make(chan int64)
		var wg sync.WaitGroup
		for range 16 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				buf := make([]byte, bufferSize)
				for off := range offsets {
					floorGet(b, transport, item, fmt.Sprintf("bytes=%d-%d", off, off+part-1), f, off, buf)
				}
			}()
		}
		for off := int64(0); off < bigSize; off += part {
			offsets <- off
		}
		close(offsets)
		wg.Wait()
		f.Close()
		os.RemoveAll(dir)
	}
}

func release(b *testing.B, w *world, keys ...string) api.ReleaseItem {
	var req api.ReleaseRequest
	for _, k := range keys {
		req.Objects = append(req.Objects, api.ReleaseObject{Bucket: "b", Key: k})
	}
	resp, err := w.Release(context.Background(), req)
	must(b, err)
	return resp.Items[0]
}

func floorGet(b *testing.B, rt http.RoundTripper, item api.ReleaseItem, spec string, f *os.File, off int64, buf []byte) {
	req, err := http.NewRequest(http.MethodGet, item.URL, nil)
	must(b, err)
	for k, v := range item.Headers {
		req.Header.Set(k, v)
	}
	if spec != "" {
		req.Header.Set("Range", spec)
	}
	resp, err := rt.RoundTrip(req)
	must(b, err)
	defer resp.Body.Close()
	for {
		n, err := io.ReadFull(resp.Body, buf)
		if n > 0 {
			if _, err := f.WriteAt(buf[:n], off); err != nil {
				b.Fatal(err)
			}
			off += int64(n)
		}
		if err != nil {
			return
		}
	}
}

const manySmall = 2000

func smallWorld(b *testing.B) *world {
	w := newWorld(b)
	w.page = 1000
	for i := range manySmall {
		w.put(fmt.Sprintf("b/f/%04d", i), random(uint64(i), 4096), "CRC64NVME")
	}
	return w
}

func BenchmarkSmall(b *testing.B) {
	w := smallWorld(b)
	defer measure(b, manySmall/1000.0, "cpu-s/1000")()
	for b.Loop() {
		e := w.engine(func(c *Config) { c.Timeouts = Timeouts{} })
		dir := scratch(b)
		id := e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: dir})[0]
		wait(b, e)
		if tr := find(b, e, id); tr.State != Done || tr.FilesDone != manySmall {
			b.Fatal(tr.State, tr.Err)
		}
		e.Close()
		os.RemoveAll(dir)
	}
	b.ReportMetric(float64(manySmall*b.N)/b.Elapsed().Seconds(), "files/s")
}

func BenchmarkSmallFloor(b *testing.B) {
	w := smallWorld(b)
	defer measure(b, manySmall/1000.0, "cpu-s/1000")()
	for b.Loop() {
		transport := newTransport(hooks{}, Timeouts{}.withDefaults())
		dir := scratch(b)
		var items []api.ReleaseItem
		for i := range manySmall {
			items = append(items, release(b, w, fmt.Sprintf("f/%04d", i)))
		}
		next := make(chan int)
		var wg sync.WaitGroup
		for range smallSlots {
			wg.Add(1)
			go func() {
				defer wg.Done()
				buf := make([]byte, 8192)
				for i := range next {
					f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
					must(b, err)
					floorGet(b, transport, items[i], "", f, 0, buf)
					f.Close()
				}
			}()
		}
		for i := range manySmall {
			next <- i
		}
		close(next)
		wg.Wait()
		transport.CloseIdleConnections()
		os.RemoveAll(dir)
	}
	b.ReportMetric(float64(manySmall*b.N)/b.Elapsed().Seconds(), "files/s")
}
