package audit

import "time"

// Receipt proves that a release is in the log. Only Log.RecordReleases makes a
// valid one. The signer requires a Receipt and signs a URL for its object only.
// The zero Receipt is invalid.
type Receipt struct {
	event, bucket, key, etag, version string
	checkedAt                         time.Time
	link                              bool
}

// Valid reports whether the log made this receipt.
func (r Receipt) Valid() bool { return r.event != "" }

// EventID returns the id of the durable event.
func (r Receipt) EventID() string { return r.event }

// Bucket returns the object's bucket.
func (r Receipt) Bucket() string { return r.bucket }

// Key returns the object's key, unescaped.
func (r Receipt) Key() string { return r.key }

// ETag returns the ETag of the released content, with its quotes, or "".
func (r Receipt) ETag() string { return r.etag }

// Version returns the released object version, or "".
func (r Receipt) Version() string { return r.version }

// CheckedAt returns the start of the live check before this release. The
// lifetime of the URL counts from here.
func (r Receipt) CheckedAt() time.Time { return r.checkedAt }

// Link reports whether the URL is for a browser or curl, which send no usher
// headers.
func (r Receipt) Link() bool { return r.link }
