package download

import (
	"maps"
	"slices"
	"strings"

	"usher/client/download/part"
)

// maxDepth is the number of local folders below each other that are searched for
// parts. A key has at most 1,024 bytes (api.MaxKey), so 512 folders.
const maxDepth = 512

// Forget drops the requests that an earlier run left, and removes their parts.
func (e *Engine) Forget() error {
	e.queue.mu.Lock()
	saved := e.queue.saved
	e.queue.saved = nil
	e.queue.mu.Unlock()
	if err := e.queue.write(e); err != nil {
		return err
	}
	e.mu.Lock()
	used := e.inUse()
	e.mu.Unlock()
	for _, s := range saved {
		if segs, err := e.localPath(s.Request); err == nil {
			e.dropParts(s.Request, segs, used)
		}
	}
	return nil
}

// forgetParts removes the parts of a transfer, on another goroutine, under mu.
func (e *Engine) forgetParts(t *transfer) {
	used := e.inUse()
	delete(used, objectID{t.req.Bucket, t.req.Key})
	if t.unnamed() != nil {
		return
	}
	req, segs := t.req, t.segs // a walk that ends changes the request
	e.wg.Add(1)
	go func() {
		defer e.wg.Done()
		e.dropParts(req, segs, used)
	}()
}

// objectID identifies an object.
type objectID struct{ bucket, key string }

// inUse returns the objects of all unfinished transfers, under mu. Their parts stay.
func (e *Engine) inUse() map[objectID]bool {
	used := make(map[objectID]bool)
	for _, t := range e.list.order {
		if !t.req.Folder && !t.state.Finished() {
			used[objectID{t.req.Bucket, t.req.Key}] = true
		}
	}
	return used
}

// dropParts removes the parts of a request that nobody works on, except those of the
// objects in use.
func (e *Engine) dropParts(r Request, segs []string, used map[objectID]bool) {
	if r.Folder {
		e.dropBelow(r, segs, used)
		return
	}
	if len(segs) == 0 || used[objectID{r.Bucket, r.Key}] {
		return
	}
	f, err := e.disk.Folder(r.Dir, segs[:len(segs)-1], false)
	if err != nil {
		return
	}
	defer f.Release()
	old, same, _ := f.OldParts(r.Bucket, r.Key, "", "")
	for _, name := range append(old, same...) {
		f.DropPart(name)
	}
	if r.ETag != "" {
		f.DropPart(part.Name(r.Bucket, r.Key, r.ETag))
	}
}

// dropBelow removes the parts of a folder's objects in its local folder and below. It
// follows no link. A part without a sidecar is of no use to any transfer.
func (e *Engine) dropBelow(r Request, segs []string, used map[objectID]bool) {
	if len(segs) > maxDepth || e.ctx.Err() != nil {
		return
	}
	f, err := e.disk.Folder(r.Dir, segs, false)
	if err != nil {
		return
	}
	parts, folders := f.Scan(), f.Folders()
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		s := parts[name]
		of := s.Bucket == r.Bucket && strings.HasPrefix(s.Key, r.Key) && !used[objectID{s.Bucket, s.Key}]
		if of || s.Bucket == "" && len(used) == 0 {
			f.DropPart(name)
		}
	}
	f.Release()
	for _, name := range folders {
		e.dropBelow(r, append(slices.Clone(segs), name), used)
	}
}
