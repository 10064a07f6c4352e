package preview

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"

	"usher/client/quantity"
)

// packing is a compression of one file.
type packing struct {
	name string
	ends []string // of names, with the end of the name inside
	open func(io.Reader) (io.Reader, func(), error)
}

func gzipFile() packing {
	return packing{"gzip", []string{".gz", "", ".tgz", ".tar", ".gzip", ""}, func(r io.Reader) (io.Reader, func(), error) {
		z, err := gzip.NewReader(r)
		return z, func() {}, err
	}}
}

func zstdFile() packing {
	return packing{"zstd", []string{".zst", "", ".tzst", ".tar", ".zstd", ""}, func(r io.Reader) (io.Reader, func(), error) {
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(mostWindow), zstd.WithDecoderMaxMemory(mostTarred))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}}
}

func bzip2File() packing {
	return packing{"bzip2", []string{".bz2", "", ".tbz2", ".tar", ".tbz", ".tar"}, func(r io.Reader) (io.Reader, func(), error) {
		return bzip2.NewReader(r), func() {}, nil
	}}
}

// inner returns the name of the content of a packed file.
func (p packing) inner(name string) string {
	for i := 0; i < len(p.ends); i += 2 {
		if s, ok := strings.CutSuffix(name, p.ends[i]); ok {
			return s + p.ends[i+1]
		}
	}
	return name
}

// unpack returns the function that shows the content of a packed file.
func unpack(with func() packing) func(context.Context, *Doc, input) error {
	return func(ctx context.Context, d *Doc, in input) error {
		p := with()
		name := p.inner(in.name)
		start, _, err := p.some(ctx, in, 1<<10)
		if len(start) == 0 && err != nil && !errors.Is(err, errCut) {
			return err
		}
		if path.Ext(name) == ".tar" || detect(input{name: name, data: start, packed: p.name}).name == "tar archive" {
			return p.tarred(ctx, d, in)
		}
		data, more, err := p.some(ctx, in, mostUnpacked)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errCut):
		case len(data) == 0 && err != nil:
			return err
		case err != nil:
			d.note("The %s data is damaged or ends after %s of content.", p.name, quantity.Size(int64(len(data))))
		case more:
			d.note("The content stops at %s. The rest is not unpacked.", quantity.Size(mostUnpacked))
		}
		return d.open(ctx, input{name: name, data: data, complete: err == nil && !more, packed: p.name, r: in.r})
	}
}

// errCut is the end of the part of a file that was read.
var errCut = damaged("its beginning was read alone")

// packed is the data of an input, with errCut at the end of an incomplete one.
func packed(ctx context.Context, in input) io.Reader {
	return &cutReader{ctx: ctx, r: bytes.NewReader(in.data), complete: in.complete}
}

type cutReader struct {
	ctx      context.Context
	r        *bytes.Reader
	complete bool
}

func (c *cutReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	if err == io.EOF && !c.complete {
		err = errCut
	}
	return n, err
}

// some unpacks at most n bytes, and reports whether there is more.
func (p packing) some(ctx context.Context, in input, n int64) (data []byte, more bool, err error) {
	r, end, err := p.open(packed(ctx, in))
	if err != nil {
		return nil, false, err
	}
	defer end()
	data, err = readMost(r, n)
	if err != nil || int64(len(data)) < n {
		return data, false, err
	}
	var one [1]byte
	_, err = io.ReadFull(r, one[:])
	return data, err == nil, nil
}

// readMost reads at most n bytes, and allocates at most 2n.
func readMost(r io.Reader, n int64) ([]byte, error) {
	data := make([]byte, 0, min(n, int64(First)))
	for int64(len(data)) < n {
		if len(data) == cap(data) {
			grown := make([]byte, len(data), min(n, int64(4*cap(data))))
			copy(grown, data)
			data = grown
		}
		m, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+m]
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return data, err
		}
	}
	return data, nil
}

// tarred lists a packed tar archive.
func (p packing) tarred(ctx context.Context, d *Doc, in input) error {
	r, end, err := p.open(packed(ctx, in))
	if err != nil {
		return err
	}
	defer end()
	d.Kind = p.name + ", tar archive"
	return listTar(ctx, d, &stopReader{r, mostTarred}, in.complete, in.fetched, nil)
}

// errStop is the end of the content that is unpacked.
var errStop = damaged("its content is too large")

// stopReader returns errStop after a number of bytes.
type stopReader struct {
	r    io.Reader
	left int64
}

func (s *stopReader) Read(p []byte) (int, error) {
	if s.left <= 0 {
		return 0, errStop
	}
	n, err := s.r.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	return n, err
}
