package tui_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"strings"
	"testing"
	"time"

	"usher/tui/tuitest"
)

// readFolder has one file, which readScene opens.
const readFolder = "datasets/public/samples/"

// readScene is a golden screen of a file's contents.
func readScene(name, file string, data func() []byte, more ...string) scene {
	return scene{"read-" + name, func(w *program) {
		content := data()
		w.text = string(content)
		w.deps.Start = tuitest.At(readFolder)
		w.server.Put(readFolder+file, int64(len(content)), "2026-03-14 09:12")
	}, func(_ *testing.T, w *program) {
		w.Wait(time.Second)
		w.Press(append([]string{"v"}, more...)...)
		w.Wait(time.Second)
	}}
}

func readScenes() []scene {
	return []scene{
		readScene("table", "ledger.csv", ledgerCSV),
		readScene("table-right", "ledger.csv", ledgerCSV, "l", "l", "#", "pgdown"),
		readScene("found", "ledger.csv", ledgerCSV, "/", "p", "a", "i", "d", "enter", "n"),
		readScene("finding", "ledger.csv", ledgerCSV, "/", "p", "a"),
		readScene("ask", "large.csv", func() []byte { return []byte(strings.Repeat("a,b,c\n", 1<<20)) }, "L", "L", "L"),
		readScene("tree", "figures.json", figuresJSON, "j", "j", "j"),
		readScene("records", "events.jsonl", eventsJSON, "j", "l"),
		readScene("parquet", "sales.parquet", parquetFile),
		readScene("parquet-schema", "sales.parquet", parquetFile, "v"),
		readScene("zip", "papers.zip", zipFile),
		readScene("tar-gz", "release.tar.gz", tarFile),
		readScene("markdown", "README.md", func() []byte {
			return []byte("# Public data sets\n\nEach folder has one **Parquet** file a day, and `SHA256SUMS`. Prices are in euro; the text of this paragraph is long enough for two lines in a narrow window.\n\n## Columns\n\n- *time_us*: microseconds, UTC\n- [units](https://example.com/units)\n\n> Not for navigation.\n\n| column | type |\n|---|---|\n| time_us | int64 |\n| temperature_c | double |\n\n```\nsha256sum -c SHA256SUMS\n```\n")
		}),
		readScene("source", "main.go", func() []byte {
			return []byte("// Package main prints.\npackage main\n\nimport \"fmt\"\n\nfunc main() {\n\tfor i := range 10 { // ten times\n\t\tfmt.Println(`raw`, \"text \\\" quoted\", i, 0x1f)\n\t}\n}\n")
		}, "#"),
		readScene("wrapped", "build.log", func() []byte {
			return []byte(strings.Repeat("2026-03-14T09:12:00Z building \x1b[32mgreen\x1b[0m ", 12) + "\nshort\n\tindented\n")
		}, "w"),
		readScene("picture", "coverage.png", pictureFile),
		readScene("hex", "image.bin", func() []byte {
			b := make([]byte, 3000)
			for i := range b {
				b[i] = byte(i * 7)
			}
			return b
		}),
		readScene("damaged", "broken.parquet", func() []byte { return []byte("PAR1 and no footer\x00\x01") }),
		readScene("empty", "empty.csv", func() []byte { return []byte("\n") }),
	}
}

// diffScene is a golden screen of a comparison of two versions.
func diffScene(name, old, next string, more ...string) scene {
	return scene{"diff-" + name, func(w *program) {
		w.versions = map[string]string{"UIORUnfndfhnw89493jJFJ.rmSpXd3dIbrH": old, "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY": next}
	}, func(_ *testing.T, w *program) {
		w.Press("j", "j", "j", "H")
		w.Wait(time.Second)
		w.Press("space", "j", "=")
		w.Wait(time.Second)
		w.Press(more...)
		w.Wait(time.Second)
	}}
}

