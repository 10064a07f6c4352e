package s3

import (
	"crypto/sha1" //nolint:gosec // a checksum that S3 offers, not a signature
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"net/http"
	"strings"

	"github.com/minio/crc64nvme"
)

const (
	fullObject = "FULL_OBJECT"
	composite  = "COMPOSITE"
)

// checksumAlgorithm is one of the additional checksums of S3.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
type checksumAlgorithm struct {
	name   string // as in XML: ChecksumCRC32, and in x-amz-checksum-algorithm
	size   int    // bytes
	linear bool   // may be FULL_OBJECT in a multipart upload
	new    func() hash.Hash
}

func (a *checksumAlgorithm) header() string { return "x-amz-checksum-" + strings.ToLower(a.name) }

// valid reports whether s is a checksum of this algorithm in base64.
func (a *checksumAlgorithm) valid(s string) bool {
	b, err := base64.StdEncoding.DecodeString(s)
	return err == nil && len(b) == a.size
}

func algorithms() [5]*checksumAlgorithm {
	return [5]*checksumAlgorithm{&crc64NVME, &crc32IEEE, &crc32C, &sha1Sum, &sha256Sum}
}

var (
	crc64NVME = checksumAlgorithm{"CRC64NVME", 8, true, func() hash.Hash { return crc64nvme.New() }}
	crc32IEEE = checksumAlgorithm{"CRC32", 4, true, func() hash.Hash { return crc32.NewIEEE() }}
	crc32C    = checksumAlgorithm{"CRC32C", 4, true, func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }}
	sha1Sum   = checksumAlgorithm{"SHA1", 20, false, sha1.New}
	sha256Sum = checksumAlgorithm{"SHA256", 32, false, sha256.New}
)

func unknownChecksum() error {
	return fail("InvalidRequest", "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
}

func algorithmNamed(name string) *checksumAlgorithm {
	for _, a := range algorithms() {
		if strings.EqualFold(a.name, name) {
			return a
		}
	}
	return nil
}

// checksum is an object's additional checksum. The zero value is none.
type checksum struct {
	algorithm *checksumAlgorithm
	kind      string // fullObject or composite
	value     string // base64; a composite one ends in "-N"
}

func (c checksum) setHeaders(h http.Header) {
	if c.algorithm == nil || c.value == "" {
		return
	}
	h.Set(c.algorithm.header(), c.value)
	h.Set("x-amz-checksum-type", c.kind)
}

func (c checksum) xml(x *xmlDoc) {
	if c.algorithm != nil && c.value != "" {
		x.el("Checksum"+c.algorithm.name, c.value)
	}
}

// claimedChecksum is the checksum that a request claims for its payload. It is
// in a header, or in a trailer after the payload.
type claimedChecksum struct {
	algorithm *checksumAlgorithm
	value     string
	trailer   bool
}

// readChecksum reads the claimed checksum: at most one is valid. Its value is ""
// if it comes as a trailer.
func readChecksum(h http.Header) (claimedChecksum, error) {
	var w claimedChecksum
	for _, a := range algorithms() {
		v := h.Get(a.header())
		if v == "" {
			continue
		}
		if w.algorithm != nil {
			return w, fail("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		if !a.valid(v) {
			return w, fail("InvalidRequest", "Value for "+a.header()+" header is invalid.")
		}
		w = claimedChecksum{algorithm: a, value: v}
	}
	if t := strings.ToLower(strings.TrimSpace(h.Get("x-amz-trailer"))); t != "" {
		if w.algorithm != nil {
			return w, fail("InvalidRequest", "Expecting a single x-amz-checksum- header or trailer.")
		}
		for _, a := range algorithms() {
			if a.header() == t {
				w = claimedChecksum{algorithm: a, trailer: true}
			}
		}
		if w.algorithm == nil {
			return w, fail("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
		}
	}
	named := h.Get("x-amz-sdk-checksum-algorithm")
	if named != "" && w.algorithm != nil && algorithmNamed(named) != w.algorithm {
		return w, fail("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")
	}
	if named != "" && w.algorithm == nil {
		return w, fail("InvalidRequest", "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	}
	return w, nil
}
