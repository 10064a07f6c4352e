package s3

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	docSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" //nolint:gosec // AWS's published example
	docScope  = "20130524/us-east-1/s3/aws4_request"
	docDate   = "20130524T000000Z"
)

func docSigner(seed string) *chunkSigner {
	return &chunkSigner{key: signingKey(docSecret, "20130524", "us-east-1"), when: docDate, scope: docScope, previous: seed, equal: constantTimeEqual}
}

// docBody returns the documentation's example: chunks of 64 KiB, 1 KiB and 0.
func docBody(one, two, end, tail string) string {
	return "10000;chunk-signature=" + one + "\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=" + two + "\r\n" + strings.Repeat("a", 1024) + "\r\n" + "0;chunk-signature=" + end + "\r\n" + tail
}

// SPEC: the examples of API/sigv4-streaming.html and
// API/sigv4-streaming-trailers.html, signatures included.
func TestPublishedChunkVectors(t *testing.T) {
	const seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
	plain := docBody("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
		"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
		"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9", "\r\n")
	want := strings.Repeat("a", 65536+1024)
	b, err := io.ReadAll(newChunkReader(strings.NewReader(plain), docSigner(seed), false))
	if err != nil || string(b) != want {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	for name, f := range map[string]func(string) string{
		"a byte of data":    func(s string) string { return strings.Replace(s, "aaa", "aba", 1) },
		"a signature":       func(s string) string { return strings.Replace(s, "0055627c", "0055627d", 1) },
		"the end's":         func(s string) string { return strings.Replace(s, "b6c6ea8a", "c6c6ea8a", 1) },
		"chunks swapped":    func(s string) string { i := strings.Index(s, "400;"); return s[i:] + s[:i] },
		"last chunk cut":    func(s string) string { return s[:strings.Index(s, "400;")] },
		"no final chunk":    func(s string) string { return s[:strings.Index(s, "\r\n0;")+2] },
		"data after it":     func(s string) string { return s + "5;chunk-signature=00\r\n" },
		"a trailer":         func(s string) string { return strings.TrimSuffix(s, "\r\n") + "x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n" },
		"without signature": func(s string) string { return strings.Replace(s, ";chunk-signature=", ";", 1) },
	} {
		if _, err := io.ReadAll(newChunkReader(strings.NewReader(f(plain)), docSigner(seed), false)); err == nil {
			t.Errorf("%s changed: accepted", name)
		}
	}
	const trailerSeed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
	trailed := docBody("b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
		"1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
		"2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
		"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n")
	c := newChunkReader(strings.NewReader(trailed), docSigner(trailerSeed), true)
	if b, err := io.ReadAll(c); err != nil || string(b) != want || c.trailers["x-amz-checksum-crc32c"] != "sOO8/Q==" {
		t.Errorf("trailer: %d bytes, %v, %v", len(b), c.trailers, err)
	}
	for name, bad := range map[string]string{
		"value":     strings.Replace(trailed, "sOO8/Q==", "sOO8/g==", 1),
		"signature": strings.Replace(trailed, "d81f82fc", "e81f82fc", 1),
		"unsigned":  strings.Replace(trailed, "x-amz-trailer-signature:", "x-amz-other:", 1),
	} {
		if _, err := io.ReadAll(newChunkReader(strings.NewReader(bad), docSigner(trailerSeed), true)); err == nil {
			t.Errorf("trailer's %s changed: accepted", name)
		}
	}
}

// chunked encodes body and signs each chunk if s is not nil.
func chunked(body []byte, size int, s *chunkSigner, trailer string) string {
	var b strings.Builder
	for done := false; !done; {
		part := body[:min(size, len(body))]
		body = body[len(part):]
		done = len(part) == 0
		fmt.Fprintf(&b, "%x", len(part))
		if s != nil {
			sum := sha256.Sum256(part)
			s.previous = hex.EncodeToString(mac(s.key, "AWS4-HMAC-SHA256-PAYLOAD\n"+s.when+"\n"+s.scope+"\n"+s.previous+"\n"+emptySHA256+"\n"+hex.EncodeToString(sum[:])))
			b.WriteString(";chunk-signature=" + s.previous)
		}
		b.WriteString("\r\n")
		if !done {
			b.Write(part)
			b.WriteString("\r\n")
		}
	}
	return b.String() + trailer + "\r\n"
}

func TestChunkedUploads(t *testing.T) {
	r := newRig(t)
	body := pseudoRandom(100_000, 3)
	crc, err := sumOf(&crc32IEEE, memory(body), 0, int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	send := func(payload, trailer string, tamper func(string) string, decoded int) *answer {
		t.Helper()
		h := http.Header{"Content-Encoding": {"aws-chunked"}, "X-Amz-Decoded-Content-Length": {fmt.Sprint(decoded)}}
		if trailer != "" {
			h.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
		}
		q := raw{method: "PUT", path: "/box/k", header: h}
		me := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
		now := r.clock.Now()
		// The length of the body is not signed, so the headers can be signed first.
		q = r.signedAs(q, me, payload, region, "s3", now)
		var s *chunkSigner
		if strings.HasPrefix(payload, streamSigned) {
			_, seed, _ := strings.Cut(q.header.Get("Authorization"), "Signature=")
			date := now.UTC().Format("20060102")
			s = &chunkSigner{key: signingKey(secret, date, region), when: now.UTC().Format(amzDate), scope: date + "/" + region + "/s3/aws4_request", previous: seed}
		}
		q.body = tamper(chunked(body, 64<<10, s, trailer))
		return r.do(q)
	}
	same := func(s string) string { return s }
	line := "x-amz-checksum-crc32:" + crc + "\r\n"
	for name, c := range map[string]struct {
		a    *answer
		want int
		code string
	}{
		"signed":                 {send(streamSigned, "", same, len(body)), 200, ""},
		"unsigned with trailer":  {send(streamUnsignedTrailer, line, same, len(body)), 200, ""},
		"no trailer":             {send(streamUnsignedTrailer, "", same, len(body)), 200, ""},
		"wrong checksum":         {send(streamUnsignedTrailer, "x-amz-checksum-crc32:AAAAAA==\r\n", same, len(body)), 400, "BadDigest"},
		"checksum garbage":       {send(streamUnsignedTrailer, "x-amz-checksum-crc32:!\r\n", same, len(body)), 400, "MalformedTrailerError"},
		"another trailer":        {send(streamUnsignedTrailer, "x-amz-meta-a:b\r\n", same, len(body)), 400, "MalformedTrailerError"},
		"data changed, signed":   {send(streamSigned, "", func(s string) string { return s[:200] + "X" + s[201:] }, len(body)), 403, "SignatureDoesNotMatch"},
		"data changed, trailer":  {send(streamUnsignedTrailer, line, func(s string) string { return s[:200] + "\x00\x01" + s[202:] }, len(body)), 400, "BadDigest"},
		"length claimed shorter": {send(streamSigned, "", same, len(body)-1), 400, "IncompleteBody"},
		"length claimed longer":  {send(streamSigned, "", same, len(body)+1), 400, "IncompleteBody"},
		"cut short":              {send(streamSigned, "", func(s string) string { return s[:90_000] }, len(body)), 400, "IncompleteBody"},
		"chunks too small":       {send(streamUnsignedTrailer, line, func(string) string { return chunked(body, 1000, nil, line) }, len(body)), 403, "InvalidChunkSizeError"},
	} {
		if c.a.StatusCode != c.want || c.a.code() != c.code {
			t.Errorf("%s: %s %s, want %d %s", name, c.a.Status, c.a.code(), c.want, c.code)
		}
	}
	a := r.do(r.signed(raw{method: "GET", path: "/box/k"}))
	if a.body != string(body) || a.Header.Get("Content-Encoding") != "" {
		t.Errorf("stored %d bytes, Content-Encoding %q", len(a.body), a.Header.Get("Content-Encoding"))
	}
}

// The decoder never panics and never returns more bytes than its input. Accepted
// data is the same after encoding and decoding it again.
func FuzzChunks(f *testing.F) {
	f.Add([]byte(chunked([]byte("hello"), 5, nil, "")))
	f.Add([]byte(chunked(bytes.Repeat([]byte("x"), 9000), 8192, nil, "x-amz-checksum-crc32:AAAAAA==\r\n")))
	f.Add([]byte("0\r\n\r\n"))
	f.Add([]byte("ffffffffffffffff\r\n"))
	f.Add([]byte("-1\r\n"))
	f.Add([]byte("5\r\nhel"))
	f.Add([]byte("5;chunk-signature=00\r\nhello\r\n0\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := io.ReadAll(newChunkReader(bytes.NewReader(in), nil, true))
		if len(b) > len(in) {
			t.Fatalf("%d bytes out of %d", len(b), len(in))
		}
		var e *apiError
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("an error without a code: %v", err)
		}
		if err == nil {
			again, err := io.ReadAll(newChunkReader(strings.NewReader(chunked(b, 64<<10, nil, "")), nil, true))
			if err != nil || !bytes.Equal(again, b) {
				t.Fatalf("decoding its encoding: %v", err)
			}
		}
		signed, err := io.ReadAll(newChunkReader(bytes.NewReader(in), docSigner(strings.Repeat("0", 64)), false))
		if err == nil {
			t.Fatalf("unsigned bytes were accepted as signed: %q", signed)
		}
	})
}