func diffScenes() []scene {
	old := string(ledgerCSV())
	next := strings.Replace(old, "\"Invoice 101, paid\"", "\"Invoice 101, paid twice\"", 1)
	next = strings.Replace(next, "\"Invoice 140, paid\"", "\"Invoice 140, paid late, after the third reminder, see the letters in the folder of the year before\"", 1)
	next += "2027-01-04,4990,12.00,,EUR,\x1b[31mred\x1b[0m,o.lindqvist,INV-00990\n"
	long := strings.Repeat("line of a log\n", 200_000)
	return []scene{
		diffScene("lines", old, next, "n"),
		diffScene("found", old, next, "/", "r", "e", "m", "i", "n", "d", "enter", "w"),
		diffScene("equal", old, old),
		diffScene("binary", old, "\x00\x01\x02"),
		diffScene("ask", long, long+"more\n", "L"),
		diffScene("held", long, long+"more\n"),
	}
}

func ledgerCSV() []byte {
	var b strings.Builder
	b.WriteString("date,account,debit,credit,currency,text,approved by,document\n")
	for i := range 80 {
		fmt.Fprintf(&b, "2026-%02d-%02d,%d,%d.%02d,,EUR,\"Invoice %d, paid\",o.lindqvist,INV-%05d\n", 1+i%12, 1+i%28, 4000+i, i*137, i, 100+i, i)
	}
	return []byte(b.String())
}

func figuresJSON() []byte {
	return []byte(`{"quarter": "2026-q3", "currency": "EUR", "revenue": 41000000, "audited": false, "notes": null,
"segments": [{"name": "products", "share": 0.62, "regions": {"north": 1, "south": 2}}, {"name": "services", "share": 0.38}],
"hostile \u001b[2J": "red \u001b[31m", "text": "` + strings.Repeat("long ", 60) + `"}`)
}

func eventsJSON() []byte {
	var b strings.Builder
	for i := range 60 {
		fmt.Fprintf(&b, "{\"id\": %d, \"time\": \"2026-10-%02dT09:12:00Z\", \"user\": {\"name\": \"ada\", \"groups\": [\"finance\"]}, \"action\": \"list\"}\n", i, 1+i%28)
	}
	b.WriteString("not json\n")
	return []byte(b.String())
}

func parquetFile() []byte {
	data, err := os.ReadFile("../client/preview/parquet/testdata/zstd-v2.parquet")
	if err != nil {
		panic(err)
	}
	return data
}

func zipFile() []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := range 12 {
		f, _ := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("papers/2026/wp-%02d.csv", i), Method: zip.Deflate, Modified: time.Date(2026, 3, 1+i, 9, 12, 0, 0, time.UTC)})
		_, _ = f.Write(bytes.Repeat([]byte("row,1\n"), 1000*i))
	}
	_ = w.Close()
	return b.Bytes()
}

func tarFile() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	at := time.Date(2026, 10, 5, 9, 12, 0, 0, time.UTC)
	_ = w.WriteHeader(&tar.Header{Name: "usher/", Typeflag: tar.TypeDir, ModTime: at})
	for i, name := range []string{"usher", "README.md", "LICENSE", "caf\u00e9\x1b[31m.txt"} {
		_ = w.WriteHeader(&tar.Header{Name: "usher/" + name, Size: int64(1000 * i), Mode: 0o644, ModTime: at})
		_, _ = w.Write(make([]byte, 1000*i))
	}
	_ = w.WriteHeader(&tar.Header{Name: "usher/latest", Typeflag: tar.TypeSymlink, Linkname: "usher", ModTime: at})
	_ = w.Close()
	_ = z.Close()
	return b.Bytes()
}

func pictureFile() []byte {
	img := image.NewGray(image.Rect(0, 0, 160, 90))
	for i := range img.Pix {
		x, y := i%160, i/160
		img.Pix[i] = uint8(40 + x)
		if (x-80)*(x-80)+4*(y-45)*(y-45) < 2000 {
			img.SetGray(x, y, color.Gray{250})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return binary.BigEndian.AppendUint32(b.Bytes(), 0)
}
