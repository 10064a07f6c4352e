package download

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// concernsAll is the folder below which every file fails like this one; "": the
// failure is this file's own. A disk without space or that cannot be written
// concerns the destination, a missing permission the folder that lacks it.
func (t *transfer) concernsAll(err error) string {
	var own *Error
	if !errors.As(err, &own) || own.Kind != ErrDisk {
		return ""
	}
	switch {
	case own.Below != "":
		return own.Below
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		abs, err := filepath.Abs(t.req.Dir)
		if err != nil {
			return t.req.Dir
		}
		return abs
	}
	return ""
}

// halt handles a failure that concerns all files below a folder: the first one
// is reported, and every other below it is paused, so that a person who makes
// room resumes them. It returns true if the failure was reported before. It runs
// under mu.
func (e *Engine) halt(t *transfer, below string, err error) (known bool) {
	if e.halted[below] {
		return true
	}
	e.halted[below] = true
	for _, o := range e.list.order {
		if o != t && e.landsBelow(o, below) && !o.state.Finished() && o.phase != syncing {
			e.pause(o)
			o.event = err.Error()
		}
	}
	return false
}

// landsBelow reports whether a transfer's file, or its folder, is below a folder.
func (e *Engine) landsBelow(t *transfer, folder string) bool {
	abs, err := filepath.Abs(filepath.Join(append([]string{t.req.Dir}, t.segs...)...))
	return err == nil && (abs == folder || strings.HasPrefix(abs, strings.TrimSuffix(folder, string(filepath.Separator))+string(filepath.Separator)))
}

// destinationError is a failure of the destination itself: that of all its files.
// Few descriptors are no property of it.
func destinationError(dir string, err error) error {
	own := &Error{Kind: ErrDisk, Path: dir, Detail: plainCause(err), cause: err}
	if !outOfDescriptors(err) {
		own.Below = dir
	}
	return own
}

// tryDestination reports why nothing can be written where a transfer lands,
// before anything is requested from the backend. Nothing is created: of what is
// there already, the last folder on the way down must be one, and writable.
func (e *Engine) tryDestination(t *transfer) error {
	at, err := filepath.Abs(t.req.Dir)
	if err != nil {
		return diskError(t.req.Dir, err)
	}
	for up := at; ; up = filepath.Dir(up) { // the destination, or the nearest folder above it that is there
		if info, err := os.Stat(up); err == nil {
			if !info.IsDir() {
				return &Error{Kind: ErrDisk, Path: at, Detail: up + " is no folder", Below: at}
			}
			if up != at {
				return e.cannotWrite(up, at)
			}
			break
		} else if !errors.Is(err, os.ErrNotExist) || up == filepath.Dir(up) {
			return destinationError(at, err)
		}
	}
	for _, name := range t.segs[:len(t.segs)-1] {
		next := filepath.Join(at, name)
		if info, err := os.Lstat(next); err != nil || !info.IsDir() {
			break // made, or refused, on the way down
		}
		at = next
	}
	return e.cannotWrite(at, at)
}

// cannotWrite is the failure of all files below a folder that cannot be written.
func (e *Engine) cannotWrite(folder, below string) error {
	if err := e.cfg.hooks.writable(folder); err != nil {
		return &Error{Kind: ErrDisk, Path: folder, Detail: plainCause(err), Below: below, cause: err}
	}
	return nil
}
