package s3

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
	"time"
)

// versioning is a bucket's state of versioning.
// SPEC: S3 user guide, "How S3 Versioning works".
type versioning uint8

const (
	unversioned versioning = iota
	versionsEnabled
	versionsSuspended // earlier versions stay, and a write replaces the version "null"
)

// nullVersion is the version id of an object that was stored without versions.
const nullVersion = "null"

// newVersion returns a version id in the form of S3's: 32 characters.
func newVersion() string {
	raw := make([]byte, 24)
	_, _ = rand.Read(raw) // never fails
	return base64.RawURLEncoding.EncodeToString(raw)
}

// version returns the version id on the wire.
func (o *object) version() string {
	if o.versionID == "" {
		return nullVersion
	}
	return o.versionID
}

// store puts o into the index. Without versions it replaces any earlier object. The
// caller holds the server's lock.
func (b *bucket) store(o *object) {
	if earlier := b.older[o.key]; len(earlier) > 0 {
		o.replaced = earlier[0].replaced + 1
	}
	switch b.versioning {
	case versionsEnabled:
		o.versionID = newVersion()
	case versionsSuspended:
		b.forgetNull(o.key)
	}
	old := b.objects.put(o)
	if old == nil {
		return
	}
	o.replaced = old.replaced + 1
	b.keep(old)
}

// keep stores the object that was the current one as an earlier version, or
// releases it in a bucket that does not keep it.
func (b *bucket) keep(old *object) {
	if b.versioning == unversioned || b.versioning == versionsSuspended && old.versionID == "" {
		release(old.content)
		return
	}
	b.push(old)
}

func (b *bucket) push(o *object) {
	if b.older == nil {
		b.older = map[string][]*object{}
	}
	b.older[o.key] = slices.Insert(b.older[o.key], 0, o)
}

// forgetNull removes the earlier version "null" of a key.
func (b *bucket) forgetNull(key string) {
	if i := slices.IndexFunc(b.older[key], func(o *object) bool { return o.versionID == "" }); i >= 0 {
		b.cut(key, i)
	}
}

// cut removes the earlier version with this index.
func (b *bucket) cut(key string, i int) *object {
	o := b.older[key][i]
	release(o.content)
	if b.older[key] = slices.Delete(b.older[key], i, i+1); len(b.older[key]) == 0 {
		delete(b.older, key)
	}
	return o
}

// drop removes the current object. In a bucket with versions it returns the delete
// marker that is the current version now. The caller holds the server's lock.
func (b *bucket) drop(key string, now time.Time) (marker *object) {
	if b.versioning == unversioned {
		if o := b.objects.remove(key); o != nil {
			release(o.content)
		}
		return nil
	}
	marker = &object{key: key, content: memory(nil), modified: now.UTC().Truncate(time.Second), deleted: true}
	if b.versioning == versionsSuspended {
		b.forgetNull(key)
	} else {
		marker.versionID = newVersion()
	}
	if earlier := b.older[key]; len(earlier) > 0 {
		marker.replaced = earlier[0].replaced
	}
	if o := b.objects.remove(key); o != nil {
		marker.replaced = o.replaced
		b.keep(o)
	}
	b.push(marker)
	return marker
}

// dropVersion removes one version for good and returns it, or nil. The version
// before the current one is the current one then.
func (b *bucket) dropVersion(key, id string) *object {
	removed := b.objects.get(key)
	switch {
	case removed != nil && removed.version() == id:
		b.objects.remove(key)
		release(removed.content)
	default:
		i := slices.IndexFunc(b.older[key], func(o *object) bool { return o.version() == id })
		if i < 0 {
			return nil
		}
		removed = b.cut(key, i)
	}
	if earlier := b.older[key]; b.objects.get(key) == nil && len(earlier) > 0 && !earlier[0].deleted {
		current := earlier[0]
		retain(current.content)
		b.cut(key, 0)
		b.objects.put(current)
	}
	return removed
}

// history returns all versions of a key, the current one first.
func (b *bucket) history(key string) []*object {
	if o := b.objects.get(key); o != nil {
		return append([]*object{o}, b.older[key]...)
	}
	return b.older[key]
}

// version returns the version that q names, or the current object. The caller holds
// the server's lock.
func (q *request) version(b *bucket, key string) (*object, error) {
	return q.versionNamed(b, key, q.target.query.get("versionId"), q.target.query.has("versionId"))
}

