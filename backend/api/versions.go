package api

import "time"

// MaxVersion is the greatest length of a version id, in bytes (S3 user guide, "How
// S3 Versioning works").
const MaxVersion = 1024

// NullVersion is the id of a version that was stored without versions.
const NullVersion = "null"

// ValidVersion reports whether a text can be a version id.
func ValidVersion(s string) bool {
	if s == "" || len(s) > MaxVersion {
		return false
	}
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' {
			return false
		}
	}
	return true
}

// VersionsRequest requests the versions of one object.
type VersionsRequest struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Cursor string `json:"cursor,omitempty"` // from the previous answer; sealed
}

// VersionsResponse is one page of up to MaxList versions, the newest first. Grant is
// the grant that allows it.
type VersionsResponse struct {
	Versions []ObjectVersion `json:"versions"`
	Cursor   string          `json:"cursor,omitempty"`
	Event    string          `json:"event"`
	Grant    string          `json:"grant,omitempty"`
}

// ObjectVersion is one version of an object, or a delete marker. An object of a
// bucket without versions has one, NullVersion.
type ObjectVersion struct {
	Version  string     `json:"version"`
	Latest   bool       `json:"latest,omitempty"`
	Deleted  bool       `json:"deleted,omitempty"` // a delete marker, without content
	Size     int64      `json:"size,omitempty"`
	Modified *time.Time `json:"modified,omitempty"`
	ETag     string     `json:"etag,omitempty"`
	Archived bool       `json:"archived,omitempty"`
	// StorageClass is "" for STANDARD.
	StorageClass string `json:"storage_class,omitempty"`
}
