package s3

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/backend/sandbox/iam"
)

type bucket struct {
	name    string
	created time.Time
	objects index
	tags    []tag      // guarded by the server's lock
	rule    encryption // of writes that name none; guarded by the server's lock
	foreign *ownership // nil: the bucket is account's

	versioning versioning           // guarded by the server's lock
	older      map[string][]*object // earlier versions and delete markers by key, newest first; guarded by the server's lock
	lock       *objectLock          // nil: none; guarded by the server's lock
}

// bucket returns q's bucket. The caller holds the server's lock.
func (q *request) bucket() (*bucket, error) {
	if b, ok := q.srv.buckets[q.target.bucket]; ok {
		return b, nil
	}
	return nil, noSuchBucket(q.target.bucket)
}

// CreateBucket creates an empty bucket.
func (s *Server) CreateBucket(name string, created time.Time) error {
	if !validBucket(name) {
		return fmt.Errorf("creating bucket: %w", fail("InvalidBucketName", "The specified bucket is not valid."))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.buckets[name]; ok {
		return fmt.Errorf("creating bucket: %w", bucketTaken(name))
	}
	s.buckets[name] = &bucket{name: name, created: created.UTC()}
	return nil
}

func bucketTaken(name string) error {
	return fail("BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.",
		field{"BucketName", name})
}

// validBucket checks the naming rules of general purpose buckets.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func validBucket(s string) bool {
	if len(s) < 3 || len(s) > 63 || strings.Contains(s, "..") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		edge := i == 0 || i == len(s)-1
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || !edge && (c == '-' || c == '.')) {
			return false
		}
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return false
	}
	return !strings.HasPrefix(s, "xn--") && !strings.HasPrefix(s, "sthree-") && !strings.HasPrefix(s, "amzn-s3-demo-") &&
		!strings.HasSuffix(s, "-s3alias") && !strings.HasSuffix(s, "--ol-s3") && !strings.HasSuffix(s, ".mrap") && !strings.HasSuffix(s, "--x-s3")
}

func (q *request) sendXML(x *xmlDoc) error {
	h := q.w.Header()
	h.Set("Content-Type", "application/xml")
	h.Set("Content-Length", strconv.Itoa(x.Len()))
	q.w.WriteHeader(http.StatusOK)
	_, err := q.w.Write(x.Bytes())
	return err
}

func (q *request) listBuckets() error {
	q.srv.mu.RLock()
	all := make([]*bucket, 0, len(q.srv.buckets))
	for _, b := range q.srv.buckets {
		all = append(all, b)
	}
	q.srv.mu.RUnlock()
	slices.SortFunc(all, func(a, b *bucket) int { return strings.Compare(a.name, b.name) })
	var x xmlDoc
	x.start("ListAllMyBucketsResult", namespace)
	x.open("Buckets")
	for _, b := range all {
		if !strings.HasPrefix(b.name, q.target.query.get("prefix")) {
			continue
		}
		x.open("Bucket")
		x.el("Name", b.name)
		x.time("CreationDate", b.created)
		x.el("BucketRegion", q.srv.verifier.region)
		x.end("Bucket")
	}
	x.end("Buckets")
	writeOwner(&x)
	x.end("ListAllMyBucketsResult")
	return q.sendXML(&x)
}

func writeOwner(x *xmlDoc) {
	x.open("Owner")
	x.el("ID", ownerID)
	x.el("DisplayName", ownerName)
	x.end("Owner")
}

