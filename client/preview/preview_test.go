package preview_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/image/bmp"

	"usher/client/preview"
)

// memory is a file in memory.
type memory []byte

func (m memory) ReadRange(_ context.Context, off, n int64) ([]byte, error) {
	return m[off:min(off+n, int64(len(m)))], nil
}

// open opens a file with a budget of Free bytes.
func open(t testing.TB, name string, data []byte) (*preview.Doc, *preview.Ranges) {
	t.Helper()
	r := preview.NewRanges(memory(data), int64(len(data)))
	d, err := preview.Open(t.Context(), r, name, preview.First)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d, r
}

func names(d *preview.Doc) string {
	var out []string
	for _, v := range d.Views {
		out = append(out, v.Name())
	}
	return strings.Join(out, " ")
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

func zstded(data []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	defer func() { _ = w.Close() }()
	return w.EncodeAll(data, nil)
}

func tarred(entries int) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: "docs/", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: when})
	for i := range entries {
		body := fmt.Sprintf("file %d", i)
		_ = w.WriteHeader(&tar.Header{Name: fmt.Sprintf("docs/%03d.txt", i), Mode: 0o644, Size: int64(len(body)), ModTime: when})
		_, _ = io.WriteString(w, body)
	}
	_ = w.Close()
	return b.Bytes()
}

func zipped(entries int) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := range entries {
		f, _ := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("docs/%05d.txt", i), Method: zip.Deflate, Modified: when})
		_, _ = fmt.Fprintf(f, "file %d %s", i, strings.Repeat("x", 50))
	}
	_ = w.Close()
	return b.Bytes()
}

var when = time.Date(2026, 3, 14, 9, 12, 0, 0, time.UTC)

func picture(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetNRGBA(x, y, color.NRGBA{uint8(255 * x / w), uint8(255 * y / h), 90, 255})
		}
	}
	return img
}

