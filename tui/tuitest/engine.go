package tuitest

import (
	"slices"
	"strings"
	"sync"
	"time"

	"usher/client/download"
)

// Engine is a fake transfer engine. It downloads Speed bytes a second of each file,
// three files at a time, and writes nothing. Local finds the downloaded files.
type Engine struct {
	Now   func() time.Time
	Speed int64 // bytes a second of one file
	Fail  func(download.Request) error
	Here  func(download.Request) download.Presence // beside the fetched files
	Same  func(download.Request) bool              // the result of a comparison with a file of that size; nil: the same
	Plain func(download.Request) bool              // has no checksum
	Saved []download.Saved
	Delay time.Duration // of Unfinished
	// Below is the number of files in a folder with an incomplete listing. The
	// engine finds 1,000 of them a second.
	Below     int
	Forgetful bool // another process keeps the queue

	mu     sync.Mutex
	limit  int64          // bytes a second of all files; 0: none
	atOnce int            // files; 0: the engine decides
	first  download.ID    // the others wait for it
	hold   download.State // of all active transfers, if set
	silent bool           // connections are open, without data
	all    []*transfer
	have   map[string]download.Request
	lastID download.ID
	batch  int
	calls  int
	last   time.Time
}

type transfer struct {
	download.Transfer
	batch int
	quiet time.Time // of the last byte
	walk  int       // files of a folder that are not found yet
	found float64
}

// Calls returns the number of calls.
func (e *Engine) Calls() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls
}

func (e *Engine) enter() func() {
	e.mu.Lock()
	e.calls++
	e.advance()
	return e.mu.Unlock
}

// Add queues files, and folders with their listed files.
func (e *Engine) Add(reqs ...download.Request) []download.ID {
	defer e.enter()()
	if !slices.ContainsFunc(e.all, (*transfer).open) {
		e.batch++
	}
	var ids []download.ID
	for _, r := range reqs {
		var old download.ID
		for _, t := range e.all {
			if t.Parent == 0 && t.Bucket == r.Bucket && t.Key == r.Key && t.Request.Dir == r.Dir && t.State.Finished() {
				old = t.ID
			}
		}
		e.all = slices.DeleteFunc(e.all, func(t *transfer) bool { return old != 0 && (t.ID == old || t.Parent == old) })
		t := e.add(r, 0)
		ids = append(ids, t.ID)
		e.Saved = slices.DeleteFunc(e.Saved, func(s download.Saved) bool { return s.Request.Key == r.Key })
	}
	e.advance()
	return ids
}

func (e *Engine) add(r download.Request, parent download.ID) *transfer {
	e.lastID++
	t := &transfer{Transfer: download.Transfer{ID: e.lastID, Parent: parent, Request: r, Bucket: r.Bucket, Key: r.Key,
		Dest: r.Dir + "/" + r.Bucket + "/" + r.Key, Size: r.Size, Folder: r.Folder}, batch: e.batch}
	if r.ETag == "" && r.Size == 0 {
		t.Size = -1
	}
	e.all = append(e.all, t)
	if r.Folder {
		t.Size, t.State = 0, download.Running
		for _, l := range r.Listed {
			if slices.Contains(r.Without, l.Name) {
				continue
			}
			c := download.Request{Bucket: r.Bucket, Key: r.Key + l.Name, ETag: l.ETag, Size: l.Size, Dir: r.Dir, Conflict: r.Conflict}
			e.add(c, t.ID)
		}
		if !r.ListedAll {
			t.walk, t.Counting = max(0, e.Below-len(r.Listed)), true
		}
	}
	return t
}

func (e *Engine) set(id download.ID, from func(download.State) bool, to download.State) {
	defer e.enter()()
	for _, t := range e.all {
		if (id == 0 || t.ID == id || t.Parent == id) && from(t.State) {
			t.State, t.Err, t.Rate, t.Left, t.Quiet = to, nil, 0, 0, 0
			if to == download.Waiting {
				t.batch = e.batch // a retried file counts in the present batch
			}
			if to == download.Waiting && t.Folder {
				t.State = download.Running
			}
		}
	}
}

func open(s download.State) bool   { return !s.Finished() }
func ended(s download.State) bool  { return s == download.Failed || s == download.Denied }
func paused(s download.State) bool { return s == download.Paused }

