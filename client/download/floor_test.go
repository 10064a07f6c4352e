package download

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"usher/backend/api"
)

// floor is the least that can be done: the same releases, bare GETs and
// pwrite. No checksum, no rename, no sync, no look at what is there.
func floor(dir, server string) error {
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
	conns, transport := smallSlots, newTransport(hooks{}, Timeouts{}.withDefaults(), smallSlots+maxConns)
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
