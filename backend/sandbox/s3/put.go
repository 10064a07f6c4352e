package s3

import (
	"encoding/xml"
	"errors"
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
	q.versionHeader(o)
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
	v := q.target.query
	q.srv.mu.Lock()
	b, err := q.bucket()
	if err == nil {
		if match := q.r.Header.Get("If-Match"); match != "" {
			err = q.conditionOn(b.objects.get(q.target.key))
		}
	}
	var gone deletion
	if err == nil {
		gone, err = b.delete(q.target.key, v.get("versionId"), v.has("versionId"), q.now)
	}
	q.srv.mu.Unlock()
	if err != nil {
		return err
	}
	if gone.version != "" {
		q.w.Header().Set("x-amz-version-id", gone.version)
	}
	if gone.marker {
		q.w.Header().Set("x-amz-delete-marker", "true")
	}
	q.w.WriteHeader(http.StatusNoContent) // also for an absent object
	return nil
}

// deletion is the effect of a delete in a bucket with versions: the new delete
// marker, or the removed version.
type deletion struct {
	version string // its version id; "" in a bucket without versions
	marker  bool   // it is a delete marker
}

// delete removes an object, or one version for good. The caller holds the server's
// lock.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
func (b *bucket) delete(key, id string, named bool, now time.Time) (deletion, error) {
	if !named || b.versioning == unversioned {
		if named {
			if err := checkVersion(b, id); err != nil {
				return deletion{}, err
			}
		}
		if m := b.drop(key, now); m != nil {
			return deletion{m.version(), true}, nil
		}
		return deletion{}, nil
	}
	if err := checkVersion(b, id); err != nil {
		return deletion{}, err
	}
	removed := b.dropVersion(key, id)
	return deletion{id, removed != nil && removed.deleted}, nil
}

// xml writes the row of a multi-object delete.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeletedObject.html
func (d deletion) xml(x *xmlDoc, key, id string) {
	x.open("Deleted")
	x.el("Key", key)
	x.optional("VersionId", id)
	if d.marker {
		x.bool("DeleteMarker", true)
		x.el("DeleteMarkerVersionId", d.version)
	}
	x.end("Deleted")
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
		if err != nil {
			break
		}
		refused := checkKey(o.Key)
		if refused == nil && o.VersionId != "" && b.lock != nil {
			refused = lockedObject()
		}
		var gone deletion
		if refused == nil {
			gone, refused = b.delete(o.Key, o.VersionId, o.VersionId != "", q.now)
		}
		switch failure := (*apiError)(nil); {
		case errors.As(refused, &failure):
			x.open("Error")
			x.el("Key", o.Key)
			x.optional("VersionId", o.VersionId)
			x.el("Code", failure.code)
			x.el("Message", failure.message)
			x.end("Error")
		case !d.Quiet:
			gone.xml(&x, o.Key, o.VersionId)
		}
	}
	q.srv.mu.Unlock()
	if err != nil {
		return err
	}
	x.end("DeleteResult")
	return q.sendXML(&x)
}
