package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// raw is a client without retries, checksums, part files and releases. Its speed
// is the upper bound.
type raw struct {
	client *http.Client
	part   int64
	out    string
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// rawGet fetches one URL by parallel ranges, or a list of URLs (-list) whole,
// many at once.
func rawGet(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("raw", flag.ExitOnError)
	conns := f.Int("c", 16, "connections")
	list := f.String("list", "", "file with one URL a line")
	r := raw{}
	f.Int64Var(&r.part, "part", 8<<20, "bytes of one range")
	_ = f.Parse(args)
	r.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: *conns, DisableCompression: true}}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(*conns)
	if *list == "" {
		r.out = f.Arg(1)
		return r.ranges(ctx, g, f.Arg(0))
	}
	in, err := os.Open(*list)
	if err != nil {
		return err
	}
	defer in.Close()
	for s := bufio.NewScanner(in); s.Scan(); {
		url := s.Text()
		g.Go(func() error { return r.whole(ctx, url, f.Arg(0)) })
	}
	return g.Wait()
}

func (r raw) get(ctx context.Context, url, span string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if span != "" {
		req.Header.Set("Range", "bytes="+span)
	}
	resp, err := r.client.Do(req)
	if err == nil && resp.StatusCode/100 != 2 {
		resp.Body.Close()
		err = errors.New(resp.Status)
	}
	return resp, err
}

// ranges starts all other requests after the headers of the first response.
func (r raw) ranges(ctx context.Context, g *errgroup.Group, url string) error {
	first, err := r.get(ctx, url, fmt.Sprintf("0-%d", r.part-1))
	if err != nil {
		return err
	}
	_, total, _ := strings.Cut(first.Header.Get("Content-Range"), "/")
	size, err := strconv.ParseInt(total, 10, 64)
	if err != nil {
		return err
	}
	file, err := os.Create(r.out)
	if err != nil {
		return err
	}
	defer file.Close()
	g.Go(func() error { return save(file, first.Body, 0) })
	for off := r.part; off < size; off += r.part {
		g.Go(func() error {
			resp, err := r.get(ctx, url, fmt.Sprintf("%d-%d", off, min(off+r.part, size)-1))
			if err != nil {
				return err
			}
			return save(file, resp.Body, off)
		})
	}
	return g.Wait()
}

func (r raw) whole(ctx context.Context, url, dir string) error {
	resp, err := r.get(ctx, url, "")
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dir, path.Base(resp.Request.URL.Path)))
	if err != nil {
		return err
	}
	defer file.Close()
	return save(file, resp.Body, 0)
}

func save(file *os.File, body io.ReadCloser, off int64) error {
	defer body.Close()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, err := io.ReadFull(body, *buf)
		if _, werr := file.WriteAt((*buf)[:n], off); werr != nil {
			return werr
		}
		off += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
