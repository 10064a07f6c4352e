package s3

import (
	"crypto/md5" //nolint:gosec // multipart ETags are made of MD5s, as in S3
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	maxPart = 10000   // parts of an upload; SPEC: userguide/qfacts.html
	minPart = 5 << 20 // bytes, except for the last part
)

// upload is a multipart upload in progress. The server's lock guards parts.
type upload struct {
	id, bucket, key string
	began           time.Time
	mime            string
	details         *details
	tags            []tag
	algorithm       *checksumAlgorithm
	kind            string
	named           bool // the request named the algorithm
	parts           map[int]*uploaded
}

type uploaded struct {
	received
	at time.Time
}

func (u *upload) class() string { return u.details.classOrDefault() }

func (u *upload) release() {
	for _, p := range u.parts {
		release(p.content)
	}
}

// upload returns q's upload. The caller holds the server's lock.
func (q *request) upload() (*upload, error) {
	if _, err := q.bucket(); err != nil {
		return nil, err
	}
	u := q.srv.uploads[q.target.query.get("uploadId")]
	if u == nil || u.bucket != q.target.bucket || u.key != q.target.key {
		return nil, fail("NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
			field{"UploadId", q.target.query.get("uploadId")})
	}
	return u, nil
}

func (q *request) createUpload() error {
	about, err := q.described()
	if err != nil {
		return err
	}
	u := &upload{id: rand.Text() + rand.Text(), bucket: q.target.bucket, key: q.target.key, began: q.now.UTC(),
		mime: about.mime, details: about.details, tags: about.tags, algorithm: &crc64NVME, kind: fullObject, parts: map[int]*uploaded{}}
	if name := q.r.Header.Get("x-amz-checksum-algorithm"); name != "" {
		if u.algorithm = algorithmNamed(name); u.algorithm == nil {
			return unknownChecksum()
		}
		u.named = true
		if u.kind = composite; u.algorithm == &crc64NVME {
			u.kind = fullObject
		}
	}
	switch kind := q.r.Header.Get("x-amz-checksum-type"); {
	case kind == "":
	case !u.named, kind != fullObject && kind != composite,
		kind == fullObject && !u.algorithm.linear, kind == composite && u.algorithm == &crc64NVME:
		return fail("InvalidRequest", "The requested checksum type cannot be used with the "+u.algorithm.name+" checksum algorithm.")
	default:
		u.kind = kind
	}
	q.srv.mu.Lock()
	q.srv.uploads[u.id] = u
	q.srv.mu.Unlock()
	if u.named {
		q.w.Header().Set("x-amz-checksum-algorithm", u.algorithm.name)
		q.w.Header().Set("x-amz-checksum-type", u.kind)
	}
	q.setWriteHeaders(u.details.encryption)
	var x xmlDoc
	x.start("InitiateMultipartUploadResult", namespace)
	x.el("Bucket", u.bucket)
	x.el("Key", u.key)
	x.el("UploadId", u.id)
	x.end("InitiateMultipartUploadResult")
	return q.sendXML(&x)
}

// partOfUpload returns the part number of a request and its upload.
func (q *request) partOfUpload() (n int, u *upload, err error) {
	n = q.partNumber()
	if n < 1 || n > maxPart {
		return 0, nil, invalidArgument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", q.target.query.get("partNumber"))
	}
	q.srv.mu.RLock()
	u, err = q.upload()
	q.srv.mu.RUnlock()
	if err != nil {
		return 0, nil, err
	}
	// Each part requires the customer key of the upload's start.
	return n, u, u.details.checkCustomerKey(q.r.Header, customerPrefix)
}

// storePart stores a part in place of an earlier one with its number.
func (q *request) storePart(u *upload, n int, got received) error {
	q.srv.mu.Lock()
	defer q.srv.mu.Unlock()
	if _, err := q.upload(); err != nil {
		return err
	}
	if old, ok := u.parts[n]; ok {
		release(old.content)
	}
	u.parts[n] = &uploaded{got, q.now.UTC()}
	return nil
}

