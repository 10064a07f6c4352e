package reader_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"usher/backend/safetext/safetexttest"
	"usher/tui/tuitest"
)

// hostileFiles are files of each kind with a text in each of their parts.
func hostileFiles(t testing.TB, text string) map[string][]byte {
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	oneLine := strings.NewReplacer("\n", " ", "\r", " ").Replace(text)
	cell := `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	csv := []byte(cell + ",b\n" + cell + ",1\n")
	object := []byte(`{` + string(quoted) + `: [` + string(quoted) + `, {"a": ` + string(quoted) + `}], "b": 1}`)
	var z, g, zst, tarred bytes.Buffer
	zw := zip.NewWriter(&z)
	_, _ = zw.Create(text)
	_, _ = zw.Create("dir/" + text + ".txt")
	_ = zw.Close()
	tw := tar.NewWriter(&tarred)
	if err := tw.WriteHeader(&tar.Header{Name: strings.ReplaceAll(text, "\x00", "0"), Typeflag: tar.TypeSymlink, Linkname: "x"}); err != nil {
		tarred.Reset() // no tar archive has this name
		_ = tw.WriteHeader(&tar.Header{Name: "plain"})
	}
	_ = tw.Close()
	for out, open := range map[*bytes.Buffer]func(io.Writer) io.WriteCloser{
		&g: func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		&zst: func(w io.Writer) io.WriteCloser {
			e, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
			if err != nil {
				t.Fatal(err)
			}
			return e
		},
	} {
		w := open(out)
		_, _ = io.WriteString(w, text+"\n"+text)
		_ = w.Close()
	}
	return map[string][]byte{
		"a.csv": csv, "a.tsv": bytes.ReplaceAll(csv, []byte(","), []byte("\t")), "a.json": object, "broken.json": []byte("[1, " + text),
		"a.jsonl": append(append(object, '\n'), []byte(oneLine+"\n")...), "a.zip": z.Bytes(), "a.tar": tarred.Bytes(), "a.txt.gz": g.Bytes(), "a.txt.zst": zst.Bytes(),
		"a.md": []byte("# " + text + "\n\n**" + text + "** `" + text + "` [" + text + "](" + text + ")\n\n> " + text + "\n\n- " + text + "\n\n| a |\n|---|\n| " + oneLine + " |\n\n```" + text + "\n" + text + "\n```\n"),
		"a.go": []byte("// " + text + "\nvar x = `" + text + "`\nvar y = \"" + oneLine + "\" " + text), "a.xml": []byte("<" + text + " a=\"" + text + "\"><!--" + text + "-->"),
		"a.diff": []byte("+" + text + "\n-" + text), "a.txt": []byte(text + "\n" + text), "a.bin": append([]byte{0, 1, 2}, text...),
		"a.parquet": hostileParquet(t, text),
	}
}

// hostileParquet is a Parquet file whose texts begin with a text: an uncompressed file
// with other bytes of the same length.
func hostileParquet(t testing.TB, text string) []byte {
	data, err := os.ReadFile("../../client/preview/parquet/testdata/none-v1.parquet")
	if err != nil {
		t.Fatal(err)
	}
	for _, old := range []string{"common-prefix-00000", "note 1", "amount"} { // values, and a column
		if !bytes.Contains(data, []byte(old)) {
			t.Fatalf("the file has no %q", old)
		}
		text := text[:min(len(text), len(old))]
		data = bytes.ReplaceAll(data, []byte(old), []byte(text+old[len(text):]))
	}
	return data
}

// No text of a file acts on the terminal, in any view of any kind of file.
func TestContentsAreSafe(t *testing.T) {
	shown, drawn := 0, 0
	sizes := [][2]int{{80, 20}, {40, 12}, {200, 40}}
	for i, x := range safetexttest.Payloads() {
		if testing.Short() && i%4 != 0 {
			continue
		}
		for name, data := range hostileFiles(t, x.Text) {
			p := open(t, name, tuitest.NewFile(data))
			first := ""
			for range 6 {
				p.press("#", "w")
				size := sizes[drawn%len(sizes)]
				drawn++
				for _, l := range strings.Split(p.raw(size[0], size[1]), "\n") {
					if err := safetexttest.Leaks(l); err != nil {
						t.Errorf("%s in %s at %v: %v in %q", x.Name, name, size, err, l)
					}
				}
				p.press("j", "enter", "l", "v")
				head, _, _ := strings.Cut(p.screen(), "\n")
				if head == first {
					break
				}
				if first == "" {
					first = head
				}
			}
			shown++
		}
	}
	t.Logf("PREVIEW hostile files=%d renders=%d", shown, drawn)
	if shown < 100 {
		t.Errorf("only %d files", shown)
	}
}
