package api

import "time"

// Limits of a search.
const (
	MaxQuery     = 256 // bytes of a text or glob
	MaxWildcards = 16  // wildcards of a glob
)

// SearchRequest requests the objects below a prefix that match a query. Text or
// Glob is required, and a size or time alone suffices too. Without a slash, both
// match the last segment of a name; with one, the text after the prefix.
type SearchRequest struct {
	Bucket   string    `json:"bucket"`
	Prefix   string    `json:"prefix,omitempty"`
	Text     string    `json:"text,omitempty"` // contained in the name, in any case
	Glob     string    `json:"glob,omitempty"` // with *, ?, [a-z], {a,b} and **
	Size     SizeRange `json:"size,omitzero"`
	Modified TimeRange `json:"modified,omitzero"`
	Cursor   string    `json:"cursor,omitempty"` // from the previous answer; sealed
}

// SizeRange limits a size in bytes. nil: no limit.
type SizeRange struct {
	Min *int64 `json:"min,omitempty"`
	Max *int64 `json:"max,omitempty"`
}

// TimeRange limits an instant: at or after From, and before Until.
type TimeRange struct {
	From  *time.Time `json:"from,omitempty"`
	Until *time.Time `json:"until,omitempty"`
}

// SearchResponse is one page of a search: the matches among the next Scanned names
// that the caller may see. A page costs at most 10 calls to S3 and has fewer than
// 2*MaxList entries. An empty page with a Cursor has a next page.
type SearchResponse struct {
	Entries       []Entry `json:"entries"` // names relative to the prefix
	Scanned       int     `json:"scanned"`
	Cursor        string  `json:"cursor,omitempty"`
	Event         string  `json:"event"`
	GrantsVersion string  `json:"grants_version"`
	Omitted       int     `json:"omitted,omitempty"` // as in ListResponse
}