func (q *request) versionNamed(b *bucket, key, id string, named bool) (*object, error) {
	if !named {
		o := b.objects.get(key)
		if o == nil {
			if earlier := b.older[key]; len(earlier) > 0 {
				q.markerHeaders(earlier[0])
			}
			return nil, noSuchKey(key)
		}
		return o, nil
	}
	if err := checkVersion(b, id); err != nil {
		return nil, err
	}
	all := b.history(key)
	i := slices.IndexFunc(all, func(o *object) bool { return o.version() == id })
	switch {
	case i < 0 && b.versioning == unversioned:
		return nil, noSuchKey(key)
	case i < 0:
		return nil, fail("NoSuchVersion", "The specified version does not exist.", field{"Key", key}, field{"VersionId", id})
	case all[i].deleted:
		// SPEC: API_GetObject.html: the version of a delete marker is 405, with its date.
		q.markerHeaders(all[i])
		q.w.Header().Set("Last-Modified", all[i].modified.Format(http.TimeFormat))
		q.w.Header().Set("Allow", http.MethodDelete)
		return nil, fail("MethodNotAllowed", "The specified method is not allowed against this resource.",
			field{"Method", methodWord(q.r.Method)}, field{"ResourceType", "DeleteMarker"})
	}
	return all[i], nil
}

func (q *request) markerHeaders(o *object) {
	q.w.Header().Set("x-amz-delete-marker", "true")
	q.w.Header().Set("x-amz-version-id", o.version())
}

// checkVersion refuses a text that is no version id of a bucket.
func checkVersion(b *bucket, id string) error {
	switch {
	case id == nullVersion:
		return nil
	case id == "":
		return invalidArgument("Version id cannot be the empty string", "versionId", id)
	case b.versioning == unversioned || len(id) != 32:
		return invalidArgument("Invalid version id specified", "versionId", id)
	}
	return nil
}

// versionHeader sets the version id of a read or a write.
func (q *request) versionHeader(o *object) {
	q.srv.mu.RLock()
	defer q.srv.mu.RUnlock()
	if b, err := q.bucket(); err == nil && b.versioning != unversioned {
		q.w.Header().Set("x-amz-version-id", o.version())
	}
}

// bucketVersioning returns S3's document, which is empty for a bucket that never
// had versions.
func (q *request) bucketVersioning() error {
	q.srv.mu.RLock()
	b, err := q.bucket()
	var state versioning
	if err == nil {
		state = b.versioning
	}
	q.srv.mu.RUnlock()
	if err != nil {
		return err
	}
	var x xmlDoc
	x.start("VersioningConfiguration", namespace)
	switch state {
	case versionsEnabled:
		x.el("Status", "Enabled")
	case versionsSuspended:
		x.el("Status", "Suspended")
	}
	x.end("VersioningConfiguration")
	return q.sendXML(&x)
}

