package tuitest

import (
	"sync"
	"time"

	"usher/client/download"
)

// Engine is a transfer engine that fetches Speed bytes a second of each file,
// three at a time, and writes nothing.
type Engine struct {
	Now   func() time.Time
	Speed int64 // bytes a second of one file
	Fail  func(download.Request) error
	Here  func(download.Request) download.Presence
	Saved []download.Saved

	mu    sync.Mutex
	all   []*transfer
	calls int
	last  time.Time
}

type transfer struct {
	download.Transfer
}

// Calls is how many calls of any kind were made.
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

// advance lets bytes come for the time since the last call.
func (e *Engine) advance() {
	now := e.Now()
	d := now.Sub(e.last)
	e.last = now
	running := 0
	for _, t := range e.all {
		if t.State == download.Waiting && running < 3 {
			t.State = download.Running
			d = 0
		}
		if t.State != download.Running {
			continue
		}
		running++
		if err := e.failure(t.Request); err != nil && t.Done > t.Size/4 {
			t.State, t.Err, t.Done = download.Failed, err, t.Size/4
			continue
		}
		t.Done = min(t.Size, t.Done+int64(d.Seconds()*float64(e.Speed)))
		t.Rate = float64(e.Speed)
		t.Left = time.Duration(float64(t.Size-t.Done) / t.Rate * float64(time.Second))
		if t.Done == t.Size {
			t.State, t.Verified, t.Rate = download.Done, "crc64nvme", 0
		}
	}
}

func (e *Engine) failure(r download.Request) error {
	if e.Fail == nil {
		return nil
	}
	return e.Fail(r)
}

// Add queues files.
func (e *Engine) Add(reqs ...download.Request) []download.ID {
	defer e.enter()()
	var ids []download.ID
	for _, r := range reqs {
		t := &transfer{download.Transfer{ID: download.ID(len(e.all) + 1), Request: r, Bucket: r.Bucket, Key: r.Key, Dest: r.Dir, Size: r.Size}}
		e.all = append(e.all, t)
		ids = append(ids, t.ID)
	}
	return ids
}

// Snapshot copies the queue.
func (e *Engine) Snapshot() download.Snapshot {
	defer e.enter()()
	var s download.Snapshot
	for _, t := range e.all {
		s.Transfers = append(s.Transfers, t.Transfer)
		s.Files++
		s.Bytes += t.Size
		s.BytesDone += t.Done
		switch t.State {
		case download.Done, download.Skipped:
			s.FilesDone++
		case download.Failed, download.Denied:
			s.FilesFailed++
		case download.Running:
			s.Running++
			s.Rate += t.Rate
		}
	}
	if s.Rate > 0 {
		s.Left = time.Duration(float64(s.Bytes-s.BytesDone) / s.Rate * float64(time.Second))
	}
	return s
}

func (e *Engine) set(id download.ID, from func(download.State) bool, to download.State) {
	defer e.enter()()
	for _, t := range e.all {
		if (id == 0 || t.ID == id) && from(t.State) {
			t.State, t.Err = to, nil
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

// Cancel takes a transfer out of the list.
func (e *Engine) Cancel(id download.ID) {
	defer e.enter()()
	for i, t := range e.all {
		if t.ID == id {
			e.all = append(e.all[:i], e.all[i+1:]...)
			return
		}
	}
}

// Move changes the order.
func (e *Engine) Move(id download.ID, by int) {
	defer e.enter()()
	for i, t := range e.all {
		if j := i + by; t.ID == id && j >= 0 && j < len(e.all) {
			e.all[i], e.all[j] = e.all[j], e.all[i]
			return
		}
	}
}

// SignedIn lets what waits for a sign-in go on.
func (e *Engine) SignedIn() {
	e.set(0, func(s download.State) bool { return s == download.WaitingSignIn }, download.Waiting)
}

// Stop puts what is under way into a state, such as WaitingSignIn.
func (e *Engine) Stop(to download.State) { e.set(0, open, to) }

// Local answers from Here.
func (e *Engine) Local(dir string, reqs []download.Request) []download.LocalState {
	defer e.enter()()
	out := make([]download.LocalState, len(reqs))
	for i, r := range reqs {
		out[i].Path = dir
		if e.Here != nil {
			out[i].Presence = e.Here(r)
		}
	}
	return out
}

// Unfinished gives Saved.
func (e *Engine) Unfinished() ([]download.Saved, error) { defer e.enter()(); return e.Saved, nil }

// Forget drops Saved.
func (e *Engine) Forget() error { defer e.enter()(); e.Saved = nil; return nil }
