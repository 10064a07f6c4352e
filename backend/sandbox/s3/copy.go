package s3

import (
	"crypto/md5" //nolint:gosec // ETags of parts are MD5s, as in S3
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// copySource returns the object in x-amz-copy-source and retains its content.
// The caller releases it.
func (q *request) copySource() (bucketName string, from *object, err error) {
	header := q.r.Header.Get("x-amz-copy-source")
	named, version, versioned := strings.Cut(header, "?versionId=")
	source, ok := percentDecode(strings.TrimPrefix(named, "/"), false)
	bucketName, key, slash := strings.Cut(source, "/")
	if !ok || !slash || key == "" {
		return "", nil, invalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey", "x-amz-copy-source", "")
	}
	q.srv.mu.RLock()
	defer q.srv.mu.RUnlock()
	b := q.srv.buckets[bucketName]
	if b == nil {
		return "", nil, noSuchBucket(bucketName)
	}
	if from, err = q.versionNamed(b, key, version, versioned); err != nil {
		return "", nil, err
	}
	if b.versioning != unversioned {
		q.w.Header().Set("x-amz-copy-source-version-id", from.version())
	}
	retain(from.content)
	q.source = source
	return bucketName, from, nil
}

// readable checks that the source's bytes are available, and the conditions on
// it.
func (q *request) readable(from *object) error {
	if err := from.encryption().checkCustomerKey(q.r.Header, copySourcePrefix); err != nil {
		return err
	}
	if from.archived(q.now) {
		return invalidState("Operation is not valid for the source object's storage class", from)
	}
	h := http.Header{}
	for _, name := range []string{"If-Match", "If-None-Match", "If-Unmodified-Since", "If-Modified-Since"} {
		if v := q.r.Header.Get("x-amz-copy-source-" + name); v != "" {
			h.Set(name, v)
		}
	}
	if e := checkConditions(h, from.etag(), from.modified); e != nil {
		return preconditionFailed("x-amz-copy-source-If-*") // SPEC: API_CopyObject.html: 412 in every case
	}
	return nil
}

// copyObject is CopyObject. The copy shares the source's bytes, and has its ETag
// and checksum.
func (q *request) copyObject() error {
	bucketName, from, err := q.copySource()
	if err != nil {
		return err
	}
	o, err := q.copyOf(from, bucketName)
	if err == nil {
		err = q.commit(o)
	}
	if err != nil {
		release(from.content)
		return err
	}
	q.versionHeader(o)
	q.setWriteHeaders(o.encryption())
	var x xmlDoc
	x.start("CopyObjectResult", namespace)
	x.time("LastModified", o.modified)
	x.el("ETag", `"`+o.etag()+`"`)
	o.given.xml(&x)
	x.optional("ChecksumType", o.given.kind)
	x.end("CopyObjectResult")
	return q.sendXML(&x)
}

func (q *request) copyOf(from *object, bucketName string) (*object, error) {
	replace, err := directive(q.r.Header, "x-amz-metadata-directive")
	if err != nil {
		return nil, err
	}
	class, encrypted, err := q.writeProperties()
	if err != nil {
		return nil, err
	}
	tags, err := q.copiedTags(from)
	if err != nil {
		return nil, err
	}
	if bucketName == q.target.bucket && from.key == q.target.key && !replace && !changesItself(q.r.Header) && q.current(from) {
		return nil, fail("InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	if err := q.readable(from); err != nil {
		return nil, err
	}
	if from.content.Size() > maxObject {
		return nil, tooLargeToCopy()
	}
	sum, err := q.copiedChecksum(from)
	if err != nil {
		return nil, err
	}
	o := &object{key: q.target.key, content: from.content, modified: q.now.UTC().Truncate(time.Second), mime: from.mime,
		details: &details{}, etagText: from.etag(), given: sum, noSum: sum.value == ""}
	if from.details != nil {
		*o.details = *from.details
	}
	mime, details, err := describe(q.r.Header)
	if err != nil {
		return nil, err
	}
	if replace {
		details.parts, details.partSize = o.details.parts, o.details.partSize
		o.mime, o.details = mime, details
	}
	// These are not copied: S3 uses the request's values, or its defaults.
	o.details.headers = maps.Clone(o.details.headers)
	delete(o.details.headers, redirectHeader)
	if at := q.r.Header.Get(redirectHeader); at != "" {
		if o.details.headers == nil {
			o.details.headers = map[string]string{}
		}
		o.details.headers[redirectHeader] = at
	}
	o.details.class, o.details.encryption = class, encrypted
	if encrypted.kms != "" || encrypted.customer.fingerprint != "" {
		o.etagText = encrypted.etag([]byte(from.etag()))
	}
	o.changing.Store(&objectState{tags: tags})
	return o, nil
}

// copiedChecksum returns the source's checksum, or a checksum of the algorithm
// named in the request.
func (q *request) copiedChecksum(from *object) (checksum, error) {
	name := q.r.Header.Get("x-amz-checksum-algorithm")
	if name == "" {
		return from.checksum()
	}
	a := algorithmNamed(name)
	if a == nil {
		return checksum{}, unknownChecksum()
	}
	value, err := sumOf(a, from.content, 0, from.content.Size())
	return checksum{a, fullObject, value}, err
}

// directive reports whether a directive is REPLACE. The default is COPY.
func directive(h http.Header, name string) (replace bool, err error) {
	switch v := h.Get(name); v {
	case "", "COPY":
		return false, nil
	case "REPLACE":
		return true, nil
	default:
		return false, invalidArgument("Unknown "+strings.TrimPrefix(name, "x-amz-")+".", name, v)
	}
}

// current reports whether o is the current version of the request's key. An earlier
// one can be copied to its own key, which makes it the current one again.
// SPEC: S3 user guide, "Restoring previous versions".
func (q *request) current(o *object) bool {
	q.srv.mu.RLock()
	defer q.srv.mu.RUnlock()
	b, err := q.bucket()
	return err == nil && b.objects.get(o.key) == o
}

// changesItself reports whether a copy of an object to itself changes more
// than its metadata.
func changesItself(h http.Header) bool {
	for _, name := range []string{"x-amz-storage-class", sseHeader, customerPrefix + "algorithm", "x-amz-website-redirect-location"} {
		if h.Get(name) != "" {
			return true
		}
	}
	return false
}

func (q *request) copiedTags(from *object) ([]tag, error) {
	replace, err := directive(q.r.Header, "x-amz-tagging-directive")
	if err != nil || !replace {
		return from.state().tags, err
	}
	return headerTags(q.r.Header)
}

// section is a range of other content.
type section struct {
	of        Content
	off, size int64
}

func (s section) Size() int64 { return s.size }

func (s section) ReadAt(p []byte, off int64) (int, error) {
	if off >= s.size {
		return memory(nil).ReadAt(p, 0)
	}
	short := min(int64(len(p)), s.size-off)
	n, err := s.of.ReadAt(p[:short], s.off+off)
	if err == nil && n < len(p) {
		_, err = memory(nil).ReadAt(p, 0)
	}
	return n, err
}

func (s section) retain()  { retain(s.of) }
func (s section) release() { release(s.of) }

// copyPart is UploadPartCopy.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
func (q *request) copyPart() error {
	n, u, err := q.partOfUpload()
	if err != nil {
		return err
	}
	_, from, err := q.copySource()
	if err != nil {
		return err
	}
	got, err := q.copied(from, u)
	if err == nil {
		err = q.storePart(u, n, got)
	}
	if err != nil {
		release(from.content)
		return err
	}
	u.details.setHeaders(q.w.Header())
	var x xmlDoc
	x.start("CopyPartResult", namespace)
	x.time("LastModified", q.now.UTC())
	x.el("ETag", `"`+hex.EncodeToString(got.md5)+`"`)
	if u.named {
		got.sum.xml(&x)
	}
	x.end("CopyPartResult")
	return q.sendXML(&x)
}

func (q *request) copied(from *object, u *upload) (received, error) {
	if err := q.readable(from); err != nil {
		return received{}, err
	}
	part, err := q.copyRange(from.content)
	if err != nil {
		return received{}, err
	}
	m, s := md5.New(), u.algorithm.new() //nolint:gosec // see above
	for _, to := range []interface{ Write(p []byte) (int, error) }{m, s} {
		if err := writeContent(to, part, 0, part.size); err != nil {
			return received{}, err
		}
	}
	return received{part, m.Sum(nil), checksum{u.algorithm, u.kind, base64.StdEncoding.EncodeToString(s.Sum(nil))}}, nil
}

// copyRange returns the section of c in x-amz-copy-source-range, or all of c
// without that header.
func (q *request) copyRange(c Content) (section, error) {
	const name = "x-amz-copy-source-range"
	part := section{of: c, size: c.Size()}
	if v := q.r.Header.Get(name); v != "" {
		spec, ok := strings.CutPrefix(v, "bytes=")
		first, last, dash := strings.Cut(spec, "-")
		a, err1 := strconv.ParseInt(first, 10, 64)
		z, err2 := strconv.ParseInt(last, 10, 64)
		if !ok || !dash || err1 != nil || err2 != nil || !digits(first) || !digits(last) || z < a {
			return part, invalidArgument("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy", name, v)
		}
		if z >= c.Size() {
			return part, invalidArgument("Range specified is not valid for source object of size: "+strconv.FormatInt(c.Size(), 10), name, v)
		}
		part.off, part.size = a, z-a+1
	}
	if part.size > maxObject {
		return part, tooLargeToCopy()
	}
	return part, nil
}

func tooLargeToCopy() error {
	return fail("InvalidRequest", "The specified copy source is larger than the maximum allowable size for a copy source: "+strconv.Itoa(maxObject))
}
