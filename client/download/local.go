package download

import (
	"errors"
	"path/filepath"

	localname "usher/client/download/name"
	"usher/client/download/part"
)

// Presence is the local state of an object.
type Presence int

const (
	Absent      Presence = iota
	Here                 // usher put it there, this content, and it is unchanged since
	HereMaybe            // a file of that name and size is there; nobody compared
	HereOther            // a file of that name is there, with another size
	HerePartial          // a part that goes on
)

// LocalState is an object's presence at a destination.
type LocalState struct {
	Presence Presence
	Path     string // raw
	Percent  int    // of a part, 0..99
}

// Local looks where reqs would land if their Dir were dir. It does disk I/O,
// and sends nothing to the backend. Folders are Absent or HereMaybe.
func (e *Engine) Local(dir string, reqs []Request) []LocalState {
	out := make([]LocalState, len(reqs))
	scans := map[string]map[string]part.Sidecar{}
	for i, r := range reqs {
		r.Dir = dir
		if segs, err := e.localPath(r); err == nil {
			out[i] = e.local(r, segs, scans)
		}
	}
	return out
}

// local looks for one; scans holds the parts of folders that were read already.
func (e *Engine) local(r Request, segs []string, scans map[string]map[string]part.Sidecar) LocalState {
	s := LocalState{Path: filepath.Join(append([]string{r.Dir}, segs...)...)}
	if len(segs) == 0 {
		return s
	}
	f, err := e.disk.Folder(r.Dir, segs[:len(segs)-1], false)
	if absent := (*part.AbsentError)(nil); errors.As(err, &absent) {
		s.Path = filepath.Join(absent.Path, segs[len(segs)-1])
	}
	if err != nil {
		return s
	}
	defer f.Release()
	name := segs[len(segs)-1]
	info, err := f.Lstat(name)
	if err == nil && info.IsDir() && !r.Folder {
		name += localname.ClashMark
		info, err = f.Lstat(name)
	}
	switch {
	case err == nil && r.Folder && info.IsDir():
		s.Presence = HereMaybe
		return s
	case err == nil && info.Mode().IsRegular() && !r.Folder:
		s.Path = filepath.Join(f.Path(), name)
		if f.Recorded(name, r.ETag, info) {
			s.Presence = Here
		} else if info.Size() == r.Size || r.ETag == "" && r.Size == 0 { // not listed: nothing is known of it
			s.Presence = HereMaybe
		} else {
			s.Presence = HereOther
		}
		return s
	case r.Folder:
		return s
	}
	parts, ok := scans[f.ID()]
	if !ok {
		parts = f.Scan()
		scans[f.ID()] = parts
	}
	for _, side := range parts {
		if side.Bucket == r.Bucket && side.Key == r.Key && (r.ETag == "" || side.ETag == r.ETag) && side.Size > 0 {
			s.Presence, s.Percent = HerePartial, int(min(side.Have()*100/side.Size, 99))
		}
	}
	return s
}