func encoded(encode func(io.Writer) error) []byte {
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// good returns a small file of each kind.
func good(t testing.TB) map[string][]byte {
	csv := []byte("name,amount\nrent,1200\n\"a \"\"b\"\", c\",1\n")
	pic := picture(60, 40)
	return map[string][]byte{
		"a.csv": csv, "a.tsv": []byte("a\tb\n1\t2\n"), "a.csv.gz": gzipped(csv), "a.csv.zst": zstded(csv),
		"a.json":    []byte(`{"a": [1, {"b": "c\u001b"}], "d": null, "": true}`),
		"a.jsonl":   []byte("{\"a\":1}\n\n{\"a\":2}\n"),
		"a.parquet": read(t, "parquet/testdata/snappy-v2.parquet"),
		"a.zip":     zipped(20), "a.tar": tarred(20), "a.tar.gz": gzipped(tarred(20)), "a.tar.zst": zstded(tarred(20)),
		"a.md":    []byte("# Title\n\nSome **bold** and `code`.\n\n- one\n- [two](https://example.com)\n\n| a | b |\n|---|---|\n| 1 | 22 |\n\n```\ncode\n```\n"),
		"a.go":    []byte("package a\n\n// A is b.\nfunc A() string { return `x\ny` /* z\n*/ }\n"),
		"a.png":   encoded(func(w io.Writer) error { return png.Encode(w, pic) }),
		"a.jpg":   encoded(func(w io.Writer) error { return jpeg.Encode(w, pic, nil) }),
		"a.gif":   encoded(func(w io.Writer) error { return gif.Encode(w, pic, nil) }),
		"a.bmp":   encoded(func(w io.Writer) error { return bmp.Encode(w, pic) }),
		"a.webp":  []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00"),
		"a.txt":   []byte("one\r\ntwo\n\x1b[31mthree\n"),
		"utf16":   []byte("\xff\xfeh\x00\xe9\x00\n\x00"),
		"latin1":  []byte("caf\xe9 au lait\n"),
		"a.bin":   {0, 1, 2, 3, 0xff},
		"empty":   nil,
		"a.ipynb": []byte(`[1,2]`),
	}
}

// Each kind is recognized and has its views.
func TestKinds(t *testing.T) {
	want := map[string]string{
		"a.csv": "CSV table: table text hex", "a.tsv": "TSV table: table text hex", "a.csv.gz": "gzip, CSV table: table text hex", "a.csv.zst": "zstd, CSV table: table text hex",
		"a.json": "JSON document: tree text hex", "a.jsonl": "NDJSON document: tree text hex", "a.parquet": "Parquet table: table schema hex",
		"a.zip": "zip archive: listing hex", "a.tar": "tar archive: listing hex", "a.tar.gz": "gzip, tar archive: listing hex", "a.tar.zst": "zstd, tar archive: listing hex",
		"a.md": "Markdown text: page text hex", "a.go": "Go source: source hex",
		"a.png": "PNG picture: picture hex", "a.jpg": "JPEG picture: picture hex", "a.gif": "GIF picture: picture hex", "a.bmp": "BMP picture: picture hex", "a.webp": "WebP picture: picture hex",
		"a.txt": "text: text hex", "utf16": "text: text hex", "latin1": "text: text hex", "a.bin": "binary file: hex", "empty": "empty file: text", "a.ipynb": "JSON document: tree text hex",
	}
	for name, data := range good(t) {
		d, r := open(t, name, data)
		if got := d.Kind + ": " + names(d); got != want[name] {
			t.Errorf("%s is %q, not %q (%q)", name, got, want[name], d.Notes)
		}
		if d.Next != 0 {
			t.Errorf("%s: more of a whole file", name)
		}
		if r.Bytes() > int64(len(data)) || len(data) > 0 && r.Requests() == 0 {
			t.Errorf("%s: %d ranges, %d of %d bytes", name, r.Requests(), r.Bytes(), len(data))
		}
	}
}

// The name does not matter where the content has a form.
func TestContentBeforeName(t *testing.T) {
	files := good(t)
	for file, want := range map[string]string{"a.png": "PNG picture", "a.zip": "zip archive", "a.parquet": "Parquet table", "a.tar": "tar archive", "a.csv.gz": "gzip, text", "a.jsonl": "NDJSON document"} {
		if d, _ := open(t, "renamed.txt", files[file]); d.Kind != want {
			t.Errorf("%s as .txt is %q", file, d.Kind)
		}
	}
	for _, name := range []string{"a.csv", "a.json", "a.zip", "a.parquet", "a.jsonl"} {
		d, _ := open(t, name, []byte("not\x00it"))
		if names(d) != "hex" {
			t.Errorf("bytes as %s: %q", name, names(d))
		}
	}
	d, _ := open(t, "a.json", []byte("Not JSON at all\n"))
	if names(d) != "text hex" || len(d.Notes) != 1 || !strings.HasPrefix(d.Notes[0], "This is not a whole JSON document") {
		t.Errorf("text as JSON: %q %q", names(d), d.Notes)
	}
}

func TestContents(t *testing.T) {
	files := good(t)
	d, _ := open(t, "a.csv", files["a.csv"])
	if got := d.Views[0].(*preview.Table); fmt.Sprint(got.Head, got.Rows, got.Right) != `[name amount] [[rent 1200] [a "b", c 1]] [false true]` {
		t.Errorf("the table is %q %q %v", got.Head, got.Rows, got.Right)
	}
	d, _ = open(t, "a.json", files["a.json"])
	var nodes []string
	for _, n := range d.Views[0].(*preview.Tree).Nodes {
		nodes = append(nodes, fmt.Sprintf("%d %q %q %d %d %d", n.Depth, n.Key, n.Text, n.Kind, n.Count, n.End))
	}
	if got, want := strings.Join(nodes, "|"), `0 "" "" 2 3 7|1 "a" "" 3 2 5|2 "" "1" 0 0 3|2 "" "" 2 1 5|3 "b" "c\x1b" 1 0 5|1 "d" "null" 0 0 6|1 "" "true" 0 0 7`; got != want {
		t.Errorf("the tree is\n%s\nwant\n%s", got, want)
	}
	d, _ = open(t, "utf16", files["utf16"])
	if got := d.Views[0].(*preview.Text).Lines; len(got) != 1 || got[0].Raw != "hé" {
		t.Errorf("UTF-16 is %+v", got)
	}
	d, _ = open(t, "a.zip", files["a.zip"])
	if got := d.Views[0].(*preview.Table).Rows; len(got) != 20 || got[3][3] != "docs/00003.txt" || got[3][0] != "57" || got[3][2] != "2026-03-14 09:12" {
		t.Errorf("the zip lists %q", got)
	}
	d, _ = open(t, "a.tar.gz", files["a.tar.gz"])
	if got := d.Views[0].(*preview.Table).Rows; len(got) != 21 || got[20][2] != "docs/019.txt" || got[20][0] != "7" {
		t.Errorf("the tar lists %q", got)
	}
	// A tar archive has no packed sizes.
	if got, want := fmt.Sprint(d.Views[0].(*preview.Table).Head), "[Size Modified Name]"; got != want {
		t.Errorf("the columns of the tar are %s, want %s", got, want)
	}
	d, _ = open(t, "a.md", files["a.md"])
	var page []string
	for _, l := range d.Views[0].(*preview.Text).Lines {
		page = append(page, l.Raw)
	}
	if got := strings.Join(page, "|"); got != "Title||Some bold and code.||- one|- two (https://example.com)||a  b|1  22||    code" {
		t.Errorf("the page is %q", got)
	}
	d, _ = open(t, "a.go", files["a.go"])
	lines := d.Views[0].(*preview.Text).Lines
	if lines[0].Spans[0] != (preview.Span{To: 7, Style: preview.Keyword}) || lines[2].Spans[0].Style != preview.Comment || lines[4].Spans[0].Style != preview.String || lines[5].Spans[0].Style != preview.Comment {
		t.Errorf("the source is %+v", lines)
	}
}

// A large file is read in steps. No step exceeds its size, and none beyond Free is
// possible without Allow.
func TestSteps(t *testing.T) {
	data := []byte("a,b\n" + strings.Repeat("1,2\n", 5<<20))
	r := preview.NewRanges(memory(data), int64(len(data)))
	want := preview.First
	var read []int64
	for range 3 {
		d, err := preview.Open(t.Context(), r, "a.csv", want)
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, r.Bytes())
		if want = d.Next; r.Bytes()+d.More != min(want, r.Size()) {
			t.Errorf("%d more bytes are announced, to %d", d.More, want)
		}
	}
	if fmt.Sprint(read) != fmt.Sprint([]int64{64 << 10, 512 << 10, 4 << 20}) {
		t.Errorf("the steps are %d", read)
	}
	var over *preview.Over
	if _, err := preview.Open(t.Context(), r, "a.csv", want); !errors.As(err, &over) || r.Bytes() != preview.Free {
		t.Errorf("without a question: %v, %d bytes", err, r.Bytes())
	}
	r.Allow(1 << 40)
	d, err := preview.Open(t.Context(), r, "a.csv", want)
	if err != nil || d.Next != 0 || r.Bytes() != preview.Most {
		t.Errorf("after it: %v, %d bytes", err, r.Bytes())
	}
	if n, err := r.ReadAt(t.Context(), make([]byte, 10), r.Size()-10, 0); !errors.As(err, &over) || r.Bytes() != preview.Most {
		t.Errorf("beyond all steps: %d bytes, %v", n, err)
	}
}

