package s3

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// open returns q's object and retains its content. The caller releases it.
func (q *request) open() (*object, error) {
	if s := q.target.query.get("partNumber"); s != "" { // invalid even if there is no such object
		if n := q.partNumber(); n < 1 || n > maxPart {
			return nil, invalidArgument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", s)
		}
	}
	q.srv.mu.RLock()
	defer q.srv.mu.RUnlock()
	b, err := q.bucket()
	if err != nil {
		return nil, err
	}
	o, err := q.version(b, q.target.key)
	if err != nil {
		return nil, err
	}
	if b.versioning != unversioned {
		q.w.Header().Set("x-amz-version-id", o.version())
	}
	retain(o.content)
	return o, nil
}

// overrides returns the response-* parameters of GetObject and their headers.
// S3 permits them only in signed requests; this server refuses unsigned ones.
func overrides() [6][2]string {
	return [6][2]string{
		{"response-content-type", "Content-Type"}, {"response-content-language", "Content-Language"},
		{"response-expires", "Expires"}, {"response-cache-control", "Cache-Control"},
		{"response-content-disposition", "Content-Disposition"}, {"response-content-encoding", "Content-Encoding"},
	}
}

// openReadable is open for a request with the right customer key and the right to
// decrypt, if the object needs one. The caller releases the content.
func (q *request) openReadable() (*object, error) {
	o, err := q.open()
	if err != nil {
		return nil, err
	}
	q.objSize = o.content.Size()
	if err := o.encryption().checkCustomerKey(q.r.Header, customerPrefix); err != nil {
		release(o.content)
		return nil, err
	}
	if err := q.checkKMS(o.encryption()); err != nil {
		release(o.content)
		return nil, err
	}
	return o, nil
}

// getObject is GetObject and HeadObject.
func (q *request) getObject() error {
	o, err := q.openReadable()
	if err != nil {
		return err
	}
	defer release(o.content)
	if q.r.Method != http.MethodHead && o.archived(q.now) {
		return invalidState("The operation is not valid for the object's storage class", o)
	}
	h := q.w.Header()
	h["ETag"] = []string{`"` + o.etag() + `"`}
	h.Set("Last-Modified", o.modified.Format(http.TimeFormat))
	if err := checkConditions(q.r.Header, o.etag(), o.modified); err != nil {
		if status(err.code) != http.StatusNotModified {
			h.Del("ETag")
			h.Del("Last-Modified")
		}
		return err
	}
	off, length, code, err := q.extent(o)
	if err != nil {
		h.Del("ETag")
		h.Del("Last-Modified")
		return err
	}
	if err := q.checksumHeaders(o, code); err != nil {
		return err
	}
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Type", o.mime)
	if o.details != nil {
		for name, v := range o.details.headers {
			h.Set(name, v)
		}
		for name, v := range o.details.metadata {
			h.Set("x-amz-meta-"+name, v)
		}
	}
	q.stateHeaders(o)
	for _, x := range overrides() {
		if v := q.target.query.get(x[0]); v != "" {
			h.Set(x[1], v)
		}
	}
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	if code == http.StatusPartialContent {
		h.Set("Content-Range", "bytes "+strconv.FormatInt(off, 10)+"-"+strconv.FormatInt(off+length-1, 10)+"/"+strconv.FormatInt(q.objSize, 10))
	}
	q.w.WriteHeader(code)
	if q.r.Method == http.MethodHead {
		return nil
	}
	return writeContent(q.w, o.content, off, length)
}

// stateHeaders sets the headers of storage class, encryption, restoration and
// tags.
func (q *request) stateHeaders(o *object) {
	h := q.w.Header()
	o.encryption().setHeaders(h)
	if c := o.class(); c != storageDefault { // SPEC: API_HeadObject.html: for all but STANDARD
		h.Set("x-amz-storage-class", c)
	}
	if r, ok := o.restored(q.now); ok {
		h.Set("x-amz-restore", r.header(q.now))
	}
	if n := len(o.state().tags); n > 0 {
		h.Set("x-amz-tagging-count", strconv.Itoa(n))
	}
	q.lockHeaders(o)
}