func (q *request) createBucket() error {
	if !validBucket(q.target.bucket) {
		return fail("InvalidBucketName", "The specified bucket is not valid.", field{"BucketName", q.target.bucket})
	}
	if err := refuseOldBucket(q.r.Header); err != nil {
		return err
	}
	doc, err := q.document(64 << 10)
	if err != nil {
		return err
	}
	var tags []tag
	if len(doc) > 0 {
		var c struct {
			XMLName            xml.Name `xml:"CreateBucketConfiguration"`
			LocationConstraint string
			Tags               struct{ Tag []tag }
		}
		if err := xml.Unmarshal(doc, &c); err != nil {
			return malformedXML()
		}
		if c.LocationConstraint != "" && c.LocationConstraint != q.srv.verifier.region {
			return fail("IllegalLocationConstraintException", "The specified location constraint is incompatible for the region specific endpoint this request was sent to.")
		}
		if tags = c.Tags.Tag; len(tags) > 0 {
			if err := checkTags(tags, maxBucketTags); err != nil {
				return err
			}
		}
	}
	q.srv.mu.Lock()
	defer q.srv.mu.Unlock()
	if _, ok := q.srv.buckets[q.target.bucket]; ok {
		return bucketTaken(q.target.bucket)
	}
	q.srv.buckets[q.target.bucket] = &bucket{name: q.target.bucket, created: q.now.UTC(), tags: tags}
	q.w.Header().Set("Location", "/"+q.target.bucket)
	q.w.Header().Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// refuseOldBucket refuses a bucket with ACLs or object locks.
func refuseOldBucket(h http.Header) error {
	ownership := h.Get("x-amz-object-ownership")
	if acl := h.Get("x-amz-acl"); acl != "" && acl != "private" && (ownership == "" || ownership == "BucketOwnerEnforced") {
		return fail("InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
	}
	if ownership != "" && ownership != "BucketOwnerEnforced" || strings.EqualFold(h.Get("x-amz-bucket-object-lock-enabled"), "true") {
		return notImplemented()
	}
	return nil
}

func (q *request) deleteBucket() error {
	q.srv.mu.Lock()
	defer q.srv.mu.Unlock()
	b, err := q.bucket()
	if err != nil {
		return err
	}
	if b.foreign != nil {
		return fail("AccessDenied", "Access Denied")
	}
	if b.objects.n > 0 || len(b.older) > 0 {
		return fail("BucketNotEmpty", "The bucket you tried to delete is not empty", field{"BucketName", b.name})
	}
	for id, u := range q.srv.uploads {
		if u.bucket == b.name {
			u.release()
			delete(q.srv.uploads, id)
		}
	}
	delete(q.srv.buckets, b.name)
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// ownership is another account with its bucket policy.
type ownership struct {
	account string
	policy  *iam.Policy
}

// GiveBucket makes a bucket another account's. Its bucket policy is a document
// without Principal, and applies to each credential with policies of its own: such
// a request needs both.
//
// SPEC: IAM user guide, "Cross-account policy evaluation logic".
func (s *Server) GiveBucket(name, account string, policy *iam.Policy) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[name]
	if b == nil || account == "" || policy == nil {
		return fmt.Errorf("giving bucket %q: a bucket, an account and a policy are required", name)
	}
	b.foreign = &ownership{account, policy}
	return nil
}

// EnableVersions makes a bucket keep the versions of its objects.
func (s *Server) EnableVersions(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[name]
	if b == nil {
		return fmt.Errorf("enabling versions: %w", noSuchBucket(name))
	}
	b.versioning = versionsEnabled
	return nil
}

// owner returns the account that owns q's bucket, and its bucket policy if it is
// another account's.
func (q *request) owner() (string, *iam.Policy) {
	q.srv.mu.RLock()
	defer q.srv.mu.RUnlock()
	if b, err := q.bucket(); err == nil && b.foreign != nil {
		return b.foreign.account, b.foreign.policy
	}
	return account, nil
}

// HasBucket reports whether a bucket exists.
func (s *Server) HasBucket(name string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.buckets[name] != nil
}

// checkBucketExists returns NoSuchBucket if q's bucket does not exist.
func (q *request) checkBucketExists() error {
	q.srv.mu.RLock()
	defer q.srv.mu.RUnlock()
	_, err := q.bucket()
	return err
}

func (q *request) headBucket() error {
	if err := q.checkBucketExists(); err != nil {
		return err
	}
	q.w.Header().Set("x-amz-bucket-region", q.srv.verifier.region)
	q.w.Header().Set("Content-Type", "application/xml")
	q.w.WriteHeader(http.StatusOK)
	return nil
}

func (q *request) bucketLocation() error {
	if err := q.checkBucketExists(); err != nil {
		return err
	}
	var x xmlDoc
	x.start("LocationConstraint", namespace)
	if q.srv.verifier.region != "us-east-1" { // SPEC: API_GetBucketLocation.html: us-east-1 is null
		x.text(q.srv.verifier.region)
	}
	x.end("LocationConstraint")
	return q.sendXML(&x)
}
