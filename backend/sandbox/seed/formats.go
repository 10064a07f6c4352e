package seed

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"io"
	"strings"
	"time"

	"archive/tar"

	"usher/backend/sandbox/s3"
)

// pdf returns a document of a few pages and size bytes. An attachment fills the
// bytes after the text. size is at least 16 KiB.
func pdf(title string, seed uint64, size int64) s3.Content {
	size = max(size, 16<<10)
	return &lazy{size: size, build: func() (s3.Content, error) { return buildPDF(title, seed, size), nil }}
}

// SPEC: ISO 32000-1 §7.5: objects, a cross-reference table of 20-byte lines,
// trailer, startxref.
func buildPDF(title string, seed uint64, size int64) s3.Content {
	const pages = 3
	const objects = 5 + 2*pages // catalog, pages, font, file specification, attachment; page and text each
	var b bytes.Buffer
	at := make([]int, objects+1)
	object := func(n int, body string) {
		at[n] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", n, body)
	}
	b.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	object(1, "<< /Type /Catalog /Pages 2 0 R /Names << /EmbeddedFiles << /Names [(figures.bin) 4 0 R] >> >> >>")
	var kids strings.Builder
	for i := range pages {
		fmt.Fprintf(&kids, "%d 0 R ", 5+2*i)
	}
	object(2, fmt.Sprintf("<< /Type /Pages /Kids [%s] /Count %d >>", kids.String(), pages))
	object(3, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
	object(4, fmt.Sprintf("<< /Type /Filespec /F (figures.bin) /EF << /F %d 0 R >> >>", objects))
	for i := range pages {
		object(5+2*i, fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>", 6+2*i))
		s := pageText(title, i+1, random(seed+uint64(i)*1000))
		object(6+2*i, fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(s), s))
	}
	at[objects] = b.Len()
	// The attachment's length has ten digits, so its own size is constant and the
	// length of the rest determines it.
	const lengthDigits = 10
	open := "<< /Type /EmbeddedFile /Length %0*d >>\nstream\n"
	headLen := b.Len() + len(fmt.Sprintf("%d 0 obj\n", objects)) + len(fmt.Sprintf(open, lengthDigits, 0))
	var tail bytes.Buffer
	tail.WriteString("\nendstream\nendobj\n")
	endObjects := tail.Len()
	fmt.Fprintf(&tail, "xref\n0 %d\n0000000000 65535 f \n", objects+1)
	for _, off := range at[1:] {
		fmt.Fprintf(&tail, "%010d 00000 n \n", off)
	}
	fmt.Fprintf(&tail, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n", objects+1)
	attachment := size - int64(headLen+tail.Len()+lengthDigits+len("\n%%EOF\n"))
	fmt.Fprintf(&tail, "%0*d\n%%%%EOF\n", lengthDigits, int64(headLen)+attachment+int64(endObjects))
	fmt.Fprintf(&b, "%d 0 obj\n"+open, objects, lengthDigits, attachment)
	return concat{text(b.String()), noise(seed, attachment), text(tail.String())}
}

func pageText(title string, page int, r random) string {
	var s strings.Builder
	fmt.Fprintf(&s, "BT /F1 18 Tf 60 780 Td (%s) Tj ET\n", escapePDF(title))
	acc := accounts()
	for i := range 30 {
		fmt.Fprintf(&s, "BT /F1 10 Tf 60 %d Td (%s) Tj ET\n", 740-i*20, escapePDF(r.pick(acc)))
		fmt.Fprintf(&s, "BT /F1 10 Tf 420 %d Td (%d.%02d EUR) Tj ET\n", 740-i*20, r.n(9_000_000), r.n(100))
	}
	fmt.Fprintf(&s, "BT /F1 9 Tf 290 40 Td (%d) Tj ET", page)
	return s.String()
}

// escapePDF replaces characters outside Helvetica's standard encoding.
func escapePDF(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '(' || r == ')' || r == '\\' {
			return '-'
		}
		return r
	}, s)
}

// png returns a bar chart. Its data is uncompressed, so its length depends only on
// width and height.
func png(seed uint64, width, height int) s3.Content {
	raw := (1 + width) * height
	const chunk = 12 // length, type and CRC
	size := 8 + (chunk + 13) + (chunk + 3*4) + (chunk + 2 + 5*((raw+65534)/65535) + raw + 4) + chunk
	return &lazy{size: int64(size), build: func() (s3.Content, error) { return buildPNG(seed, width, height), nil }}
}