func (e *Engine) Pause(id download.ID)  { e.set(id, open, download.Paused) }
func (e *Engine) Resume(id download.ID) { e.set(id, paused, download.Waiting) }
func (e *Engine) Retry(id download.ID)  { e.set(id, ended, download.Waiting) }
func (e *Engine) PauseAll()             { e.set(0, open, download.Paused) }
func (e *Engine) ResumeAll()            { e.set(0, paused, download.Waiting) }
func (e *Engine) RetryAll()             { e.set(0, ended, download.Waiting) }

// Cancel removes a transfer, and all files of a folder.
func (e *Engine) Cancel(id download.ID) {
	defer e.enter()()
	e.all = slices.DeleteFunc(e.all, func(t *transfer) bool { return t.ID == id || t.Parent == id })
}

// Move changes the order of unfinished transfers.
func (e *Engine) Move(id download.ID, by int) {
	defer e.enter()()
	for i, t := range e.all {
		if t.ID != id {
			continue
		}
		j := i + by
		for j >= 0 && j < len(e.all) && e.all[j].State.Finished() {
			j += by
		}
		if j >= 0 && j < len(e.all) {
			e.all[i], e.all[j] = e.all[j], e.all[i]
		}
		return
	}
}

// First makes a transfer precede all others, until it ends or is paused.
func (e *Engine) First(id download.ID) {
	e.set(id, func(s download.State) bool { return id != 0 && s == download.Paused }, download.Waiting)
	defer e.enter()()
	e.first = id
	slices.SortStableFunc(e.all, func(a, b *transfer) int {
		switch {
		case e.leads(a) && !e.leads(b):
			return -1
		case e.leads(b) && !e.leads(a):
			return 1
		}
		return 0
	})
}

func (e *Engine) leads(t *transfer) bool {
	return t.ID == e.first || t.Parent == e.first && e.first != 0
}

// SetLimit changes the limit, in bytes a second.
func (e *Engine) SetLimit(bytes int64) { defer e.enter()(); e.limit = bytes }

// SetParallel changes the number of files at once; 0 is the engine's choice.
func (e *Engine) SetParallel(files int) { defer e.enter()(); e.atOnce = files }

// SignedIn resumes the transfers that wait for a sign-in.
func (e *Engine) SignedIn() {
	e.set(0, func(s download.State) bool { return s == download.WaitingSignIn }, download.Waiting)
}

// Stop keeps all active transfers in a state, such as WaitingSignIn.
func (e *Engine) Stop(to download.State) {
	e.mu.Lock()
	e.hold = to
	e.mu.Unlock()
}

// Silence stops all data on open connections.
func (e *Engine) Silence() {
	e.mu.Lock()
	e.silent = true
	e.mu.Unlock()
}

// Clear empties the queue, like a change of the person.
func (e *Engine) Clear(saved ...download.Saved) {
	defer e.enter()()
	e.all, e.Saved = nil, saved
}

// Local finds downloaded files and the files of Here.
func (e *Engine) Local(dir string, reqs []download.Request) []download.LocalState {
	defer e.enter()()
	out := make([]download.LocalState, len(reqs))
	for i, r := range reqs {
		r.Dir = dir
		out[i].Path = dir + "/" + r.Bucket + "/" + r.Key
		out[i].Presence = e.presence(r)
	}
	return out
}

func diskKey(r download.Request) string {
	return strings.Join([]string{r.Dir, r.Bucket, r.Key}, "\x00")
}

// presence returns the state of a local file. Without an ETag no file is identical.
func (e *Engine) presence(r download.Request) download.Presence {
	if h, ok := e.have[diskKey(r)]; ok {
		switch {
		case r.ETag != "" && r.ETag == h.ETag:
			return download.Here
		case r.Size == h.Size, r.ETag == "" && r.Size == 0:
			return download.HereMaybe
		}
		return download.HereOther
	}
	if e.Here != nil {
		return e.Here(r)
	}
	return download.Absent
}

// Unfinished returns Saved.
func (e *Engine) Unfinished() ([]download.Saved, error) {
	if e.Delay > 0 {
		time.Sleep(e.Delay)
	}
	defer e.enter()()
	if e.Forgetful {
		return nil, nil
	}
	return slices.Clone(e.Saved), nil
}

// Forget drops Saved.
func (e *Engine) Forget() error { defer e.enter()(); e.Saved = nil; return nil }

// Keeps reports whether unfinished transfers are stored for the next run.
func (e *Engine) Keeps() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls++
	return !e.Forgetful
}
