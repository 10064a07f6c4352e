package seed

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	imagepng "image/png"
	"io"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/minio/crc64nvme"
	"golang.org/x/text/unicode/norm"

	"usher/backend/sandbox/s3"
)

func server(t testing.TB) *s3.Server {
	t.Helper()
	s, err := s3.New(s3.Config{Region: "eu-central-1", Keys: new(s3.Keyring), Now: time.Now, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func loaded(t testing.TB) *s3.Server {
	t.Helper()
	s := server(t)
	if err := Load(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// store records the objects that Load puts.
type store struct {
	names   []string
	objects map[string]s3.Object
}

func (s *store) CreateBucket(string, time.Time) error { return nil }

func (s *store) PutContent(bucket, key string, o s3.Object) error {
	name := bucket + "/" + key
	if _, ok := s.objects[name]; ok {
		return fmt.Errorf("%q occurs twice", name)
	}
	s.names = append(s.names, name)
	s.objects[name] = o
	return nil
}

func everything(t testing.TB) *store {
	t.Helper()
	s := &store{objects: map[string]s3.Object{}}
	if err := load(s); err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t testing.TB, c s3.Content) []byte {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	if err != nil || int64(len(b)) != c.Size() {
		t.Fatalf("read %d of %d bytes: %v", len(b), c.Size(), err)
	}
	return b
}

func TestServerAcceptsEveryName(t *testing.T) { loaded(t) }

func TestContentsOfTheBuckets(t *testing.T) {
	s := everything(t)
	count := map[string]int{}
	for name, o := range s.objects {
		for _, prefix := range []string{Reports + "/quarterly/", Reports + "/annual/audited/", Reports + "/board-packs/", Reports + "/hr/",
			Builds + "/", Datasets + "/" + SensorPrefix, Datasets + "/" + HostilePrefix, Datasets + "/public/世界の名前/"} {
			if strings.HasPrefix(name, prefix) {
				count[prefix]++
			}
		}
		if o.Modified.Year() < 2018 || o.Modified.After(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%q is of %v", name, o.Modified)
		}
	}
	for prefix, least := range map[string]int{Reports + "/quarterly/": 200, Reports + "/annual/audited/": 45, Reports + "/board-packs/": 20, Reports + "/hr/": 3,
		Builds + "/": 90, Datasets + "/" + HostilePrefix: 60, Datasets + "/public/世界の名前/": 35} {
		if count[prefix] < least {
			t.Errorf("%s has %d objects, want at least %d", prefix, count[prefix], least)
		}
	}
	if n := count[Datasets+"/"+SensorPrefix]; n != 20_000 {
		t.Errorf("the big folder has %d objects", n)
	}
	if o := s.objects[Datasets+"/"+HostilePrefix+"2-tib.bin"]; o.Content == nil || o.Content.Size() != 2<<40 {
		t.Error("no object has 2 TiB")
	}
	audited := map[string]bool{}
	for name := range s.objects {
		if rest, ok := strings.CutPrefix(name, Reports+"/annual/audited/"); ok {
			first, _, _ := strings.Cut(rest, "/")
			audited[first] = true
		}
	}
	if len(audited) != 34 {
		t.Errorf("annual/audited/ shows %d entries, want 34", len(audited))
	}
}

func TestHostileNames(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range hostileNames() {
		if seen[name] || len(HostilePrefix+name) > 1024 || !utf8.ValidString(name) {
			t.Errorf("%q occurs twice, too long or not UTF-8", name)
		}
		seen[name] = true
	}
	if k := longestKey(); len(k) != 1024 || !utf8.ValidString(k) {
		t.Errorf("the longest key has %d bytes", len(k))
	}
	composed := 0
	objects := everything(t).objects
	for name := range objects {
		if n := norm.NFC.String(name); n != name {
			if _, ok := objects[n]; ok {
				composed++
			}
		}
	}
	if composed == 0 {
		t.Error("no two names differ only in normalization")
	}
}

// The big object's ETag and checksum are constants. The test computes them again
// from the bytes.
func TestBigObjectConstants(t *testing.T) {
	c := bigImage()
	if c.Size() != BigSize {
		t.Fatalf("%d bytes", c.Size())
	}
	crc, sums := crc64nvme.New(), md5.New()
	buf := make([]byte, BigPartSize)
	for off := int64(0); off < BigSize; off += BigPartSize {
		if _, err := c.ReadAt(buf, off); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		crc.Write(buf)
		sum := md5.Sum(buf)
		sums.Write(sum[:])
	}
	if etag := hex.EncodeToString(sums.Sum(nil)) + "-" + strconv.Itoa(BigSize/BigPartSize); etag != BigETag {
		t.Errorf("ETag %s, the constant is %s", etag, BigETag)
	}
	if v := base64.StdEncoding.EncodeToString(crc.Sum(nil)); v != BigCRC64NVME {
		t.Errorf("CRC64NVME %s, the constant is %s", v, BigCRC64NVME)
	}
}

// A read at an offset equals the same part of a read from the beginning.
func TestAnyOffset(t *testing.T) {
	inner, err := tarball("x", day(2026, 1, 1), noise(3, 200_001))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]s3.Content{
		"noise": noise(1, 300_003), "lines": newLines(ledger(day(2025, 1, 1)), 1, 300_007), "short lines": newLines(sensors(day(2025, 1, 1)), 1, 1),
		"pdf": pdf("t", 1, 100_000), "png": png(1, 320, 200), "gzip": gzipped{inner}, "parquet": parquet(1, day(2025, 1, 1), 20_000), "image": concat{text("ab"), noise(1, 70_000)},
	} {
		whole := read(t, c)
		r := random(7)
		for range 200 {
			off := r.n(len(whole))
			p := make([]byte, 1+r.n(min(70_000, len(whole)-off+100)))
			n, err := c.ReadAt(p, int64(off))
			want := whole[off:min(off+len(p), len(whole))]
			if !bytes.Equal(p[:n], want) || (n < len(p)) != (err == io.EOF) {
				t.Fatalf("%s: %d bytes at %d: got %d, %v", name, len(p), off, n, err)
			}
		}
		if _, err := c.ReadAt(make([]byte, 1), c.Size()); err != io.EOF {
			t.Errorf("%s: reading at the end: %v", name, err)
		}
	}
}

// Every file has the format of its name. Large files of one format are read once.
func TestFilesHaveTheFormatOfTheirName(t *testing.T) {
	s := everything(t)
	tried := map[string]int{}
	for _, name := range s.names {
		c := s.objects[name].Content
		kind := name[strings.LastIndexByte(name, '.')+1:]
		if strings.HasSuffix(name, ".log.gz") {
			kind = "log.gz"
		}
		if strings.HasPrefix(name, Datasets+"/"+HostilePrefix) || c.Size() > 20<<20 || tried[kind] >= 12 || c.Size() > 4<<20 && tried[kind] >= 2 {
			continue
		}
		check := map[string]func([]byte) error{"csv": checkCSV, "pdf": checkPDF, "png": checkPNG, "gz": checkTarGz, "parquet": checkParquet,
			"json": checkJSON, "jsonl": checkJSONL, "md": checkText, "log": checkText, "go": checkText, "tsv": checkText, "yaml": checkText, "log.gz": checkLogGz, "zip": checkZip}[kind]
		if check == nil {
			continue
		}
		tried[kind]++
		if err := check(read(t, c)); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, kind := range []string{"csv", "pdf", "png", "gz", "parquet", "json", "jsonl", "md", "log", "go", "tsv", "yaml", "log.gz", "zip"} {
		if tried[kind] == 0 {
			t.Errorf("no %s was checked", kind)
		}
	}
}

func checkCSV(b []byte) error {
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err == nil && len(rows) < 5 {
		err = fmt.Errorf("%d rows", len(rows))
	}
	return err
}

func checkText(b []byte) error {
	if !utf8.Valid(b) || b[len(b)-1] != '\n' || bytes.ContainsAny(b, "\x00\r") {
		return fmt.Errorf("not a text file")
	}
	return nil
}

func checkJSON(b []byte) error { return json.Unmarshal(b, new(map[string]any)) }

func checkJSONL(b []byte) error {
	for line := range bytes.Lines(b) {
		if err := checkJSON(line); err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
	}
	return nil
}

func checkPNG(b []byte) error {
	_, err := imagepng.Decode(bytes.NewReader(b))
	return err
}

// checkPDF follows startxref, then each entry of the table to its object.
func checkPDF(b []byte) error {
	m := regexp.MustCompile(`startxref\n(\d+)\n%%EOF\n$`).FindSubmatch(b)
	if m == nil || !bytes.HasPrefix(b, []byte("%PDF-1.4\n")) {
		return fmt.Errorf("no head or no tail")
	}
	at, _ := strconv.Atoi(string(m[1]))
	if at >= len(b) || !bytes.HasPrefix(b[at:], []byte("xref\n0 ")) {
		return fmt.Errorf("startxref points to something else")
	}
	entries := regexp.MustCompile(`(?m)^(\d{10}) 00000 n $`).FindAllSubmatch(b[at:], -1)
	if len(entries) < 8 {
		return fmt.Errorf("%d objects", len(entries))
	}
	for i, e := range entries {
		off, _ := strconv.Atoi(string(e[1]))
		if !bytes.HasPrefix(b[off:], fmt.Appendf(nil, "%d 0 obj\n", i+1)) {
			return fmt.Errorf("object %d is not at %d", i+1, off)
		}
	}
	length := regexp.MustCompile(`/EmbeddedFile /Length (\d+) >>\nstream\n`).FindSubmatchIndex(b)
	n, _ := strconv.Atoi(string(b[length[2]:length[3]]))
	if !bytes.HasPrefix(b[length[1]+n:], []byte("\nendstream\nendobj\nxref\n")) {
		return fmt.Errorf("the attachment's length is wrong")
	}
	return nil
}

func checkLogGz(b []byte) error {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return err
	}
	content, err := io.ReadAll(z)
	if err != nil {
		return err
	}
	return checkText(content)
}

func checkZip(b []byte) error {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	if len(z.File) < 5 {
		return fmt.Errorf("%d files", len(z.File))
	}
	return fs.WalkDir(z, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(z, name)
		if err != nil {
			return err
		}
		return checkCSV(content)
	})
}

func checkTarGz(b []byte) error {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return err
	}
	r := tar.NewReader(z)
	h, err := r.Next()
	if err != nil || h.Name != "usher" {
		return fmt.Errorf("tar: %v %w", h, err)
	}
	if n, err := io.Copy(io.Discard, r); err != nil || n != h.Size {
		return fmt.Errorf("tar: %d of %d bytes, %w", n, h.Size, err)
	}
	_, err = r.Next()
	if err != io.EOF {
		return err
	}
	_, err = io.Copy(io.Discard, z)
	return err
}

func checkParquet(b []byte) error {
	if !bytes.HasPrefix(b, []byte("PAR1")) || !bytes.HasSuffix(b, []byte("PAR1")) {
		return fmt.Errorf("no magic")
	}
	n := int(binary.LittleEndian.Uint32(b[len(b)-8:]))
	footer := b[len(b)-8-n : len(b)-8]
	if !bytes.HasPrefix(footer, []byte{0x15, 0x02, 0x19}) || !bytes.Contains(footer, []byte("humidity_pct")) || footer[n-1] != 0 {
		return fmt.Errorf("footer % x", footer)
	}
	return nil
}

func TestSumsAreCorrect(t *testing.T) {
	s := everything(t)
	dir := Builds + "/usher/1.4.0/"
	checked := 0
	for line := range strings.Lines(string(read(t, s.objects[dir+"SHA256SUMS"].Content))) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if !strings.Contains(name, "linux") {
			continue
		}
		if got := sha256.Sum256(read(t, s.objects[dir+name].Content)); hex.EncodeToString(got[:]) != sum {
			t.Errorf("%s: the sum is wrong", name)
		}
		checked++
	}
	if checked != 2 {
		t.Errorf("%d sums checked", checked)
	}
}

// Two loads create the same names, dates and bytes.
func TestDeterministic(t *testing.T) {
	a, b := everything(t), everything(t)
	for i, name := range a.names {
		x, y := a.objects[name], b.objects[b.names[i]]
		if name != b.names[i] || !x.Modified.Equal(y.Modified) || x.Content.Size() != y.Content.Size() {
			t.Fatalf("%q differs", name)
		}
	}
}

// Load creates only names. The bound is loose; the benchmark measures the time.
func TestLoadIsQuick(t *testing.T) {
	s := server(t)
	began := time.Now()
	if err := Load(s); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("loading took %v", took)
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		loaded(b)
	}
}

func BenchmarkNoise(b *testing.B) {
	c, buf := noise(1, 1<<40), make([]byte, 256<<10)
	b.SetBytes(int64(len(buf)))
	for i := int64(0); b.Loop(); i++ {
		_, _ = c.ReadAt(buf, i%1000*int64(len(buf)))
	}
}
