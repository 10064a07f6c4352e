package preview

import (
	"bytes"
	"context"
	"path"
	"strings"
)

// kind is a kind of files.
type kind struct {
	name string
	show func(ctx context.Context, d *Doc, in input) error // nil: text or bytes alone
	text bool                                              // the file may be text
}

// magic are the first bytes of a kind. Those of an archive are not looked for in
// unpacked content.
type magic struct {
	at     int
	prefix string
	outer  bool
	kind   kind
}

func magics() []magic {
	return []magic{
		{0, "PAR1", true, kind{name: "Parquet table", show: showParquet}},
		{0, "PK\x03\x04", true, kind{name: "zip archive", show: showZip}},
		{0, "PK\x05\x06", true, kind{name: "zip archive", show: showZip}},
		{0, "\x1f\x8b", true, kind{name: "gzip file", show: unpack(gzipFile)}},
		{0, "\x28\xb5\x2f\xfd", true, kind{name: "zstd file", show: unpack(zstdFile)}},
		{0, "BZh", true, kind{name: "bzip2 file", show: unpack(bzip2File)}},
		{257, "ustar", false, kind{name: "tar archive", show: showTar}},
		{0, "\x89PNG\r\n\x1a\n", true, kind{name: "PNG picture", show: showPicture(pngPicture)}},
		{0, "\xff\xd8\xff", true, kind{name: "JPEG picture", show: showPicture(jpegPicture)}},
		{0, "GIF8", true, kind{name: "GIF picture", show: showPicture(gifPicture)}},
		{0, "BM", true, kind{name: "BMP picture", show: showPicture(bmpPicture)}},
		{8, "WEBPVP8", true, kind{name: "WebP picture", show: showPicture(webpPicture)}},
		{0, "%PDF-", false, kind{name: "PDF document"}},
		{0, "SQLite format 3\x00", false, kind{name: "SQLite database"}},
		{0, "\x7fELF", false, kind{name: "program"}},
		{0, "7z\xbc\xaf\x27\x1c", false, kind{name: "7z archive"}},
		{0, "\xfd7zXZ\x00", false, kind{name: "xz file"}},
	}
}

// detect returns the kind of an input: by its first bytes, else by its name.
func detect(in input) kind {
	for _, m := range magics() {
		if m.outer && in.packed != "" || len(in.data) < m.at || !bytes.HasPrefix(in.data[m.at:], []byte(m.prefix)) {
			continue
		}
		if m.prefix == "BM" && path.Ext(in.name) != ".bmp" {
			continue // two letters begin many texts
		}
		return m.kind
	}
	if !isText(in.data) {
		return byBinaryName(in)
	}
	return byName(in)
}

// byBinaryName returns the kind that a file without text is named after. Its
// beginning is damaged or of another kind.
func byBinaryName(in input) kind {
	if in.packed != "" {
		return kind{name: "binary file"}
	}
	switch path.Ext(in.name) {
	case ".parquet":
		return kind{name: "Parquet table", show: showParquet}
	case ".zip", ".jar", ".whl":
		return kind{name: "zip archive", show: showZip}
	case ".tar":
		return kind{name: "tar archive", show: showTar}
	}
	return kind{name: "binary file"}
}

// byName returns the kind of a text.
func byName(in input) kind {
	switch ext := path.Ext(in.name); ext {
	case ".csv":
		return kind{"CSV table", showTable, true}
	case ".tsv", ".tab":
		return kind{"TSV table", showTable, true}
	case ".json", ".geojson", ".ipynb", ".topojson":
		return kind{"JSON document", showJSON, true}
	case ".jsonl", ".ndjson":
		return kind{"NDJSON document", showLines, true}
	case ".md", ".markdown":
		return kind{"Markdown text", showMarkdown, true}
	case ".parquet":
		return kind{"Parquet table", showParquet, true}
	case ".zip", ".jar", ".whl":
		return kind{"zip archive", showZip, true}
	case ".tar":
		return kind{"tar archive", showTar, true}
	}
	if l := languageOf(in.name, in.data); l != nil {
		return kind{l.name + " source", showSource(l), true}
	}
	if k, ok := byContent(in.data); ok {
		return k
	}
	return kind{name: "text", text: true}
}

// byContent returns the kind of a text without a known name.
func byContent(data []byte) (kind, bool) {
	start := bytes.TrimLeft(data[:min(len(data), 1<<10)], " \t\r\n\ufeff")
	switch {
	case len(start) == 0 || start[0] != '{' && start[0] != '[':
		return kind{}, false
	case start[0] == '{' && lineOfJSON(start):
		return kind{"NDJSON document", showLines, true}, true
	case strings.ContainsAny(string(start[1:min(len(start), 200)]), "\"{[0123456789") && bytes.HasSuffix(bytes.TrimSpace(data), []byte{closing(start[0])}):
		return kind{"JSON document", showJSON, true}, true
	}
	return kind{}, false
}

func closing(open byte) byte {
	if open == '{' {
		return '}'
	}
	return ']'
}

// lineOfJSON reports whether the first line is an object and the next begins one.
func lineOfJSON(text []byte) bool {
	line, rest, more := bytes.Cut(text, []byte("\n"))
	return more && bytes.HasSuffix(bytes.TrimSpace(line), []byte("}")) && bytes.HasPrefix(bytes.TrimSpace(rest), []byte("{"))
}
