package s3

import (
	"encoding/xml"
	"net/http"
	"time"
)

// description is the part of an object that its request headers state.
type description struct {
	mime    string
	details *details
	tags    []tag
}

// described reads the headers of a request that creates an object in an existing
// bucket.
func (q *request) described() (d description, err error) {
	if err = q.checkBucketExists(); err != nil {
		return d, err
	}
	if d.mime, d.details, err = describe(q.r.Header); err != nil {
		return d, err
	}
	if d.details.class, d.details.encryption, err = q.writeProperties(); err != nil {
		return d, err
	}
	d.tags, err = headerTags(q.r.Header)
	return d, err
}

func (q *request) putObject() error {
	about, err := q.described()
	if err != nil {
		return err
	}
	if err := q.writeCondition(); err != nil { // before the body is read
		return err
	}
	if err := q.checkLocked(); err != nil {
		return err
	}
	got, err := q.receive(&crc64NVME)
	if err != nil {
		return err
	}
	o := &object{key: q.target.key, content: got.content, modified: q.now.UTC().Truncate(time.Second), mime: about.mime,
		details: about.details, etagText: about.details.etag(got.md5), given: got.sum}
	o.changing.Store(&objectState{tags: about.tags})
	if err := q.commit(o); err != nil {
		release(got.content)
		return err
	}
	q.objSize = o.content.Size()
	h := q.w.Header()
	h["ETag"] = []string{`"` + o.etag() + `"`}
	q.setWriteHeaders(about.details.encryption)
	o.given.setHeaders(h)
	h.Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// writeCondition checks If-None-Match: * and If-Match against the stored object.
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

// commit stores o in the index if the write condition is still true, atomically.
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

func (q *request) deleteObject() error {
	if err := q.lockedVersion(); err != nil {
		return err
	}
	if err := q.namedVersion(); err != nil {
		return err
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
	q.w.WriteHeader(http.StatusNoContent) // also for an absent object
	return nil
}

// drop removes key, if present. The caller holds the server's lock.
func (b *bucket) drop(key string) {
	if o := b.objects.remove(key); o != nil {
		release(o.content)
	}
}

// deleteObjects is the multi-object delete.
func (q *request) deleteObjects() error {
	if err := q.checkBucketExists(); err != nil {
		return err
	}
	w, err := readChecksum(q.r.Header)
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
