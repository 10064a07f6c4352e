package preview

import (
	"archive/tar"
	"archive/zip"
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"usher/client/quantity"
)

const (
	mostTarred = 128 << 20 // bytes of a packed tar archive that are unpacked and dropped
	tarStep    = 1 << 10   // fetched bytes of a tar archive for one request
	tarAhead   = 2 << 10   // bytes read with a header
	zipAhead   = 64 << 10  // bytes read of a directory
)

// listing collects the entries of an archive.
type listing struct {
	table          Table
	files, folders int
	packed         bool // an entry has its packed size
	bytes          int64
	full           bool // mostEntries are there
}

func newListing() *listing {
	return &listing{table: Table{Title: "listing", Head: []string{"Size", "Packed", "Modified", "Name"}, Right: []bool{true, true, false, false}}}
}

// add adds an entry, and reports whether there is room for another one. packed is -1
// if the archive does not have it.
func (l *listing) add(name string, size, packed int64, modified time.Time, kind string) bool {
	if len(l.table.Rows) == mostEntries {
		l.full = true
		return false
	}
	row := []string{"", "", "", cellOf(name)}
	switch kind {
	case "folder":
		l.folders++
	case "file":
		l.files++
		l.bytes += max(size, 0)
		row[0] = quantity.Count(size)
		if packed >= 0 {
			row[1], l.packed = quantity.Count(packed), true
		}
	default:
		row[0] = kind
	}
	if y := modified.Year(); y > 1980 && y < 10_000 {
		row[2] = modified.UTC().Format("2006-01-02 15:04")
	}
	l.table.Rows = append(l.table.Rows, row)
	return true
}

func (l *listing) finish(d *Doc) {
	entries := quantity.Plural(l.files, "file", "files")
	if l.folders > 0 {
		entries += ", " + quantity.Plural(l.folders, "folder", "folders")
	}
	d.note("%s, %s of content.", entries, quantity.Size(l.bytes))
	if !l.packed {
		l.table.drop(1)
	}
	if l.full {
		d.note("The listing stops after %s entries.", quantity.Count(mostEntries))
	}
	d.add(&l.table)
}

// showZip lists a zip archive by its central directory, which is at the end of the file.
func showZip(ctx context.Context, d *Doc, in input) error {
	if in.r.Size() > zipAhead {
		tail := make([]byte, zipAhead)
		if _, err := in.r.ReadAt(ctx, tail, in.r.Size()-zipAhead, 0); err != nil {
			return err
		}
		if n := directorySize(tail); n > mostDir {
			return damaged("its directory has " + quantity.Size(n) + ", more than " + quantity.Size(mostDir))
		}
	}
	limited := &boundedReaderAt{reader: in.r.reader(ctx, zipAhead), left: 4 * mostDir}
	z, err := zip.NewReader(limited, in.r.Size())
	switch {
	case limited.left < 0:
		return damaged("its directory is larger than " + quantity.Size(mostDir))
	case err != nil && !errors.Is(err, zip.ErrInsecurePath):
		return err
	}
	l := newListing()
	for _, f := range z.File {
		kind := "file"
		if f.FileInfo().IsDir() {
			kind = "folder"
		}
		if !l.add(f.Name, int64(min(f.UncompressedSize64, 1<<62)), int64(min(f.CompressedSize64, 1<<62)), f.Modified, kind) {
			break
		}
	}
	l.finish(d)
	return nil
}

// directorySize returns the size that the end record of a zip archive names, 0
// without one. A zip64 archive has it in another record.
// SPEC: APPNOTE.TXT 4.3.16.
func directorySize(tail []byte) int64 {
	for i := len(tail) - 22; i >= 0; i-- {
		if string(tail[i:i+4]) == "PK\x05\x06" {
			n := int64(tail[i+12]) | int64(tail[i+13])<<8 | int64(tail[i+14])<<16 | int64(tail[i+15])<<24
			if n == 1<<32-1 {
				return 0
			}
			return n
		}
	}
	return 0
}

// boundedReaderAt ends after a number of bytes. A directory of wrong sizes cannot
// make zip.Reader allocate more than its bytes allow.
type boundedReaderAt struct {
	*reader
	left int64
}

func (b *boundedReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errCut
	}
	return b.reader.ReadAt(p, off)
}

// showTar lists a tar archive: one range for each header.
func showTar(ctx context.Context, d *Doc, in input) error {
	if in.packed != "" {
		return listTar(ctx, d, packed(ctx, in), in.complete, in.fetched, nil)
	}
	requests, r := in.r.Requests()+len(in.data)/tarStep, in.r.reader(ctx, tarAhead)
	return listTar(ctx, d, r, true, func() int64 { return r.off }, func() bool { return in.r.Requests() < requests })
}

// fetched returns the length of the fetched beginning of the file in bytes.
func (in input) fetched() int64 { return int64(len(in.data)) }

// listTar lists the entries of an archive while more returns true; nil is always.
// reached returns the number of bytes of the file that the listing is of.
func listTar(ctx context.Context, d *Doc, r io.Reader, complete bool, reached func() int64, more func() bool) error {
	t, l := tar.NewReader(r), newListing()
	for {
		h, err := t.Next()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF):
			if complete {
				d.Next = 0
			}
			l.finish(d)
			return nil
		case err != nil && len(l.table.Rows) == 0 && !errors.Is(err, errCut):
			return err
		case errors.Is(err, errStop):
			d.note("The listing stops after %s of content.", quantity.Size(mostTarred))
			l.finish(d)
			return nil
		case errors.Is(err, errCut), err != nil && !complete:
			d.note("The listing is of the first %s of the file.", quantity.Size(reached()))
			l.finish(d)
			return nil
		case err != nil:
			d.note("The archive is damaged or ends after the listed entries.")
			l.finish(d)
			return nil
		}
		if !l.add(h.Name, h.Size, -1, h.ModTime, entryKind(h)) || more != nil && !more() {
			d.note("The listing is of the first %s of the file.", quantity.Size(reached()))
			l.finish(d)
			return nil
		}
	}
}

func entryKind(h *tar.Header) string {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		return "file"
	case tar.TypeDir:
		return "folder"
	case tar.TypeSymlink, tar.TypeLink:
		return "link"
	}
	return "type " + strconv.QuoteRuneToASCII(rune(h.Typeflag))
}