func (q *request) uploadPart() error {
	n, u, err := q.partOfUpload()
	if err != nil {
		return err
	}
	want, err := readChecksum(q.r.Header)
	if err != nil {
		return err
	}
	if u.named && want.algorithm != nil && want.algorithm != u.algorithm {
		return fail("InvalidRequest", "Checksum Type mismatch occurred, expected checksum Type: "+strings.ToLower(u.algorithm.name)+", actual checksum Type: "+strings.ToLower(want.algorithm.name))
	}
	got, err := q.receive(u.algorithm)
	if err != nil {
		return err
	}
	answer := got.sum
	if got.sum.algorithm != u.algorithm { // verified, but the upload stores another one
		v, err := sumOf(u.algorithm, got.content, 0, got.content.Size())
		if err != nil {
			release(got.content)
			return err
		}
		got.sum = checksum{u.algorithm, u.kind, v}
	}
	if err := q.storePart(u, n, got); err != nil {
		release(got.content)
		return err
	}
	h := q.w.Header()
	u.details.setHeaders(h)
	h["ETag"] = []string{`"` + hex.EncodeToString(got.md5) + `"`}
	h.Set(answer.algorithm.header(), answer.value)
	h.Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// completion is the body of CompleteMultipartUpload.
type completion struct {
	XMLName xml.Name `xml:"CompleteMultipartUpload"`
	Part    []struct {
		PartNumber                                                                     int
		ETag                                                                           string
		ChecksumCRC64NVME, ChecksumCRC32, ChecksumCRC32C, ChecksumSHA1, ChecksumSHA256 string
	}
}

func (c completion) claimed(i int, a *checksumAlgorithm) string {
	p := c.Part[i]
	return map[string]string{"CRC64NVME": p.ChecksumCRC64NVME, "CRC32": p.ChecksumCRC32, "CRC32C": p.ChecksumCRC32C,
		"SHA1": p.ChecksumSHA1, "SHA256": p.ChecksumSHA256}[a.name]
}

func (q *request) completeUpload() error {
	doc, err := q.completeBody()
	if err != nil {
		return err
	}
	q.srv.mu.RLock()
	u, err := q.upload()
	var have map[int]*uploaded
	if err == nil {
		have = maps.Clone(u.parts)
		for _, p := range have { // a part may be replaced during this read
			retain(p.content)
			defer release(p.content)
		}
	}
	q.srv.mu.RUnlock()
	if err != nil {
		return err
	}
	o, err := q.assemble(u, have, doc)
	if err != nil {
		return err
	}
	if err := q.commitUpload(u, o, have); err != nil {
		return err
	}
	q.objSize = o.content.Size()
	q.versionHeader(o)
	o.encryption().setHeaders(q.w.Header())
	var x xmlDoc
	x.start("CompleteMultipartUploadResult", namespace)
	x.el("Location", "http://"+q.r.Host+string(uriEncode(nil, q.target.path, true)))
	x.el("Bucket", u.bucket)
	x.el("Key", u.key)
	x.el("ETag", `"`+o.etag()+`"`)
	o.given.xml(&x)
	x.el("ChecksumType", o.given.kind)
	x.end("CompleteMultipartUploadResult")
	return q.sendXML(&x)
}

// completeBody reads the list of parts. An x-amz-checksum-* header of this
// request belongs to the whole object, so it is not compared with this body.
func (q *request) completeBody() (completion, error) {
	var c completion
	p, err := q.body()
	if err != nil {
		return c, err
	}
	content, err := spool(q.srv.dir, p)
	if err != nil {
		return c, err
	}
	defer release(content)
	doc := make([]byte, content.Size())
	if n, err := content.ReadAt(doc, 0); n < len(doc) {
		return c, err
	}
	if err := xml.Unmarshal(doc, &c); err != nil || len(c.Part) == 0 || len(c.Part) > maxPart {
		return c, malformedXML()
	}
	return c, nil
}

// assemble checks the list of parts and returns the object of these parts.
func (q *request) assemble(u *upload, have map[int]*uploaded, doc completion) (*object, error) {
	var contents []Content
	var md5s, sums []byte
	details := *u.details
	for i := 1; i < len(doc.Part); i++ {
		if doc.Part[i].PartNumber <= doc.Part[i-1].PartNumber {
			return nil, fail("InvalidPartOrder", "The list of parts was not in ascending order. The parts list must be specified in order by part number.")
		}
	}
	for i, want := range doc.Part {
		p, ok := have[want.PartNumber]
		claimed := doc.claimed(i, u.algorithm)
		if !ok || strings.Trim(want.ETag, `"`) != hex.EncodeToString(p.md5) || claimed != "" && claimed != p.sum.value {
			return nil, fail("InvalidPart", "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
				field{"PartNumber", strconv.Itoa(want.PartNumber)})
		}
		if i < len(doc.Part)-1 && p.content.Size() < minPart {
			return nil, fail("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size",
				field{"PartNumber", strconv.Itoa(want.PartNumber)}, field{"MinSizeAllowed", strconv.Itoa(minPart)})
		}
		contents = append(contents, p.content)
		md5s = append(md5s, p.md5...)
		raw, _ := base64.StdEncoding.DecodeString(p.sum.value)
		sums = append(sums, raw...)
		details.parts = append(details.parts, part{p.content.Size(), [md5.Size]byte(p.md5), p.sum.value})
	}
	whole := join(contents)
	if s := q.r.Header.Get("x-amz-mp-object-size"); s != "" && s != strconv.FormatInt(whole.size, 10) {
		return nil, fail("InvalidRequest", "The provided 'x-amz-mp-object-size' header does not match what was computed.")
	}
	sum, err := q.wholeChecksum(u, whole, sums, len(contents))
	if err != nil {
		return nil, err
	}
	etag := md5.Sum(md5s) //nolint:gosec // S3's ETag
	o := &object{key: u.key, content: whole, modified: q.now.UTC().Truncate(time.Second), mime: u.mime, details: &details,
		etagText: hex.EncodeToString(etag[:]) + "-" + strconv.Itoa(len(contents)), given: sum}
	o.changing.Store(&objectState{tags: u.tags})
	return o, nil
}

func (q *request) wholeChecksum(u *upload, whole *joined, sums []byte, parts int) (checksum, error) {
	sum := checksum{algorithm: u.algorithm, kind: u.kind}
	if u.kind == composite {
		h := u.algorithm.new()
		h.Write(sums)
		sum.value = base64.StdEncoding.EncodeToString(h.Sum(nil)) + "-" + strconv.Itoa(parts)
	} else {
		var err error
		if sum.value, err = sumOf(u.algorithm, whole, 0, whole.size); err != nil {
			return sum, err
		}
	}
	if want := q.r.Header.Get(u.algorithm.header()); want != "" && want != sum.value {
		return sum, fail("BadDigest", "The "+u.algorithm.name+" you specified did not match the calculated checksum.")
	}
	return sum, nil
}

// commitUpload stores the object and releases unused parts. It refuses an upload
// that changed meanwhile.
func (q *request) commitUpload(u *upload, o *object, have map[int]*uploaded) error {
	q.srv.mu.Lock()
	defer q.srv.mu.Unlock()
	b, err := q.bucket()
	if err != nil {
		return err
	}
	if _, err := q.upload(); err != nil {
		return err
	}
	if !maps.Equal(u.parts, have) {
		return fail("OperationAborted", "A conflicting conditional operation is currently in progress against this resource. Please try again.")
	}
	if err := q.conditionOn(b.objects.get(o.key)); err != nil {
		return err
	}
	retain(o.content)
	u.release()
	delete(q.srv.uploads, u.id)
	b.store(o)
	return nil
}

func (q *request) abortUpload() error {
	q.srv.mu.Lock()
	u, err := q.upload()
	if err == nil {
		u.release()
		delete(q.srv.uploads, u.id)
	}
	q.srv.mu.Unlock()
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}