// checksumHeaders adds the checksum if the header x-amz-checksum-mode requests
// it. The query parameter of that name has no effect in S3. A range has no
// checksum, and a part has its own.
func (q *request) checksumHeaders(o *object, code int) error {
	if !strings.EqualFold(q.r.Header.Get("x-amz-checksum-mode"), "ENABLED") {
		return nil
	}
	var sum checksum
	var err error
	switch n := q.partNumber(); {
	case n > 0:
		sum, err = o.partChecksum(n)
	case code == http.StatusPartialContent:
		return nil
	default:
		sum, err = o.checksum()
	}
	if err != nil {
		return err
	}
	sum.setHeaders(q.w.Header())
	return nil
}

// partNumber returns the valid partNumber parameter, 0 without one.
func (q *request) partNumber() int {
	n, err := strconv.Atoi(q.target.query.get("partNumber"))
	if err != nil || n < 1 {
		return 0
	}
	return n
}

// extent returns the requested bytes: the whole object, a part, or a range.
func (q *request) extent(o *object) (off, length int64, code int, err error) {
	size := o.content.Size()
	if s := q.target.query.get("partNumber"); s != "" {
		n := q.partNumber()
		switch {
		case q.r.Header.Get("Range") != "":
			return 0, 0, 0, fail("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
		case n > max(1, o.partCount()):
			return 0, 0, 0, fail("InvalidPartNumber", "The requested partnumber is not satisfiable",
				field{"PartNumberRequested", s}, field{"ActualPartCount", strconv.Itoa(max(1, o.partCount()))})
		}
		if c := o.partCount(); c > 0 {
			q.w.Header().Set("x-amz-mp-parts-count", strconv.Itoa(c))
		}
		off, length = o.span(n)
		if length == 0 {
			return 0, 0, http.StatusOK, nil
		}
		return off, length, http.StatusPartialContent, nil
	}
	r, length, partial, ok := parseRange(q.r.Header, o)
	switch {
	case !ok:
		return 0, 0, 0, fail("InvalidRange", "The requested range is not satisfiable",
			field{"RangeRequested", q.r.Header.Get("Range")}, field{"ActualObjectSize", strconv.FormatInt(size, 10)})
	case !partial:
		return 0, size, http.StatusOK, nil
	}
	return r, length, http.StatusPartialContent, nil
}

// parseRange parses a single byte range. As in S3, an invalid header or several
// ranges are ignored, and the result is the whole object. ok is false for a range
// beyond the end.
// SPEC: RFC 9110 §14.1.2, §14.2, and §13.1.5 for If-Range.
func parseRange(h http.Header, o *object) (off, length int64, partial, ok bool) {
	spec, isBytes := strings.CutPrefix(h.Get("Range"), "bytes=")
	size := o.content.Size()
	first, last, dash := strings.Cut(spec, "-") // no spaces: RFC 9110 §14.1.2 has none in a range
	if !isBytes || !dash || strings.Contains(spec, ",") || !digits(first) || !digits(last) || first+last == "" {
		return 0, size, false, true
	}
	if v := h.Get("If-Range"); v != "" && !etagMatches(v, o.etag()) && v != o.modified.Format(http.TimeFormat) {
		return 0, size, false, true
	}
	if first == "" {
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil {
			n = math.MaxInt64 // longer than any object
		}
		if size == 0 && n > 0 { // a suffix range of an empty object is the whole object
			return 0, 0, false, true
		}
		n = min(n, size)
		return size - n, n, true, n > 0
	}
	a, err := strconv.ParseInt(first, 10, 64)
	if err != nil || a >= size {
		if z, zerr := strconv.ParseInt(last, 10, 64); err == nil && zerr == nil && z < a {
			return 0, size, false, true
		}
		return 0, 0, false, false
	}
	z := size - 1
	if last != "" {
		if n, err := strconv.ParseInt(last, 10, 64); err == nil {
			if n < a {
				return 0, size, false, true
			}
			z = min(z, n)
		}
	}
	return a, z - a + 1, true, true
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// checkConditions evaluates conditions in the order of RFC 9110 §13.2.2, which is
// also S3's.
func checkConditions(h http.Header, etag string, modified time.Time) *apiError {
	if v := h.Get("If-Match"); v != "" {
		if !etagMatches(v, etag) {
			return preconditionFailed("If-Match")
		}
	} else if t, err := http.ParseTime(h.Get("If-Unmodified-Since")); err == nil && modified.After(t) {
		return preconditionFailed("If-Unmodified-Since")
	}
	if v := h.Get("If-None-Match"); v != "" {
		if etagMatches(v, etag) {
			return fail("NotModified", "Not Modified")
		}
	} else if t, err := http.ParseTime(h.Get("If-Modified-Since")); err == nil && !modified.After(t) {
		return fail("NotModified", "Not Modified")
	}
	return nil
}

// etagMatches reports whether a list of ETags contains etag. Like S3, it accepts
// ETags without quotes.
func etagMatches(list, etag string) bool {
	for s := range strings.SplitSeq(list, ",") {
		s = strings.TrimPrefix(strings.TrimSpace(s), "W/")
		if s == "*" || strings.Trim(s, `"`) == etag {
			return true
		}
	}
	return false
}

// getAttributes is GetObjectAttributes.
func (q *request) getAttributes() error {
	asked := map[string]bool{}
	for _, v := range q.r.Header.Values("x-amz-object-attributes") {
		for s := range strings.SplitSeq(v, ",") {
			asked[strings.TrimSpace(s)] = true
		}
	}
	if len(asked) == 0 {
		return invalidArgument("The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty", "x-amz-object-attributes", "")
	}
	for name := range asked {
		switch name {
		case "ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize":
		default:
			return invalidArgument("Invalid attribute name specified.", "x-amz-object-attributes", name)
		}
	}
	o, err := q.openReadable()
	if err != nil {
		return err
	}
	defer release(o.content)
	var x xmlDoc
	x.start("GetObjectAttributesResponse", namespace)
	if asked["ETag"] {
		x.el("ETag", o.etag())
	}
	if asked["Checksum"] {
		sum, err := o.checksum()
		if err != nil {
			return err
		}
		if sum.value != "" {
			x.open("Checksum")
			sum.xml(&x)
			x.el("ChecksumType", sum.kind)
			x.end("Checksum")
		}
	}
	if asked["ObjectParts"] && o.partCount() > 0 {
		if err := q.attributeParts(&x, o); err != nil {
			return err
		}
	}
	if asked["StorageClass"] {
		x.el("StorageClass", o.class())
	}
	if asked["ObjectSize"] {
		x.num("ObjectSize", o.content.Size())
	}
	x.end("GetObjectAttributesResponse")
	q.w.Header().Set("Last-Modified", o.modified.Format(http.TimeFormat))
	return q.sendXML(&x)
}

func (q *request) attributeParts(x *xmlDoc, o *object) error {
	limit, err := strconv.Atoi(q.r.Header.Get("x-amz-max-parts"))
	if err != nil || limit < 0 || limit > maxKeys {
		limit = maxKeys
	}
	marker, err := strconv.Atoi(q.r.Header.Get("x-amz-part-number-marker"))
	if err != nil || marker < 0 {
		marker = 0
	}
	count := o.partCount()
	last := min(count, marker+limit)
	x.open("ObjectParts")
	x.num("PartsCount", int64(count))
	x.num("PartNumberMarker", int64(marker))
	x.num("NextPartNumberMarker", int64(last))
	x.num("MaxParts", int64(limit))
	x.bool("IsTruncated", last < count)
	for n := marker + 1; n <= last; n++ {
		sum, err := o.partChecksum(n)
		if err != nil {
			return err
		}
		_, length := o.span(n)
		x.open("Part")
		x.num("PartNumber", int64(n))
		x.num("Size", length)
		sum.xml(x)
		x.end("Part")
	}
	x.end("ObjectParts")
	return nil
}
