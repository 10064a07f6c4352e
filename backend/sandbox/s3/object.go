package s3

import (
	"crypto/md5" //nolint:gosec // ETags of uploads are MD5s, as in S3
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxKey         = 1024 // bytes; SPEC: userguide/object-keys.html
	maxMetadata    = 2 << 10
	defaultType    = "binary/octet-stream" // S3's default
	storageDefault = "STANDARD"
)

// object is immutable in the index, except for its state and for the values
// computed at their first use.
type object struct {
	key      string
	content  Content
	modified time.Time // whole seconds
	mime     string
	details  *details // nil for most
	replaced uint32   // number of earlier objects with this key

	versionID string // "": the version "null"
	deleted   bool   // a delete marker

	changing atomic.Pointer[objectState] // nil: the zero state; see state

	etagOnce sync.Once
	etagText string
	given    checksum // zero for generated content: see checksum
	noSum    bool
	sumOnce  sync.Once
	made     checksum
	sumErr   error
}

// details are the properties that most objects lack.
type details struct {
	headers  map[string]string // Cache-Control, Content-Encoding, …
	metadata map[string]string // x-amz-meta-*, lower case
	parts    []part            // of a multipart upload
	partSize int64             // of a generated object in the form of a multipart upload
	class    string            // storage class; "" is STANDARD
	encryption
}

// part is one part of a multipart upload.
type part struct {
	size int64
	md5  [md5.Size]byte
	sum  string // base64, in the object's algorithm; "" if unknown
}

// etag returns the ETag without quotes. The ETag of an upload is its MD5, or the
// MD5 of the parts' MD5s with "-N". For generated content an MD5 is too
// expensive: a listing would read 256 MiB for one name. Its ETag is a hash of
// key, size, date and the number of earlier objects with the key. The form is
// that of an upload in one part ("…-1"), which tools do not mistake for an MD5.
func (o *object) etag() string {
	o.etagOnce.Do(func() {
		if o.etagText != "" {
			return
		}
		h := sha256.New()
		_ = binary.Write(h, binary.BigEndian, []int64{o.content.Size(), o.modified.Unix(), int64(o.replaced)})
		_, _ = io.WriteString(h, o.key)
		o.etagText = hex.EncodeToString(h.Sum(nil)[:md5.Size]) + "-" + strconv.Itoa(max(1, o.partCount()))
	})
	return o.etagText
}

// checksum returns the object's checksum. For generated content, the first call
// computes the CRC64NVME of all bytes.
func (o *object) checksum() (checksum, error) {
	if o.noSum || o.given.value != "" {
		return o.given, nil
	}
	o.sumOnce.Do(func() {
		o.made = checksum{algorithm: &crc64NVME, kind: fullObject}
		o.made.value, o.sumErr = sumOf(&crc64NVME, o.content, 0, o.content.Size())
	})
	return o.made, o.sumErr
}

func sumOf(a *checksumAlgorithm, c Content, off, length int64) (string, error) {
	h := a.new()
	if err := writeContent(h, c, off, length); err != nil {
		return "", fmt.Errorf("computing a checksum: %w", err)
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil)), nil
}

// partCount returns the number in the ETag's "-N", 0 for an object of PutObject.
func (o *object) partCount() int {
	switch {
	case o.details == nil:
		return 0
	case o.details.partSize > 0:
		return int(max(1, (o.content.Size()+o.details.partSize-1)/o.details.partSize))
	}
	return len(o.details.parts)
}

// span returns the offset and length of part n (from 1).
func (o *object) span(n int) (off, length int64) {
	size := o.content.Size()
	switch {
	case o.partCount() == 0:
		return 0, size
	case o.details.partSize > 0:
		off = int64(n-1) * o.details.partSize
		return off, min(o.details.partSize, size-off)
	}
	for _, p := range o.details.parts[:n-1] {
		off += p.size
	}
	return off, o.details.parts[n-1].size
}

// partChecksum returns the checksum of part n alone.
func (o *object) partChecksum(n int) (checksum, error) {
	sum, err := o.checksum()
	if err != nil || sum.algorithm == nil || o.partCount() == 0 {
		return sum, err
	}
	if o.details.partSize > 0 {
		off, length := o.span(n)
		sum.value, err = sumOf(sum.algorithm, o.content, off, length)
		return sum, err
	}
	sum.value = o.details.parts[n-1].sum
	return sum, nil
}