// SPEC: W3C PNG §11.2; RFC 1950 and RFC 1951 §3.2.4 for stored blocks.
func buildPNG(seed uint64, width, height int) s3.Content {
	var out bytes.Buffer
	out.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		_ = binary.Write(&out, binary.BigEndian, uint32(len(data)))
		body := append([]byte(kind), data...)
		out.Write(body)
		_ = binary.Write(&out, binary.BigEndian, crc32.ChecksumIEEE(body))
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(width))
	head = binary.BigEndian.AppendUint32(head, uint32(height))
	chunk("IHDR", append(head, 8, 3, 0, 0, 0)) // 8 bits of palette
	chunk("PLTE", []byte{0xff, 0xff, 0xff, 0x2b, 0x5c, 0x8a, 0xd9, 0x8e, 0x2f, 0xcc, 0xcc, 0xcc})
	const bars = 12
	r := random(seed)
	var top [bars]int
	for i := range top {
		top[i] = height/8 + r.n(height*5/8)
	}
	raw := make([]byte, 0, (1+width)*height)
	for y := range height {
		raw = append(raw, 0) // no filter
		for x := range width {
			bar, color := x*bars/width, byte(0)
			switch inBar := x*bars%width > width/5; {
			case inBar && y > top[bar]:
				color = 1 + byte(bar%2)
			case y%(height/8) == 0:
				color = 3
			}
			raw = append(raw, color)
		}
	}
	data := []byte{0x78, 0x01}
	for i := 0; i < len(raw); i += 65535 {
		part := raw[i:min(i+65535, len(raw))]
		last := byte(0)
		if i+len(part) == len(raw) {
			last = 1
		}
		data = append(data, last)
		data = binary.LittleEndian.AppendUint16(data, uint16(len(part)))
		data = binary.LittleEndian.AppendUint16(data, ^uint16(len(part)))
		data = append(data, part...)
	}
	chunk("IDAT", binary.BigEndian.AppendUint32(data, adler32.Checksum(raw)))
	chunk("IEND", nil)
	return text(out.String())
}

// tarball returns a tar file that contains one file.
func tarball(name string, modified time.Time, body s3.Content) (s3.Content, error) {
	var head bytes.Buffer
	w := tar.NewWriter(&head)
	err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: body.Size(), ModTime: modified, Format: tar.FormatUSTAR})
	if err != nil {
		return nil, fmt.Errorf("making a tar header: %w", err)
	}
	padding := -body.Size()&511 + 1024
	return concat{text(head.String()), body, text(strings.Repeat("\x00", int(padding)))}, nil
}

const (
	gzipPiece = 60 << 10 // bytes of content in a member
	gzipExtra = 10 + 5 + 8
)

// gzipped is a gzip file of many members, each one stored block, so that every
// offset is computed independently. gzip reads all members as one file.
// SPEC: RFC 1952 §2.2.
type gzipped struct{ inner s3.Content }

func (g gzipped) Size() int64 {
	n := g.inner.Size()
	return n + (n+gzipPiece-1)/gzipPiece*gzipExtra
}

func (g gzipped) ReadAt(p []byte, off int64) (n int, err error) {
	const member = gzipPiece + gzipExtra
	var buf [member]byte
	for n < len(p) && off < g.Size() {
		b, err := g.member(buf[:0], off/member)
		if err != nil {
			return n, err
		}
		m := copy(p[n:], b[off%member:])
		n, off = n+m, off+int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (g gzipped) member(b []byte, i int64) ([]byte, error) {
	n := int(min(gzipPiece, g.inner.Size()-i*gzipPiece))
	b = append(b, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1)
	b = binary.LittleEndian.AppendUint16(b, uint16(n))
	b = binary.LittleEndian.AppendUint16(b, ^uint16(n))
	data := b[len(b) : len(b)+n]
	if m, err := g.inner.ReadAt(data, i*gzipPiece); m < n {
		return nil, fmt.Errorf("making a gzip member: %w", err)
	}
	b = b[:len(b)+n]
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(data))
	return binary.LittleEndian.AppendUint32(b, uint32(n)), nil
}

// sums returns a correct SHA256SUMS file of the given files. The first read
// computes the hashes.
func sums(names []string, files []s3.Content) s3.Content {
	size := 0
	for _, n := range names {
		size += 2*sha256.Size + len("  \n") + len(n)
	}
	return &lazy{size: int64(size), build: func() (s3.Content, error) {
		var b strings.Builder
		for i, f := range files {
			h := sha256.New()
			if _, err := io.CopyBuffer(h, io.NewSectionReader(f, 0, f.Size()), make([]byte, 256<<10)); err != nil {
				return nil, fmt.Errorf("hashing %d: %w", i, err)
			}
			fmt.Fprintf(&b, "%s  %s\n", hex.EncodeToString(h.Sum(nil)), names[i])
		}
		return text(b.String()), nil
	}}
}
