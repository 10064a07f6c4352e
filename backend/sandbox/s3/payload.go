package s3

import (
	"bytes"
	"crypto/md5" //nolint:gosec // Content-MD5 is part of the protocol
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strconv"
	"strings"
)

const maxObject = 5 << 30 // bytes in one PUT; SPEC: userguide/upload-objects.html

// payload is a request body with its claims: length, signed hash, chunk
// signatures, Content-MD5 and additional checksum. Read returns io.EOF only if
// every claim is true.
type payload struct {
	r      io.Reader
	n      int64
	want   int64 // bytes; -1: unknown
	sha    string
	sum    hash.Hash
	chunk  *chunkReader
	sawEOF bool
}

// body returns the payload of a request. The caller must read it to io.EOF before
// a commit.
func (q *request) body() (*payload, error) {
	q.bodyRead = true
	p := &payload{r: q.r.Body, want: q.r.ContentLength}
	switch q.id4.payload {
	case unsignedPayload:
	case streamUnsignedTrailer, streamSigned, streamSignedTrailer:
		n, err := strconv.ParseInt(q.r.Header.Get("x-amz-decoded-content-length"), 10, 64)
		if err != nil || n < 0 {
			return nil, fail("MissingContentLength", "You must provide the x-amz-decoded-content-length HTTP header.")
		}
		p.want = n
		p.chunk = newChunkReader(q.r.Body, q.id4.chunks, strings.HasSuffix(q.id4.payload, "-TRAILER"))
		p.r = p.chunk
	default:
		p.sha, p.sum = q.id4.payload, sha256.New()
	}
	if p.want < 0 {
		return nil, fail("MissingContentLength", "You must provide the Content-Length HTTP header.")
	}
	if p.want > maxObject {
		return nil, fail("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size",
			field{"ProposedSize", strconv.FormatInt(p.want, 10)}, field{"MaxSizeAllowed", strconv.Itoa(maxObject)})
	}
	return p, nil
}

func (p *payload) Read(b []byte) (int, error) {
	if p.sawEOF {
		return 0, io.EOF
	}
	n, err := p.r.Read(b)
	p.n += int64(n)
	if p.sum != nil {
		p.sum.Write(b[:n])
	}
	switch {
	case p.n > p.want:
		return 0, errShort
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF):
		return n, incomplete(err)
	case p.n != p.want:
		return n, errShort
	case p.sum != nil && hex.EncodeToString(p.sum.Sum(nil)) != strings.ToLower(p.sha):
		return n, fail("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.",
			field{"ClientComputedContentSHA256", p.sha}, field{"S3ComputedContentSHA256", hex.EncodeToString(p.sum.Sum(nil))})
	}
	p.sawEOF = true
	return n, io.EOF
}

// received is a verified upload.
type received struct {
	content Content
	md5     []byte
	sum     checksum
}

// receive stores the request's payload. It checks Content-MD5 and the checksum in
// header or trailer. Without one it computes fallback, as S3 does. The caller
// owns one reference to the content.
func (q *request) receive(fallback *checksumAlgorithm) (received, error) {
	claimed, err := readChecksum(q.r.Header)
	if err != nil {
		return received{}, err
	}
	p, err := q.body()
	if err != nil {
		return received{}, err
	}
	if claimed.trailer && (p.chunk == nil || !p.chunk.trailing) {
		return received{}, fail("InvalidRequest", "x-amz-trailer needs a payload that ends in a trailer.")
	}
	wantMD5, err := contentMD5(q.r.Header.Values("Content-MD5"))
	if err != nil {
		return received{}, err
	}
	a := claimed.algorithm
	if a == nil {
		a = fallback
	}
	m, s := md5.New(), a.new()
	content, err := spool(q.srv.dir, p, m, s)
	if err != nil {
		return received{}, err
	}
	got := received{content, m.Sum(nil), checksum{a, fullObject, base64.StdEncoding.EncodeToString(s.Sum(nil))}}
	if err := got.check(claimed, wantMD5, p); err != nil {
		release(content)
		return received{}, err
	}
	return got, nil
}

func (g received) check(claimed claimedChecksum, wantMD5 []byte, p *payload) error {
	if wantMD5 != nil && !bytes.Equal(wantMD5, g.md5) {
		return fail("BadDigest", "The Content-MD5 you specified did not match what we received.")
	}
	if p.chunk != nil {
		for name := range p.chunk.trailers {
			if !claimed.trailer || name != claimed.algorithm.header() {
				return fail("MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
			}
		}
	}
	if claimed.trailer {
		if claimed.value = p.chunk.trailers[claimed.algorithm.header()]; !claimed.algorithm.valid(claimed.value) {
			return fail("MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
		}
	}
	if claimed.value != "" && claimed.value != g.sum.value {
		return fail("BadDigest", "The "+claimed.algorithm.name+" you specified did not match the calculated checksum.")
	}
	return nil
}

func contentMD5(header []string) ([]byte, error) {
	if len(header) == 0 {
		return nil, nil
	}
	s := header[0]
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != md5.Size {
		return nil, fail("InvalidDigest", "The Content-MD5 you specified was invalid.", field{"Content-MD5", s})
	}
	return b, nil
}

// document reads a small XML body as a whole and verifies its checksums.
func (q *request) document(limit int64) ([]byte, error) {
	if q.r.ContentLength > limit {
		return nil, malformedXML()
	}
	got, err := q.receive(&crc32IEEE)
	if err != nil {
		return nil, err
	}
	defer release(got.content)
	b := make([]byte, got.content.Size())
	if _, err := got.content.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, malformedXML()
	}
	return b, nil
}
