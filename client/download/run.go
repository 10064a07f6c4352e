package download

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"usher/backend/api"
)

func itoa(n int) string { return strconv.Itoa(n) }

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func waitLimit(ctx context.Context, l *rate.Limiter, n int) error {
	for n > 0 {
		m := min(n, l.Burst())
		if err := l.WaitN(ctx, m); err != nil {
			return err
		}
		n -= m
	}
	return nil
}

// localPath is where a request lands below its Dir, as safe names.
func (e *Engine) localPath(r Request) ([]string, error) {
	if r.Name == "." && r.Folder {
		return nil, nil
	}
	if r.Name != "" {
		if !filepath.IsLocal(r.Name) || strings.ContainsAny(r.Name, `/\`) || r.Name == "." || hasFoldPrefix(r.Name, partMark) {
			return nil, &Error{Kind: ErrName, Path: r.Name, Detail: "it is not a plain file name"}
		}
		return []string{r.Name}, nil
	}
	rest, ok := r.Key, true
	switch {
	case r.Base != "":
		if rest, ok = strings.CutPrefix(r.Key, r.Base); !ok || !strings.HasSuffix(r.Base, "/") {
			return nil, &Error{Kind: ErrName, Path: r.Key, Detail: "its base is not a folder above it"}
		}
	case r.Folder && r.Key == "":
		rest = r.Bucket
	default:
		if r.Folder {
			rest = strings.TrimSuffix(rest, "/")
		}
		if i := strings.LastIndexByte(strings.TrimSuffix(rest, "/"), '/'); i >= 0 {
			rest = rest[i+1:]
		}
	}
	return e.names(rest), nil
}

func (e *Engine) names(rest string) []string {
	return strings.Split(e.cfg.hooks.localName(rest, false), "/")
}

// marker tells whether the object only stands for a folder (S3 user guide,
// "Organizing objects using folders": an empty object whose key ends in "/").
func (t *transfer) marker() bool {
	return t.parent != nil && t.req.Size == 0 && strings.HasSuffix(t.req.Key, "/")
}

// carry takes one transfer from admission to its end.
func (e *Engine) carry(ctx context.Context, t *transfer) {
	defer e.wg.Done()
	e.mu.Lock()
	t.started = e.cfg.Now()
	e.mu.Unlock()
	state, err := Failed, t.nameErr
	if err == nil {
		state, err = e.try(ctx, t)
	}
	if state == Done && err == nil && t.size < syncSize && !t.marker() {
		if f, err := e.disk.folderAt(t.req.Dir, t.segs[:len(t.segs)-1], false); err == nil {
			e.settle(t, f)
			return
		}
	}
	e.ended(ctx, t, state, err)
}

// settle takes a small file that has its name out of the way of others, until
// the sync that it shares with them made it durable.
func (e *Engine) settle(t *transfer, f *folder) {
	e.mu.Lock()
	t.state, t.syncing = Verifying, true
	e.settling++
	e.leaveWindow(t)
	e.admit()
	e.mu.Unlock()
	e.settler.add(f, func(err error) {
		state := Done
		if err != nil {
			state, err = Failed, diskError(t.dest, err)
		}
		e.ended(context.Background(), t, state, err)
	})
}

// try runs a transfer until it is done or cannot go on. A mismatch is fetched
// once more.
func (e *Engine) try(ctx context.Context, t *transfer) (State, error) {
	if t.marker() {
		f, err := e.disk.folderAt(t.req.Dir, t.segs[:len(t.segs)-1], true)
		if err != nil {
			return Failed, err
		}
		f.release()
		return Done, nil
	}
	if !e.cfg.Dotfiles {
		if err := guardHome(t.req.Dir, t.segs[:len(t.segs)-1], t.segs[len(t.segs)-1]); err != nil {
			return Failed, err
		}
	}
	var r retryNote
	for {
		state, err := e.once(ctx, t, &r)
		var m *mismatch
		switch {
		case errors.As(err, &m):
			if r.mismatches++; r.mismatches > 1 {
				return Failed, &Error{Kind: ErrIntegrity, Path: t.req.Key, Detail: m.what}
			}
			e.again(t, "It did not match; fetching it once more.")
		case errors.Is(err, errNoRange):
			if r.wholes++; r.wholes > maxStreak {
				return Failed, &Error{Kind: ErrNetwork, Detail: "the connection broke " + itoa(r.wholes) + " times, and the storage sends whole files only"}
			}
			e.again(t, "The storage sends whole files only; starting from the beginning.")
		case errors.Is(err, errBusy):
			e.set(t, Waiting, nil, "Another usher is fetching this file; waiting for it.")
			if err := e.sleep(ctx, e.cfg.Timeouts.LockPoll); err != nil {
				return Failed, err
			}
		default:
			return state, err
		}
	}
}

// retryNote is what one try tells the next.
type retryNote struct {
	mismatches int
	wholes     int // times that the storage sent everything instead of a range
}

func (e *Engine) again(t *transfer, event string) {
	e.mu.Lock()
	t.retries++
	t.event = event
	e.mu.Unlock()
	t.done.Store(0)
	e.notify()
}

// once is one try: plan, ticket, slot, fetch, verify, rename.
func (e *Engine) once(ctx context.Context, t *transfer, r *retryNote) (State, error) {
	p, err := e.plan(t)
	if err != nil || p.skip {
		return p.state, err
	}
	named := t.isSmall() && !p.compare
	tk, err := e.ticket(ctx, t, named)
	if err != nil {
		return Failed, err
	}
	if p.compare {
		same, verified, err := e.sameContent(t, p, tk)
		switch {
		case err != nil:
			return Failed, err
		case same:
			e.mu.Lock()
			t.verified = verified
			e.mu.Unlock()
			return Skipped, nil
		case t.req.Conflict == Refuse:
			return Failed, &Error{Kind: ErrExists, Path: p.path}
		}
	}
	size := tk.size
	if size < 0 && t.req.ETag != "" {
		size = t.req.Size
	}
	plain := size <= smallObject && (size >= 0 || named)
	gate, weight := e.large, 1
	if plain && t.isSmall() {
		gate, weight = e.small, 1+int(max(size, 0)>>20)
	}
	weight, err = gate.enter(ctx, weight)
	if err != nil {
		return Failed, err
	}
	defer gate.leave(weight)
	e.set(t, Running, nil, "")
	j := &job{e: e, t: t, plain: plain || r.wholes > 0, named: named, noRange: r.wholes > 0, etag: tk.etag, version: tk.version,
		size: size, modified: tk.modified, checksum: tk.checksum, parts: tk.parts, ticket: tk}
	state, err := e.fetchInto(ctx, j, p)
	if err == nil && gate == e.small {
		gate.faster()
	}
	return state, err
}

// fetchInto opens the part, fetches what it lacks and finishes it.
func (e *Engine) fetchInto(ctx context.Context, j *job, p plan) (State, error) {
	t := j.t
	f, err := e.disk.folderAt(t.req.Dir, t.segs[:len(t.segs)-1], true)
	if err != nil {
		return Failed, err
	}
	defer f.release()
	name := partName(t.req.Bucket, t.req.Key, j.etag)
	begun := false
	if !p.fresh {
		var old []string
		old, begun = f.oldParts(t.req.Bucket, t.req.Key, name)
		for _, o := range old {
			f.dropPart(o)
			e.set(t, Running, nil, "The file changed since the last try; starting from the beginning.")
		}
	}
	if j.size >= 0 {
		e.mu.Lock()
		e.resize(t, j.size)
		e.mu.Unlock()
		if err := e.reserve(f, t, j.size); err != nil {
			return Failed, err
		}
		defer e.unreserve(t)
	}
	open := f.openPart
	if j.plain && j.size >= 0 && j.size <= bufferSize && !begun && t.req.Conflict != Overwrite {
		open = f.newPart
	}
	if j.part, err = open(name); err != nil {
		return Failed, err
	}
	defer j.part.close()
	j.part.begun = begun || j.part.size > 0
	j.part.hasNotes = j.part.begun
	if err = j.prepare(); err == nil {
		err = j.fetchAll(ctx)
	}
	if err == nil {
		err = j.verify(ctx)
	}
	if err != nil {
		return Failed, j.abandon(err)
	}
	return e.deliver(j, f)
}

// prepare decides how the bytes are summed and takes over what an earlier try left.
func (j *job) prepare() error {
	var err error
	if j.want, err = wantOf(j.checksum, j.parts, j.size); errors.Is(err, errUnusable) {
		j.lookUp = true
	} else if err != nil {
		return &mismatch{err.Error()}
	}
	have := j.resume()
	j.ledger = newLedger(j.size, j.want, have)
	j.t.done.Store(j.ledger.have())
	j.notedAt.Store(j.t.done.Load())
	if j.size > smallObject {
		if err := preallocate(j.part.file, j.size); err != nil {
			return j.e.writeError(j, err)
		}
	}
	return nil
}

// resume reads the part again where its sidecar says that bytes are there,
// and takes only ranges whose sums agree: after a power cut the sidecar may
// know more than the disk. Without a sidecar that fits, the part is emptied.
func (j *job) resume() []piece {
	if j.part.size > 0 && !j.noRange {
		if s, ok := j.part.folder.notes(j.part.name); ok && s.ETag == j.etag && s.Bucket == j.t.req.Bucket &&
			s.Key == j.t.req.Key && (j.size < 0 || s.Size == j.size) {
			if j.checksum == nil && s.Checksum != nil {
				if w, err := wantOf(s.Checksum, s.Parts, s.Size); err == nil {
					j.checksum, j.parts, j.want = s.Checksum, s.Parts, w
				}
			}
			if j.modified.IsZero() {
				j.modified = s.Modified
			}
			if have := j.readBack(s); len(have) > 0 {
				return have
			}
		}
	}
	if j.part.size > 0 {
		_ = j.part.file.Truncate(0)
	}
	return nil
}

func (j *job) readBack(s sidecar) []piece {
	kind := j.want.crc()
	border := int64(0)
	if j.want.kind != nil {
		border = j.want.partSize
	}
	if s.CRC != kind.name {
		return nil
	}
	said, err := piecesOf(s.Ranges, border)
	if err != nil {
		return nil
	}
	buf := j.e.buffers.get(bufferSize)
	defer j.e.buffers.put(buf)
	var have []piece
	for _, p := range said {
		crc, at := uint64(0), p.off
		for at < p.end {
			n, err := j.part.file.ReadAt((*buf)[:min(int64(len(*buf)), p.end-at)], at)
			if n == 0 || err != nil && at+int64(n) < p.end {
				break
			}
			crc = kind.update(crc, (*buf)[:n])
			at += int64(n)
		}
		if at == p.end && crc == p.crc || j.e.cfg.hooks.noVerify {
			have = append(have, p)
		}
	}
	j.e.mu.Lock()
	if j.t.firstEvent == "" || j.e.cfg.Now().Sub(s.EventAt) < 23*time.Hour {
		j.t.adopt(s)
	}
	j.e.mu.Unlock()
	return have
}

// adopt takes over the chain of events that an earlier run began; only its
// next URL can continue it, the present one is already released.
func (t *transfer) adopt(s sidecar) {
	if s.Event != "" && t.event == "" {
		t.event = "Going on from " + bytesText(s.have()) + "."
	}
}

// verify checks the whole. The ranges' sums are at hand; only hashes need the
// bytes once more, in order.
func (j *job) verify(ctx context.Context) error {
	j.e.set(j.t, Verifying, nil, "")
	if j.lookUp {
		tk, err := j.e.ticket(ctx, j.t, false)
		if err != nil {
			return err
		}
		if tk.etag != j.etag {
			return &Error{Kind: ErrChanged, Path: j.t.req.Key}
		}
		if j.want, err = wantOf(tk.checksum, tk.parts, j.size); err != nil && !errors.Is(err, errUnusable) {
			return &mismatch{err.Error()}
		}
	}
	ok, err := true, error(nil)
	if w := j.want; w.algorithm != "" && !j.e.cfg.hooks.noVerify {
		if w.kind != nil && w.kind == j.ledger.kind && (w.parts == 0 || j.ledger.border == w.partSize) {
			ok = w.matchesRanges(j.ledger.pieces())
		} else {
			ok, err = w.matchesReader(j.part.file, j.size)
		}
	}
	if err != nil {
		return diskError(j.part.folder.path, err)
	}
	if !ok {
		return &mismatch{"its " + j.want.label() + " differs"}
	}
	return nil
}

// abandon keeps or drops the part of a try that failed, as the failure asks.
func (j *job) abandon(err error) error {
	var own *Error
	switch {
	case errors.Is(err, errMismatch), errors.Is(err, errNoRange):
		j.part.remove()
	case errors.As(err, &own) && own.Kind == ErrChanged:
		own.Path = filepath.Join(j.part.folder.path, j.t.segs[len(j.t.segs)-1])
		j.part.remove()
		j.t.done.Store(0)
	case errors.Is(err, errCancelled):
		j.part.remove()
		j.t.done.Store(0)
	case j.ledger != nil && j.ledger.have() > 0:
		j.note()
	default:
		j.part.remove()
	}
	return err
}

// deliver gives the verified part its name. The transfer is done once that is
// durable; small files wait for a sync they share.
func (e *Engine) deliver(j *job, f *folder) (State, error) {
	t := j.t
	if j.part.size > j.size { // an earlier try with another size was here
		if err := j.part.file.Truncate(j.size); err != nil {
			return Failed, diskError(f.path, err)
		}
	}
	j.part.size = j.size
	when := j.modified
	if when.IsZero() {
		when = e.cfg.Now()
	}
	label := j.want.label()
	name := t.segs[len(t.segs)-1]
	if t.req.Name == "" {
		name = f.claim(name, t.req.Bucket+"/"+t.req.Key)
	}
	used, err := j.part.finish(name, when, t.req.Conflict, recordOf(j.etag, label, j.size, when))
	if errors.Is(err, ErrExists) && j.part.file != nil && j.part.sameAs(name) {
		// Another usher was faster, between the look at the disk and the lock.
		j.part.remove()
		e.mu.Lock()
		t.verified = label
		e.mu.Unlock()
		return Skipped, nil
	}
	if err != nil {
		if j.part.file != nil {
			j.note()
		}
		return Failed, err
	}
	e.mu.Lock()
	t.dest, t.verified, t.err = filepath.Join(f.path, used), label, nil
	e.mu.Unlock()
	return Done, nil
}

// strictName is the form of a local name that no other is taken for.
func strictName(name string) string {
	if key, err := KeyOf(name); err == nil {
		return localName(key, true)
	}
	return name
}

// plan is what a look at the disk says about a transfer.
type plan struct {
	skip    bool
	state   State
	path    string
	fresh   bool // the folder is not there yet
	compare bool // a file of that size is there: is it the same?
	name    string
}

// plan looks at the destination before anything is asked of the backend, so
// that what is here already costs neither a URL nor an audit event.
func (e *Engine) plan(t *transfer) (plan, error) {
	dirs, name := t.segs[:len(t.segs)-1], t.segs[len(t.segs)-1]
	p := plan{name: name, path: filepath.Join(append([]string{t.req.Dir}, t.segs...)...)}
	defer func() {
		e.mu.Lock()
		t.dest = p.path
		e.mu.Unlock()
	}()
	f, err := e.disk.folderAt(t.req.Dir, dirs, false)
	if errors.Is(err, fs.ErrNotExist) {
		p.fresh = true
		return p, nil
	}
	if err != nil {
		return plan{state: Failed}, err
	}
	defer f.release()
	if t.req.Name == "" {
		name = f.claim(name, t.req.Bucket+"/"+t.req.Key)
		p.name = name
	}
	info, err := f.root.Lstat(name)
	if err == nil && info.IsDir() {
		p.name = name + clashMark
		info, err = f.root.Lstat(p.name)
	}
	if p.path = filepath.Join(f.path, p.name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return p, nil
		}
		return plan{state: Failed}, diskError(p.path, err)
	}
	if t.req.Conflict == Skip {
		p.skip, p.state = true, Skipped
		return p, nil
	}
	if info.Mode().IsRegular() {
		if v, ok := matchRecord(readRecord(f, p.name), t.req.ETag, info); ok {
			e.mu.Lock()
			t.verified = v
			e.mu.Unlock()
			f.dropParts(t.req.Bucket, t.req.Key, t.req.ETag)
			p.skip, p.state = true, Skipped
			return p, nil
		}
		p.compare = t.size < 0 || t.size == info.Size()
	}
	if !p.compare && t.req.Conflict == Refuse {
		return plan{state: Failed, path: p.path}, &Error{Kind: ErrExists, Path: p.path}
	}
	return p, nil
}

// sameContent compares the file that is there with what the backend knows.
func (e *Engine) sameContent(t *transfer, p plan, tk *ticket) (same bool, verified string, err error) {
	f, err := e.disk.folderAt(t.req.Dir, t.segs[:len(t.segs)-1], false)
	if err != nil {
		return false, "", diskError(p.path, err)
	}
	defer f.release()
	file, err := f.root.OpenFile(p.name, openNoFollow, 0)
	if err != nil {
		return false, "", nil
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() != tk.size {
		return false, "", nil
	}
	if v, ok := matchRecord(readRecord(f, p.name), tk.etag, info); ok {
		f.dropParts(t.req.Bucket, t.req.Key, tk.etag)
		return true, v, nil
	}
	w, err := wantOf(tk.checksum, tk.parts, tk.size)
	if err != nil || w.algorithm == "" {
		return false, "", nil
	}
	if same, err = w.matchesReader(file, tk.size); same {
		f.dropParts(t.req.Bucket, t.req.Key, tk.etag)
	}
	return same, w.label(), err
}

// ended notes how a transfer's work ended, counts it and makes room.
func (e *Engine) ended(ctx context.Context, t *transfer, state State, err error) {
	cause := context.Cause(ctx)
	var pe *pauseError
	var ae *api.Error
	e.mu.Lock()
	switch {
	case err == nil:
	case cause != nil && errors.Is(err, cause) || errors.Is(err, context.Canceled) && cause != nil:
		switch cause {
		case errPaused:
			state, err = Paused, nil
		case errCancelled:
			state, err = Cancelled, nil
		default:
			state, err = Paused, nil // closed; the queue file keeps it
		}
	case errors.As(err, &pe):
		state, err = Paused, pe.err
	case errors.As(err, &ae) && ae.Code == api.NotFound:
		state = Denied
		t.event = "No longer available."
	default:
		state = Failed
	}
	if t.syncing {
		t.syncing = false
		e.settling--
	} else {
		e.leaveWindow(t)
	}
	e.telling++ // before conclude lets Wait look
	e.conclude(t, state, err)
	last := e.copyOf(t)
	e.mu.Unlock()
	e.tell(t, last, cause)
	e.mu.Lock()
	e.telling--
	e.checkIdle()
	e.mu.Unlock()
}

// leaveWindow runs under mu.
func (e *Engine) leaveWindow(t *transfer) {
	delete(e.active, t)
	if t.isSmall() {
		e.smallIn--
		e.smallSum -= t.req.Size
	} else {
		e.largeIn--
	}
	t.running, t.cancel = false, nil
	e.meter.ended++
}

// conclude sets the final state and counts it, under mu.
func (e *Engine) conclude(t *transfer, state State, err error) {
	if t.again && state != Done && state != Skipped {
		t.again = false
		e.enqueue(t)
		e.admit()
		return
	}
	t.again = false
	if err != nil && t.event == "" {
		t.event = err.Error()
	}
	t.state, t.err = state, err
	if state == Done || state == Skipped {
		if t.size < 0 {
			e.resize(t, t.done.Load())
		}
		t.done.Store(t.size)
		if state == Done {
			t.event = ""
		}
	}
	if state.Finished() {
		e.countEnd(t, 1)
	}
	e.admit()
}

// countEnd counts a finished file, or takes it out again for a retry, under mu.
func (e *Engine) countEnd(t *transfer, n int) {
	for _, c := range []*totals{&e.totals, t.parentTotals()} {
		switch {
		case c == nil:
		case t.state == Done || t.state == Skipped:
			c.done += n
			c.doneBytes += int64(n) * t.size
		case t.state == Failed || t.state == Denied:
			c.failed += n
		}
	}
	if t.state == Cancelled && t.counted {
		e.count(t, -1)
	}
	if p := t.parent; p != nil {
		p.children -= n
		if n > 0 && t.err != nil && p.firstErr == nil {
			p.firstErr = t.err
		}
		e.settleParent(p)
		e.forgetOld()
	}
}

func (t *transfer) parentTotals() *totals {
	if t.parent == nil {
		return nil
	}
	return &t.parent.files
}

// tell reports an ended transfer to the backend, the caller's hook and the
// queue file.
func (e *Engine) tell(t *transfer, last Transfer, cause error) {
	switch {
	case last.State == Done, last.State == Skipped:
		e.report(t, api.CompletedDone)
	case last.State == Cancelled:
		e.report(t, api.CompletedCancelled)
	case last.State == Failed:
		e.report(t, api.CompletedFailed)
	}
	if last.State.Finished() && e.cfg.Finished != nil && cause != errClosed {
		e.finishedMu.Lock()
		e.cfg.Finished(last)
		e.finishedMu.Unlock()
	}
	e.queue.touch(e)
	e.notify()
}