const redirectHeader = "X-Amz-Website-Redirect-Location"

// storedHeaders returns the headers of a PUT that each GET returns, in addition to
// Content-Type and x-amz-meta-*.
// SPEC: userguide/UsingMetadata.html, "System-defined object metadata".
func storedHeaders() [7]string {
	return [7]string{"Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires",
		redirectHeader, legalHold}
}

// describe reads content type, stored headers and metadata of a request.
func describe(h http.Header) (mime string, d *details, err error) {
	mime = h.Get("Content-Type")
	if mime == "" {
		mime = defaultType
	}
	d = &details{headers: map[string]string{}, metadata: map[string]string{}}
	for _, name := range storedHeaders() {
		v := h.Get(name)
		if name == "Content-Encoding" {
			// SPEC: API/sigv4-streaming.html: aws-chunked is not stored.
			v = strings.Join(slices.DeleteFunc(strings.Split(v, ","), func(s string) bool {
				s = strings.TrimSpace(s)
				return s == "aws-chunked" || s == ""
			}), ",")
		}
		if name == redirectHeader && v != "" && !strings.HasPrefix(v, "/") && !strings.HasPrefix(v, "http://") && !strings.HasPrefix(v, "https://") {
			return "", nil, fail("InvalidRedirectLocation", "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.")
		}
		if v != "" {
			d.headers[name] = v
		}
	}
	size := 0
	for name, values := range h {
		l := strings.ToLower(name)
		if m, ok := strings.CutPrefix(l, "x-amz-meta-"); ok {
			v := strings.Join(values, ",")
			d.metadata[m] = v
			size += len(m) + len(v)
		}
	}
	if size > maxMetadata {
		return "", nil, fail("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
	}
	return mime, d, nil
}

// Object is an object for PutContent. The zero values of the optional fields mean
// S3's defaults.
type Object struct {
	Content     Content
	ContentType string    // default binary/octet-stream
	Modified    time.Time // default now; truncated to whole seconds
	Metadata    map[string]string
	Class       string // storage class; default STANDARD

	ETag      string // without quotes; default an opaque one, see the package comment
	CRC64NVME string // base64, FULL_OBJECT; default computed at the first use
	PartSize  int64  // bytes; > 0: the object has the form of a multipart upload with such parts
	// NoChecksum omits the additional checksum. In S3, objects older than S3's
	// default checksums have none.
	NoChecksum bool
}

// PutContent stores an object whose bytes come from code. The server reads the
// content on demand and stores no copy.
func (s *Server) PutContent(bucketName, key string, o Object) error {
	if err := checkKey(key); err != nil {
		return fmt.Errorf("putting content: %w", err)
	}
	if o.Content == nil {
		return errors.New("putting content: no content")
	}
	if o.Modified.IsZero() {
		o.Modified = s.now()
	}
	if o.ContentType == "" {
		o.ContentType = defaultType
	}
	obj := &object{key: key, content: o.Content, modified: o.Modified.UTC().Truncate(time.Second), mime: o.ContentType,
		etagText: o.ETag, noSum: o.NoChecksum}
	if o.CRC64NVME != "" {
		obj.given = checksum{&crc64NVME, fullObject, o.CRC64NVME}
	}
	if o.PartSize > 0 || len(o.Metadata) > 0 || o.Class != "" {
		obj.details = &details{partSize: o.PartSize, metadata: maps.Clone(o.Metadata), class: o.Class}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.buckets[bucketName]
	if !ok {
		return fmt.Errorf("putting content: %w", noSuchBucket(bucketName))
	}
	b.store(obj)
	return nil
}

func checkKey(key string) error {
	if key == "" {
		return invalidArgument("An object key is required", "Key", "")
	}
	if len(key) > maxKey {
		return fail("KeyTooLongError", "Your key is too long", field{"Size", strconv.Itoa(len(key))},
			field{"MaxSizeAllowed", strconv.Itoa(maxKey)})
	}
	return nil
}
