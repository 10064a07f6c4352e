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
	"usher/client/download/fetch"
)

// floor downloads with the least work, as the lower bound of BenchmarkProcess:
// the same releases, bare GETs and pwrite. It computes no checksum, renames and
// syncs no file, and does not check for existing files.
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
	type request struct {
		item api.ReleaseItem
		file *os.File
		off  int64
		spec string // the Range header; "": the whole object
	}
	requests := make(chan request, 1000)
	conns, transport := smallSlots, fetch.NewTransport(nil, nil, Timeouts{}.withDefaults().Idle, smallSlots+fetch.MaxConns)
	if entries[0].Size > smallObject {
		conns = fetch.FirstConns
	}
	group := errgroup.Group{}
	for range conns {
		group.Go(func() error {
			buf := make([]byte, fetch.BufferSize)
			if conns == smallSlots {
				buf = buf[:fetch.LittleBuffer]
			}
			for r := range requests {
				if err := bareGet(transport, r.item, r.spec, r.file, r.off, buf); err != nil {
					return err
				}
				if r.spec == "" {
					r.file.Close()
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
				requests <- request{item: item, file: f}
				continue
			}
			const part = 8 << 20
			for off := int64(0); off < entries[i].Size; off += part {
				requests <- request{item, f, off, fmt.Sprintf("bytes=%d-%d", off, min(off+part, entries[i].Size)-1)}
			}
		}
		entries = entries[len(resp.Items):]
	}
	close(requests)
	return group.Wait()
}

// bareGet sends one GET and writes the body at off.
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
