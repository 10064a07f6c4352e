package backend

import (
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/identity"
)

// decide makes the grants' decision about an object. A refused object causes no
// S3 call.
func (b *Backend) decide(r *request, set *grant.Set, person identity.Standing, o api.ReleaseObject, purpose string) candidate {
	c := candidate{in: o, event: r.event(event.Download, o.Bucket, o.Key)}
	c.event.Purpose, c.event.ETag, c.event.Version = purpose, o.ETag, o.Version
	if bound := b.bound(); bound > int((5*time.Second+b.c.URLLife)/time.Second) {
		c.event.Bound = bound
	}
	if !grant.ValidBucket(o.Bucket) || !grant.ValidKey(o.Key) {
		// S3 can list a few keys that usher refuses, for example with a NUL. Such a
		// key must not stop the other objects of the request.
		c.event.Bucket, c.event.Key = "", ""
		c.stop(api.BadRequest, "not an object key")
		return c
	}
	d := b.permit(set, person.Groups, o.Bucket, o.Key, r.now)
	d.note(&c.event)
	if !d.Allowed {
		c.event.Outcome, c.refused = event.Denied, api.NotFound
		return c
	}
	c.event.Outcome = event.Allowed
	return c
}

// decision is a decision about one object. policy is the version of the grants
// that made it, or "" if the storage's names made it.
type decision struct {
	grant.Decision
	policy string
}

// note stores a decision in its event: anyone with these grants can make it again.
func (d decision) note(e *event.Event) {
	e.Policy, e.Reason = d.policy, ""
	if d.Grant != nil {
		e.Grant = d.Grant.String()
	}
	switch {
	case d.Allowed:
	case d.policy == "":
		e.Reason = "the name could open another file"
	case d.Grant != nil:
		e.Reason = "a grant denies it"
	default:
		e.Reason = "no grant allows it"
	}
}

// permit returns the grants' decision. For S3, a/../b is a plain key. A storage
// that keeps objects as files could open b for it, in spite of the grants: such
// keys do not exist there.
func (b *Backend) permit(set *grant.Set, groups []string, bucket, key string, now time.Time) decision {
	if b.c.FileKeys && aliased(key) {
		return decision{}
	}
	return decision{set.Decide(groups, bucket, key, now), set.Version()}
}

// aliased reports whether a file system could resolve a key to another file.
func aliased(key string) bool {
	for segment := range strings.SplitSeq(strings.TrimSuffix(key, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
