package s3

import (
	"fmt"
	"strconv"
	"time"
)

// legalHold is the header of a hold without an end. Only buckets with Object Lock
// accept it.
const legalHold = "X-Amz-Object-Lock-Legal-Hold"

// objectLock is the default retention of a bucket.
type objectLock struct {
	mode string // GOVERNANCE or COMPLIANCE
	days int
}

// LockBucket gives a bucket Object Lock with a default retention. Its objects have
// version ids, and no version can be deleted.
func (s *Server) LockBucket(name, mode string, days int) error {
	if err := s.EnableVersions(name); err != nil {
		return err
	}
	if mode != "GOVERNANCE" && mode != "COMPLIANCE" || days < 1 {
		return fmt.Errorf("locking bucket %q: a mode and days are required", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets[name].lock = &objectLock{mode, days}
	return nil
}

// locked returns the lock of q's bucket, or nil.
func (q *request) locked() *objectLock {
	q.srv.mu.RLock()
	defer q.srv.mu.RUnlock()
	if b, err := q.bucket(); err == nil {
		return b.lock
	}
	return nil
}

// checkLocked refuses a write without a checksum.
// SPEC: API_PutObject.html: Content-MD5 or x-amz-sdk-checksum-algorithm is required
// for a bucket with a retention period.
func (q *request) checkLocked() error {
	if q.locked() == nil {
		return nil
	}
	claimed, err := readChecksum(q.r.Header)
	if err != nil {
		return err
	}
	if q.r.Header.Get("Content-MD5") == "" && claimed.algorithm == nil {
		return fail("InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters")
	}
	return nil
}

// lockedVersion refuses the deletion of a version.
func (q *request) lockedVersion() error {
	if q.locked() != nil && q.target.query.has("versionId") {
		return lockedObject()
	}
	return nil
}

func lockedObject() error {
	return fail("AccessDenied", "Access Denied because object protected by object lock.")
}

// lockHeaders sets the headers of an object's retention.
func (q *request) lockHeaders(o *object) {
	l := q.locked()
	if l == nil {
		return
	}
	h := q.w.Header()
	h.Set("x-amz-object-lock-mode", l.mode)
	h.Set("x-amz-object-lock-retain-until-date", o.modified.AddDate(0, 0, l.days).UTC().Format(time.RFC3339))
}

// getObjectLock returns the default retention of a bucket.
func (q *request) getObjectLock() error {
	if err := q.checkBucketExists(); err != nil {
		return err
	}
	l := q.locked()
	if l == nil {
		return fail("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")
	}
	var x xmlDoc
	x.start("ObjectLockConfiguration", namespace)
	x.el("ObjectLockEnabled", "Enabled")
	x.open("Rule")
	x.open("DefaultRetention")
	x.el("Mode", l.mode)
	x.el("Days", strconv.Itoa(l.days))
	x.end("DefaultRetention")
	x.end("Rule")
	x.end("ObjectLockConfiguration")
	return q.sendXML(&x)
}
