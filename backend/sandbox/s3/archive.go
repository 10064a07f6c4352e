package s3

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"time"
)

// The storage classes whose bytes must be restored before a read.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html
const (
	classGlacier     = "GLACIER"
	classDeepArchive = "DEEP_ARCHIVE"
)

// objectState holds the properties that change without a new object. A change
// stores a new state.
type objectState struct {
	tags    []tag
	restore restoration
}

// restoration is a temporary copy of an archived object; the zero value is
// none.
type restoration struct {
	ready   time.Time
	expires time.Time
}

// state returns the present state. It needs no lock.
func (o *object) state() objectState {
	if s := o.changing.Load(); s != nil {
		return *s
	}
	return objectState{}
}

// changeState calls change with the state of q's object, and responds with the
// returned status.
func (q *request) changeState(change func(*object, *objectState) (int, error)) error {
	status := 0
	q.srv.mu.Lock()
	b, err := q.bucket()
	if err == nil {
		var o *object
		if o, err = q.version(b, q.target.key); err == nil {
			next := o.state()
			if status, err = change(o, &next); err == nil {
				o.changing.Store(&next)
			}
		}
	}
	q.srv.mu.Unlock()
	if err != nil {
		return err
	}
	if status != http.StatusNoContent {
		q.w.Header().Set("Content-Length", "0")
	}
	q.w.WriteHeader(status)
	return nil
}

// restored returns the restoration in force at now. ok is false after its end.
func (o *object) restored(now time.Time) (r restoration, ok bool) {
	r = o.state().restore
	return r, !r.ready.IsZero() && now.Before(r.expires)
}

func (r restoration) ongoing(now time.Time) bool { return now.Before(r.ready) }

// header returns the value of x-amz-restore.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
func (r restoration) header(now time.Time) string {
	if r.ongoing(now) {
		return `ongoing-request="true"`
	}
	return `ongoing-request="false", expiry-date="` + r.expires.Format(http.TimeFormat) + `"`
}

// xml writes RestoreStatus.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreStatus.html
func (r restoration) xml(x *xmlDoc, now time.Time) {
	x.open("RestoreStatus")
	x.bool("IsRestoreInProgress", r.ongoing(now))
	if !r.ongoing(now) {
		x.time("RestoreExpiryDate", r.expires)
	}
	x.end("RestoreStatus")
}

// archived reports whether the bytes cannot be read at now.
func (o *object) archived(now time.Time) bool {
	if c := o.class(); c != classGlacier && c != classDeepArchive {
		return false
	}
	r, ok := o.restored(now)
	return !ok || r.ongoing(now)
}

func invalidState(message string, o *object) error {
	return fail("InvalidObjectState", message, field{"StorageClass", o.class()})
}

// restoreTime returns the duration of a restoration, which is a few seconds here
// and minutes to days in S3. The second result is false for an unknown tier.
func restoreTime(tier string) (time.Duration, bool) {
	switch tier {
	case "Expedited":
		return 0, true
	case "", "Standard":
		return 2 * time.Second, true
	case "Bulk":
		return 5 * time.Second, true
	}
	return 0, false
}

// restoreObject is RestoreObject. Its status is 202 if a restoration begins, 200
// if the life of a restored copy changes.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html
func (q *request) restoreObject() error {
	doc, err := q.document(64 << 10)
	if err != nil {
		return err
	}
	var in struct {
		XMLName              xml.Name `xml:"RestoreRequest"`
		Days                 *int
		Type                 string
		Tier                 string
		GlacierJobParameters *struct{ Tier string }
	}
	if err := xml.Unmarshal(doc, &in); err != nil {
		return malformedXML()
	}
	if in.Type != "" { // SELECT, which AWS has closed to new customers
		return notImplemented()
	}
	if in.Days == nil {
		return malformedXML()
	}
	if *in.Days < 1 || *in.Days > 1<<20 {
		return invalidArgument("restoration days should be at least 1", "Days", strconv.Itoa(*in.Days))
	}
	if in.GlacierJobParameters != nil {
		in.Tier = in.GlacierJobParameters.Tier
	}
	takes, ok := restoreTime(in.Tier)
	if !ok {
		return malformedXML()
	}
	return q.changeState(func(o *object, s *objectState) (int, error) {
		return o.restore(s, q.now, *in.Days, in.Tier, takes)
	})
}

func (o *object) restore(s *objectState, now time.Time, days int, tier string, takes time.Duration) (int, error) {
	if c := o.class(); c != classGlacier && c != classDeepArchive {
		return 0, invalidState("Restore is not allowed for the object's current storage class", o)
	} else if c == classDeepArchive && tier == "Expedited" {
		return 0, invalidArgument("Retrieval option is not supported by this storage class", "Tier", tier)
	}
	status := http.StatusAccepted
	if r, ok := o.restored(now); ok {
		if r.ongoing(now) {
			return 0, fail("RestoreAlreadyInProgress", "Object restore is already in progress")
		}
		status, takes = http.StatusOK, 0
	}
	ready := now.Add(takes)
	s.restore = restoration{ready, expiry(ready, days)}
	return status, nil
}

// expiry returns the midnight, UTC, that follows the last whole day.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html
func expiry(ready time.Time, days int) time.Time {
	return ready.UTC().AddDate(0, 0, days+1).Truncate(24 * time.Hour)
}
