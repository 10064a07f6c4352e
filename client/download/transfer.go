package download

import (
	"time"

	"usher/backend/api"
	"usher/client/download/part"
)

// ID names a transfer for the life of an engine.
type ID int64

// Conflict is the treatment of another file under the local name. The same content
// is never fetched again.
type Conflict int

const (
	Refuse    Conflict = iota // fail with ErrExists
	Skip                      // leave the existing file, without a comparison
	Overwrite                 // fetch, and put the new file in its place, once verified
	KeepBoth                  // save as "name (1).ext"
	Leave                     // leave the existing file, after a comparison: see Transfer.Differs
)

// leaves reports whether an existing file that may differ stays, without an error.
func (c Conflict) leaves() bool { return c == Skip || c == Leave }

// taken is the treatment of a file that gets the name between the look at the
// disk and the end of the download.
func (c Conflict) taken() part.Taken {
	switch c {
	case Overwrite:
		return part.Replace
	case KeepBoth:
		return part.Number
	}
	return part.Refuse
}

// Names selects the characters of local names. Each form reads back.
type Names int

const (
	LocalNames    Names = iota // the characters of the destination's file system
	PortableNames              // the characters that every system takes
)

// Request describes one object, or all objects below a prefix.
type Request struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	// Version names a version of the object; "": its current content. Without ETag.
	Version string `json:"version,omitempty"`

	Folder bool `json:"folder,omitempty"` // all below Key as a prefix; "" or ending in "/"

	// From a listing, optional. With an ETag, Size must be the listing's too.
	ETag     string    `json:"etag,omitempty"`
	Size     int64     `json:"size,omitempty"`
	Modified time.Time `json:"modified,omitzero"`
	Mark     string    `json:"mark,omitempty"` // the listing's proof of Size, for the server

	Dir string `json:"dir"` // destination directory; made if absent

	// Name is the local name, exact and without a separator; "": the last
	// segment of Key, made safe. A folder lands in Dir under its own name, as
	// cp -r does; with Name "." its content lands in Dir itself.
	Name string `json:"name,omitempty"`

	// Base is the part of Key, "" or ending in "/", that is not repeated below
	// Dir; the rest becomes folders. nil: the last segment of Key alone is the
	// local name. It counts only where Name is empty.
	Base *string `json:"base,omitempty"`

	// FolderToo is set where a folder of the same local name is downloaded with
	// this object: the object is then saved under its name and "%~".
	FolderToo bool `json:"folder_too,omitempty"`

	// Whole makes folders below Dir of the bucket and of all of Key. It counts
	// only where Name is empty, and before Base.
	Whole bool `json:"whole,omitempty"`

	Conflict Conflict `json:"conflict,omitempty"`

	// Names is the form of the local names that are made of keys.
	Names Names `json:"names,omitempty"`

	// Checksum compares a local file by its content, and never by the note that
	// usher left with it.
	Checksum bool `json:"checksum,omitempty"`

	// Without names the entries of a folder to leave out, by the text after Key, as
	// a listing names them. It holds for Listed too.
	Without []string `json:"without,omitempty"`

	// Takes selects the files of a folder by the text after Key and the entry of the
	// listing; nil: all files. With it, empty folders are not created, and pages are
	// requested without URLs, because a URL of a page is released and recorded. It is
	// not remembered between runs.
	Takes func(name string, e api.Entry) bool `json:"-"`

	// Consider is called for each file of a folder that Takes selects, and for each
	// marker of a folder, with its request and its local path below Dir. It can change
	// the request's Conflict, and returns false to leave the entry out; nil: all. It is
	// called by one goroutine, and is not remembered between runs.
	Consider func(r *Request, path string) bool `json:"-"`

	// Listed has the entries of a folder that the caller has listed already, recursively
	// and from the first one; with ListedAll there is no more. The walk goes on from
	// there. It is not remembered between runs.
	Listed    []api.Entry `json:"-"`
	ListedAll bool        `json:"-"`
}

