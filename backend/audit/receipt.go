package audit

import "time"

// Receipt is the proof that a release is in the log. Only Log.RecordReleases
// makes one that is Valid; signing a URL takes it and signs for nothing but
// the object it names. The zero Receipt is invalid.
type Receipt struct {
	event, bucket, key, etag, version string
	checkedAt                         time.Time
	link                              bool
}

// Valid says whether the log made this receipt.
func (r Receipt) Valid() bool { return r.event != "" }

// EventID is the id of the durable event.
func (r Receipt) EventID() string { return r.event }

// Bucket is the object's bucket.
func (r Receipt) Bucket() string { return r.bucket }

// Key is the object's key, literal bytes.
func (r Receipt) Key() string { return r.key }

// ETag is the content that was released, with its quotes, or "".
func (r Receipt) ETag() string { return r.etag }

// Version is the object version that was released, or "".
func (r Receipt) Version() string { return r.version }

// CheckedAt is when the live check behind this release was asked: a URL's
// life counts from here.
func (r Receipt) CheckedAt() time.Time { return r.checkedAt }

// Link says that the URL is for a browser or curl, which send no headers of
// ours.
func (r Receipt) Link() bool { return r.link }
