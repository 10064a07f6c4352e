package download

import (
	"errors"
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
// is reported, and every other below it is paused, until a person has made
// room and resumes them. It returns true if the failure was reported before. It runs
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