// listedSize is the size in the listing in bytes; -1: the request is not from a listing.
func (r Request) listedSize() int64 {
	if r.ETag == "" && r.Size <= 0 {
		return -1
	}
	return r.Size
}

// State is the state of a transfer.
type State int

const (
	Waiting State = iota
	Running
	Verifying // all bytes are here; they are checked, or made durable
	Paused
	Done
	Skipped // already here and the same, or left as it is: Conflict was Skip or Leave
	Failed
	Denied // no longer available to this person
	Cancelled
	WaitingNetwork
	WaitingSignIn
)

// String is the state's word in commands and in JSON. The transfers page has words
// of its own.
func (s State) String() string {
	words := [...]string{"waiting", "running", "verifying", "paused", "done", "skipped", "failed", "denied",
		"cancelled", "waiting for the network", "waiting for sign-in"}
	if s < 0 || int(s) >= len(words) {
		return "unknown"
	}
	return words[s]
}

// Finished reports whether nothing more happens without a new call.
func (s State) Finished() bool {
	return s == Done || s == Skipped || s == Failed || s == Denied || s == Cancelled
}

// Transfer is a copy of one transfer's facts. Bucket, Key and Dest are raw:
// show them through safetext. Err, Event and Verified are safe to print.
type Transfer struct {
	ID       ID
	Parent   ID // the folder it belongs to; 0: none
	Request  Request
	Bucket   string
	Key      string
	Dest     string // local path; known once planned
	Size     int64  // bytes; -1 while unknown
	Done     int64  // bytes that are here
	Fetched  int64  // bytes that came over the network, those fetched twice included
	State    State
	Rate     float64       // bytes a second, a moving mean over 3 s
	Left     time.Duration // at that rate; 0 while unknown
	Verified string        // the checksum, once Verifying: "crc64nvme", "crc32c", "crc32", "sha256", "sha1", "md5", "size", "recorded" (Skipped, and not compared), or ""
	Err      error         // why it failed, was denied, or waits
	Event    string        // the last thing that happened, as a sentence; ""
	Retries  int
	AuditID  string        // the audit event of its first URL; ""
	Anew     bool          // an earlier run had begun another content, which was dropped
	Differs  bool          // Skipped, and the local file was not found to be the same
	Quiet    time.Duration // Running: how long no byte has come, from 3 s; 0: they come

	// Of a folder.
	Folder                        bool
	Files, FilesDone, FilesFailed int
	FilesDiffer                   int  // of FilesDone, left as they are though they may differ
	Omitted                       int  // names that no request can contain: see api.ListResponse
	Counting                      bool // the walk still goes on
}

// Snapshot is a consistent copy of the queue. The finished files of a folder
// are kept up to 20,000; Config.Finished sees every one. The sums are those of
// the batch: of all transfers since the queue was last at rest, and of those
// unfinished then.
type Snapshot struct {
	Transfers   []Transfer // in queue order
	Files       int        // folders not counted; grows while folders are walked
	FilesDone   int        // Done and Skipped
	FilesSame   int        // of these, were here already
	FilesDiffer int        // of these, left as they are though they may differ
	FilesPlain  int        // of these, Done and checked by their size alone
	FilesFailed int        // Failed and Denied
	Running     int        // files that move, are verified or made durable now
	Bytes       int64      // of all files, as far as sizes are known
	BytesDone   int64      // that are here, those of unfinished files included
	BytesNew    int64      // of files that are Done
	Rate        float64
	Left        time.Duration // until all files that are not paused or failed are here; 0: not known
	Counting    int           // files found so far by folder walks that still go on, or in an open batch; 0: all files are known

	Limit  int64 // bytes a second; 0: none. See Engine.SetLimit
	AtOnce int   // files; 0: the engine decides. See Engine.SetParallel
	First  ID    // the transfer that the others wait for; 0: none. See Engine.First
}
