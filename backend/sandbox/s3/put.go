package s3

import (
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"strings"
	"time"
)

func (q *request) putObject() error {
	if err := q.known(); err != nil {
		return err
	}
	mime, more, err := describe(q.r.Header)
	if err != nil {
		return err
	}
	if err := q.writeCondition(); err != nil { // before the body moves
		return err
	}
	got, err := q.receive(&crc64NVME)
	if err != nil {
		return err
	}
	o := &object{key: q.target.key, content: got.content, modified: q.now.UTC().Truncate(time.Second), mime: mime,
		more: more, etagText: hex.EncodeToString(got.md5), given: got.sum}
	if err := q.commit(o); err != nil {
		release(got.content)
		return err
	}
	q.objSize = o.content.Size()
	h := q.w.Header()
	h["ETag"] = []string{`"` + o.etag() + `"`}
	o.given.setHeaders(h)
	h.Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// writeCondition checks If-None-Match: * and If-Match against what is stored.
func (q *request) writeCondition() error {
	q.srv.mu.RLock()
	defer q.srv.mu.RUnlock()
	b, err := q.bucket()
	if err != nil {
		return err
	}
	return q.conditionOn(b.objects.get(q.target.key))
}

func (q *request) conditionOn(old *object) error {
	none, match := q.r.Header.Get("If-None-Match"), q.r.Header.Get("If-Match")
	switch {
	case none != "" && none != "*": // SPEC: API_PutObject.html: expects "*"
		return notImplemented()
	case none != "" && old != nil:
		return preconditionFailed("If-None-Match")
	case match != "" && old == nil:
		return noSuchKey(q.target.key)
	case match != "" && !etagMatches(match, old.etag()):
		return preconditionFailed("If-Match")
	}
	return nil
}

// commit puts o into the index if the write condition still holds, in one step.
func (q *request) commit(o *object) error {
	q.srv.mu.Lock()
	defer q.srv.mu.Unlock()
	b, err := q.bucket()
	if err != nil {
		return err
	}
	if err := q.conditionOn(b.objects.get(o.key)); err != nil {
		return err
	}
	b.store(o)
	return nil
}

// copyObject shares the source's bytes and takes its ETag and checksum along.
func (q *request) copyObject() error {
	source, ok := percentDecode(strings.TrimPrefix(q.r.Header.Get("x-amz-copy-source"), "/"), false)
	if i := strings.LastIndex(q.r.Header.Get("x-amz-copy-source"), "?versionId="); i >= 0 {
		if q.r.Header.Get("x-amz-copy-source")[i:] != "?versionId=null" {
			return invalidArgument("Invalid version id specified", "x-amz-copy-source", "")
		}
		source = strings.TrimSuffix(source, "?versionId=null")
	}
	bucketName, key, slash := strings.Cut(source, "/")
	if !ok || !slash || key == "" {
		return invalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey", "x-amz-copy-source", "")
	}
	replace := q.r.Header.Get("x-amz-metadata-directive") == "REPLACE"
	if bucketName == q.target.bucket && key == q.target.key && !replace {
		return fail("InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	q.srv.mu.RLock()
	var from *object
	if b := q.srv.buckets[bucketName]; b != nil {
		if from = b.objects.get(key); from != nil {
			hold(from.content)
		}
	}
	_, known := q.srv.buckets[bucketName]
	q.srv.mu.RUnlock()
	switch {
	case !known:
		return noSuchBucket(bucketName)
	case from == nil:
		return noSuchKey(key)
	}
	o, err := q.copyOf(from, replace)
	if err == nil {
		err = q.commit(o)
	}
	if err != nil {
		release(from.content)
		return err
	}
	var x xmlDoc
	x.start("CopyObjectResult", namespace)
	x.time("LastModified", o.modified)
	x.el("ETag", `"`+o.etag()+`"`)
	x.end("CopyObjectResult")
	return q.sendXML(&x)
}

func (q *request) copyOf(from *object, replace bool) (*object, error) {
	sum, err := from.checksum()
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	for short, name := range map[string]string{"Match": "If-Match", "None-Match": "If-None-Match", "Unmodified-Since": "If-Unmodified-Since", "Modified-Since": "If-Modified-Since"} {
		if v := q.r.Header.Get("x-amz-copy-source-if-" + short); v != "" {
			h.Set(name, v)
		}
	}
	if e := checkConditions(h, from.etag(), from.modified); e != nil {
		return nil, preconditionFailed("x-amz-copy-source-If-*") // SPEC: API_CopyObject.html: 412 in every case
	}
	o := &object{key: q.target.key, content: from.content, modified: q.now.UTC().Truncate(time.Second), mime: from.mime,
		more: from.more, etagText: from.etag(), given: sum, noSum: sum.value == ""}
	if replace {
		mime, more, err := describe(q.r.Header)
		if err != nil {
			return nil, err
		}
		if from.more != nil {
			more.parts, more.partSize = from.more.parts, from.more.partSize
		}
		o.mime, o.more = mime, more
	}
	return o, nil
}

func (q *request) deleteObject() error {
	if q.target.query.has("versionId") && q.target.query.get("versionId") != "null" {
		return invalidArgument("Invalid version id specified", "versionId", q.target.query.get("versionId"))
	}
	q.srv.mu.Lock()
	b, err := q.bucket()
	if err == nil {
		if match := q.r.Header.Get("If-Match"); match != "" {
			err = q.conditionOn(b.objects.get(q.target.key))
		}
	}
	if err == nil {
		b.drop(q.target.key)
	}
	q.srv.mu.Unlock()
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent) // whether or not it was there
	return nil
}

// drop removes key, if it is there. The server's lock is held.
func (b *bucket) drop(key string) {
	if o := b.objects.remove(key); o != nil {
		release(o.content)
	}
}

// deleteObjects is the multi-object delete.
func (q *request) deleteObjects() error {
	if err := q.known(); err != nil {
		return err
	}
	w, err := wantedChecksum(q.r.Header)
	if err != nil {
		return err
	}
	if q.r.Header.Get("Content-MD5") == "" && w.algorithm == nil {
		return fail("InvalidRequest", "Missing required header for this request: Content-MD5")
	}
	doc, err := q.document(2 << 20)
	if err != nil {
		return err
	}
	var d struct {
		XMLName xml.Name `xml:"Delete"`
		Quiet   bool
		Object  []struct {
			Key       string
			VersionId string //nolint:revive // S3's spelling
		}
	}
	if err := xml.Unmarshal(doc, &d); err != nil || len(d.Object) == 0 || len(d.Object) > maxKeys {
		return malformedXML()
	}
	var x xmlDoc
	x.start("DeleteResult", namespace)
	q.srv.mu.Lock()
	b, err := q.bucket()
	for _, o := range d.Object {
		switch {
		case err != nil:
		case checkKey(o.Key) != nil || o.VersionId != "" && o.VersionId != "null":
			x.open("Error")
			x.el("Key", o.Key)
			x.el("Code", "InvalidArgument")
			x.el("Message", "Invalid key or version id specified")
			x.end("Error")
		default:
			b.drop(o.Key)
			if !d.Quiet {
				x.open("Deleted")
				x.el("Key", o.Key)
				x.end("Deleted")
			}
		}
	}
	q.srv.mu.Unlock()
	if err != nil {
		return err
	}
	x.end("DeleteResult")
	return q.sendXML(&x)
}