// Archives and Parquet files of any size need a few ranges.
func TestFewRanges(t *testing.T) {
	big := append(bytes.Repeat([]byte("x"), 40<<20), zipped(500)...)
	copy(big, "PK\x03\x04")
	for name, data := range map[string][]byte{"a.zip": big, "a.parquet": read(t, "parquet/testdata/none-v1.parquet")} {
		d, r := open(t, name, data)
		t.Logf("PREVIEW file=%s ranges=%d bytes=%d of=%d", name, r.Requests(), r.Bytes(), len(data))
		if len(d.Views) < 2 || r.Requests() > 4 || r.Bytes() > 300<<10 {
			t.Errorf("%s: %d ranges, %d bytes, %q", name, r.Requests(), r.Bytes(), d.Notes)
		}
	}
}

// A failed range is an error, and no view.
func TestFailedRange(t *testing.T) {
	lost := errors.New("lost")
	r := preview.NewRanges(failing{lost}, 100)
	if _, err := preview.Open(t.Context(), r, "a.zip", preview.First); !errors.Is(err, lost) {
		t.Errorf("the error is %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	data := good(t)["a.json"]
	r = preview.NewRanges(memory(data), int64(len(data))+1)
	if _, err := preview.Open(t.Context(), r, "a.json", preview.First); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the error of a source that ends too early is %v", err)
	}
	r = preview.NewRanges(memory(data), int64(len(data)))
	if _, err := preview.Open(ctx, r, "a.json", preview.First); !errors.Is(err, context.Canceled) {
		t.Errorf("the error of a canceled call is %v", err)
	}
}

type failing struct{ err error }

func (f failing) ReadRange(context.Context, int64, int64) ([]byte, error) { return nil, f.err }
