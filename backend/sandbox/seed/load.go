package seed

import (
	"fmt"
	"strings"
	"time"

	"usher/backend/sandbox/s3"
)

// The buckets of the demo.
const (
	Reports  = "company-reports"
	Builds   = "builds"
	Datasets = "datasets"
)

// The big object: 256 MiB in parts of 8 MiB. ETag and checksum are constants, so
// a listing or HEAD computes nothing. A test verifies both.
const (
	BigKey       = "images/usher-appliance-2026.11.img" // in Builds
	BigSize      = 256 << 20
	BigPartSize  = 8 << 20
	BigETag      = "3cfd46f709f98eb6dfdd571083b6c9fe-32"
	BigCRC64NVME = "rl1EKwGP3vY="
)

// Load fills an empty server with the demo's buckets. It creates names without
// bytes, in a few milliseconds.
func Load(s *s3.Server) error { return load(s) }

// LoadVersions stores newer contents of some files of a server that Load has filled, in
// the bucket of reports. Its versions must be enabled, so that the earlier contents stay.
func LoadVersions(s *s3.Server) error {
	l := &loader{s: s, bucket: Reports}
	l.newer()
	if l.err != nil {
		return fmt.Errorf("seeding versions: %w", l.err)
	}
	return nil
}

// bucketStore is the server's part that Load needs.
type bucketStore interface {
	CreateBucket(name string, created time.Time) error
	PutContent(bucket, key string, o s3.Object) error
}

func load(s bucketStore) error {
	l := &loader{s: s}
	for _, b := range []string{Reports, Builds, Datasets} {
		if err := s.CreateBucket(b, day(2018, 1, 8)); err != nil {
			return fmt.Errorf("seeding: %w", err)
		}
	}
	l.reports()
	l.builds()
	l.datasets()
	l.names()
	l.hostile()
	if l.err != nil {
		return fmt.Errorf("seeding: %w", l.err)
	}
	return nil
}

// loader puts objects and keeps the first error.
type loader struct {
	s      bucketStore
	bucket string
	err    error
}

func (l *loader) put(key string, at time.Time, o s3.Object) {
	if l.err != nil {
		return
	}
	o.Modified = at
	if o.ContentType == "" {
		o.ContentType = mimeOf(key)
	}
	l.err = l.s.PutContent(l.bucket, key, o)
}

func (l *loader) content(key string, at time.Time, c s3.Content) {
	l.put(key, at, s3.Object{Content: c})
}

func (l *loader) pdf(key string, at time.Time, size int64, title string) {
	l.content(key, at, pdf(title, seedOf(key), size))
}

func (l *loader) rows(key string, at time.Time, size int64, kind *lineKind) {
	l.content(key, at, newLines(kind, seedOf(key), size))
}

func (l *loader) png(key string, at time.Time) {
	r := random(seedOf(key))
	l.content(key, at, png(seedOf(key), 640+16*r.n(20), 360+8*r.n(20)))
}

func (l *loader) text(key string, at time.Time, s string) { l.content(key, at, text(s)) }

// folder puts the empty object that marks a folder.
func (l *loader) folder(key string, at time.Time) {
	l.put(key, at, s3.Object{Content: text(""), ContentType: "application/x-directory; charset=UTF-8"})
}

func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 9, 12, 0, 0, time.UTC) }

// at shifts t within the working day by a hash of the name, so the times in a
// folder differ.
func at(t time.Time, name string) time.Time {
	r := random(seedOf(name))
	return t.Add(time.Duration(r.n(8*60))*time.Minute + time.Duration(r.n(60))*time.Second)
}

func mimeOf(key string) string {
	dot := strings.LastIndexByte(key, '.')
	if dot < 0 {
		return ""
	}
	switch key[dot:] {
	case ".pdf":
		return "application/pdf"
	case ".png":
		return "image/png"
	case ".csv":
		return "text/csv; charset=utf-8"
	case ".md":
		return "text/markdown; charset=utf-8"
	case ".json":
		return "application/json"
	case ".jsonl":
		return "application/x-ndjson"
	case ".log", ".txt", ".sha256":
		return "text/plain; charset=utf-8"
	case ".zip":
		return "application/zip"
	case ".gz":
		return "application/gzip"
	case ".parquet":
		return "application/vnd.apache.parquet"
	}
	return ""
}
