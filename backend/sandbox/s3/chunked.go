package s3

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strconv"
	"strings"
)

const (
	emptySHA256   = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	minChunk      = 8 << 10 // bytes; all chunks but the last one
	maxChunkLine  = 4 << 10 // bytes of a chunk header or a trailer line
	maxTrailers   = 16
	trailerSigner = "x-amz-trailer-signature"
)

// chunkSigner holds the chain of chunk signatures. Each covers the one before
// it, and the first one covers the signature of the request's headers.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
type chunkSigner struct {
	key         []byte
	when, scope string
	previous    string
	equal       func(a, b []byte) bool
}

func (c *chunkSigner) check(kind, tail, got string) error {
	want := hex.EncodeToString(mac(c.key, kind+"\n"+c.when+"\n"+c.scope+"\n"+c.previous+"\n"+tail))
	if !c.equal([]byte(got), []byte(want)) {
		return fail("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	}
	c.previous = want
	return nil
}

// chunkReader decodes the aws-chunked content encoding. It returns data before
// it has checked the chunk's signature, so a caller must not commit anything
// before io.EOF.
type chunkReader struct {
	br       *bufio.Reader
	signer   *chunkSigner // nil: chunks are not signed
	trailing bool         // the payload type ends in -TRAILER
	trailers map[string]string

	left  int64 // of the present chunk
	hash  hash.Hash
	sig   string
	small bool // the last chunk had fewer than minChunk bytes
	begun bool
	err   error
}

func newChunkReader(r io.Reader, signer *chunkSigner, trailing bool) *chunkReader {
	c := &chunkReader{br: bufio.NewReaderSize(r, maxChunkLine), signer: signer, trailing: trailing, trailers: map[string]string{}}
	if signer != nil {
		c.hash = sha256.New()
	}
	return c
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if c.left == 0 {
		if c.err = c.next(); c.err != nil {
			return 0, c.err
		}
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.br.Read(p)
	c.left -= int64(n)
	if c.hash != nil {
		c.hash.Write(p[:n])
	}
	if err != nil && (c.left > 0 || !errors.Is(err, io.EOF)) {
		c.err = incomplete(err)
		return n, c.err
	}
	if c.left == 0 {
		c.err = c.endChunk()
	}
	return n, c.err
}

// next reads a chunk header. After the last chunk it reads the trailers and
// returns io.EOF.
func (c *chunkReader) next() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	size, ext, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(size, 16, 62)
	if err != nil {
		return fail("InvalidRequest", "The chunk header is malformed.")
	}
	c.left = int64(n)
	if c.signer != nil {
		var ok bool
		if c.sig, ok = strings.CutPrefix(ext, "chunk-signature="); !ok {
			return fail("InvalidRequest", "The chunk header has no chunk-signature.")
		}
		c.hash.Reset()
	}
	if n > 0 {
		if c.begun && c.small {
			return fail("InvalidChunkSizeError", "Only the last chunk is allowed to have a size less than 8192 bytes")
		}
		c.begun, c.small = true, n < minChunk
		return nil
	}
	if c.signer != nil {
		if err := c.signer.check(streamSigned[len("STREAMING-"):], emptySHA256+"\n"+emptySHA256, c.sig); err != nil {
			return err
		}
	}
	if err := c.readTrailers(); err != nil {
		return err
	}
	if _, err := c.br.ReadByte(); err == nil {
		return fail("InvalidRequest", "There is data after the last chunk.")
	}
	return io.EOF
}

func (c *chunkReader) endChunk() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	if line != "" {
		return fail("InvalidRequest", "A chunk is longer than the size in its header.")
	}
	if c.signer == nil {
		return nil
	}
	return c.signer.check(streamSigned[len("STREAMING-"):], emptySHA256+"\n"+hex.EncodeToString(c.hash.Sum(nil)), c.sig)
}

// readTrailers reads "name:value" lines up to an empty line or the end.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
func (c *chunkReader) readTrailers() error {
	signature, signed := "", ""
	for range maxTrailers {
		line, err := c.line()
		if errors.Is(err, errShort) || err == nil && line == "" {
			break
		}
		if err != nil {
			return err
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if !ok || !c.trailing {
			return fail("MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
		}
		if name == trailerSigner {
			signature = value
			continue
		}
		c.trailers[name] = value
		signed += name + ":" + value + "\n"
	}
	if c.signer == nil || !c.trailing {
		return nil
	}
	sum := sha256.Sum256([]byte(signed))
	return c.signer.check("AWS4-HMAC-SHA256-TRAILER", hex.EncodeToString(sum[:]), signature)
}

var errShort = fail("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")

func incomplete(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errShort
	}
	return err
}

// line returns the bytes before the next line feed, without the line end.
func (c *chunkReader) line() (string, error) {
	b, err := c.br.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fail("InvalidRequest", "A chunk header or trailer is too long.")
	case err != nil:
		return "", incomplete(err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