// putVersioning enables or suspends versions. A bucket with Object Lock keeps them.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html
func (q *request) putVersioning() error {
	if err := q.checkBucketExists(); err != nil {
		return err
	}
	doc, err := q.document(64 << 10)
	if err != nil {
		return err
	}
	var in struct {
		XMLName   xml.Name `xml:"VersioningConfiguration"`
		Status    string
		MfaDelete string
	}
	if err := xml.Unmarshal(doc, &in); err != nil || in.Status != "Enabled" && in.Status != "Suspended" {
		return malformedXML()
	}
	if in.MfaDelete == "Enabled" {
		return notImplemented()
	}
	q.srv.mu.Lock()
	defer q.srv.mu.Unlock()
	b, err := q.bucket()
	if err != nil {
		return err
	}
	switch {
	case in.Status == "Enabled":
		b.versioning = versionsEnabled
	case b.lock != nil:
		return fail("InvalidBucketState", "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.")
	default:
		b.versioning = versionsSuspended
	}
	q.w.Header().Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// versionRow is a row of ListObjectVersions: a version, or a common prefix.
type versionRow struct {
	entry
	latest bool
}

// versions returns up to limit rows after key and id, and whether more follow. As
// in S3, id is empty for a key of which all versions were listed.
func (b *bucket) versions(prefix, delimiter, key, id string, limit int) (rows []versionRow, more bool) {
	add := func(all []*object, from int) bool {
		for i := from; i < len(all); i++ {
			if len(rows) == limit {
				return false
			}
			rows = append(rows, versionRow{entry{object: all[i]}, i == 0})
		}
		return true
	}
	if id != "" {
		all := b.history(key)
		if i := slices.IndexFunc(all, func(o *object) bool { return o.version() == id }); i >= 0 && !add(all, i+1) {
			return rows, true
		}
	}
	for _, e := range b.keys(prefix, delimiter, key, limit+1) {
		switch {
		case e.object == nil && len(rows) == limit:
			return rows, true
		case e.object == nil:
			rows = append(rows, versionRow{entry: e})
		case !add(b.history(e.object.key), 0):
			return rows, true
		}
	}
	return rows, false
}

// keys returns the first keys after a name, with those of which only earlier
// versions exist, and the common prefixes. There are at least limit, if so many
// follow.
func (b *bucket) keys(prefix, delimiter, after string, limit int) []entry {
	rows, _ := b.objects.list(prefix, delimiter, after, limit)
	var gone index
	for key, earlier := range b.older {
		if strings.HasPrefix(key, prefix) && b.objects.get(key) == nil {
			gone.put(earlier[0])
		}
	}
	past, _ := gone.list(prefix, delimiter, after, limit)
	rows = append(rows, past...)
	slices.SortStableFunc(rows, func(a, b entry) int { return strings.Compare(a.name(), b.name()) })
	return slices.CompactFunc(rows, func(a, b entry) bool { return a.name() == b.name() })
}

// listVersions is ListObjectVersions.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
func (q *request) listVersions() error {
	p := q.target.query
	limit, err := limitParam(p, "max-keys", maxKeys)
	if err != nil {
		return err
	}
	restores, err := q.wantsRestoreStatus()
	if err != nil {
		return err
	}
	if p.get("version-id-marker") != "" && p.get("key-marker") == "" {
		return invalidArgument("A version-id marker cannot be specified without a key marker.", "version-id-marker", p.get("version-id-marker"))
	}
	l := listing{q: q, restores: restores, limit: limit, encode: func(s string) string { return s }}
	switch enc := p.get("encoding-type"); enc {
	case "":
	case "url":
		l.encode = listEncode
	default:
		return invalidArgument("Invalid Encoding Method specified in Request", "encoding-type", enc)
	}
	q.srv.mu.RLock()
	b, err := q.bucket()
	if id := p.get("version-id-marker"); err == nil && id != "" {
		err = checkVersion(b, id)
	}
	var rows []versionRow
	if err == nil && limit > 0 {
		rows, l.more = b.versions(p.get("prefix"), p.get("delimiter"), p.get("key-marker"), p.get("version-id-marker"), limit)
	}
	q.srv.mu.RUnlock()
	if err != nil {
		return err
	}
	return l.writeVersions(rows)
}

func (l listing) writeVersions(rows []versionRow) error {
	p := l.q.target.query
	var x xmlDoc
	x.start("ListVersionsResult", namespace)
	x.el("Name", l.q.target.bucket)
	x.el("Prefix", l.encode(p.get("prefix")))
	x.el("KeyMarker", l.encode(p.get("key-marker")))
	x.el("VersionIdMarker", p.get("version-id-marker"))
	if l.more {
		last := rows[len(rows)-1]
		x.el("NextKeyMarker", l.encode(last.name()))
		if last.object != nil {
			x.el("NextVersionIdMarker", last.object.version())
		}
	}
	x.num("MaxKeys", int64(l.limit))
	if d := p.get("delimiter"); d != "" {
		x.el("Delimiter", l.encode(d))
	}
	x.optional("EncodingType", p.get("encoding-type"))
	x.bool("IsTruncated", l.more)
	for _, row := range rows {
		l.rows = append(l.rows, row.entry)
		if row.object != nil {
			l.writeVersion(&x, row)
		}
	}
	l.writePrefixes(&x)
	x.end("ListVersionsResult")
	return l.q.sendXML(&x)
}

func (l listing) writeVersion(x *xmlDoc, row versionRow) {
	name := "Version"
	if row.object.deleted {
		name = "DeleteMarker"
	}
	x.open(name)
	x.el("Key", l.encode(row.object.key))
	x.el("VersionId", row.object.version())
	x.bool("IsLatest", row.latest)
	if row.object.deleted {
		x.time("LastModified", row.object.modified)
	} else {
		l.writeCommon(x, row.object)
	}
	writeOwner(x)
	x.end(name)
}
