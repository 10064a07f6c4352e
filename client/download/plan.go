package download

import (
	"errors"
	"io/fs"
	"path/filepath"

	"usher/client/download/fetch"
	localname "usher/client/download/name"
	"usher/client/download/part"
	"usher/client/download/ticket"
	"usher/client/download/verify"
)

// target is an object and its local place.
type target struct {
	bucket, key, etag string
	listed            int64    // bytes in the listing; without an ETag unknown
	size              int64    // bytes; -1: unknown
	dir               string   // the destination
	dirs              []string // folders below it
	name              string
	given             bool // the request has the name
	conflict          Conflict
	content           bool // compare contents, and not the notes on files
	progress          *fetch.Progress
}

// below is the target's path below dir.
func (to target) below(dir string) string {
	return filepath.Join(append(append([]string{dir}, to.dirs...), to.name)...)
}

// nameIn is the target's name in its folder.
func (to target) nameIn(f *part.Folder) string {
	if to.given {
		return to.name
	}
	return f.Claim(to.name, to.bucket+"/"+to.key)
}

// plan is the result of plan.
type plan struct {
	skip    bool
	state   State
	path    string
	fresh   bool          // the folder is not there yet
	taken   bool          // something has the name
	compare []string      // files that may be the same: their size is right
	begun   *part.Sidecar // of an earlier run; nil: none

	verified string // of skip: see Transfer.Verified
	differs  bool   // of skip: see Transfer.Differs
}

// plan looks at the destination before a URL is requested, so that a file that is here
// already costs neither a URL nor an audit event. It changes nothing. Its error is the
// reason why the object cannot be released, or cannot be written at the destination.
func (e *Engine) plan(o order) (plan, error) {
	if !e.cfg.Dotfiles {
		if err := part.GuardHome(o.dir, o.dirs, o.name); err != nil {
			return plan{state: Failed, path: o.below(o.dir)}, err
		}
	}
	p, err := e.look(o.target)
	switch {
	case err != nil || p.skip:
		return p, err
	case o.refused != nil:
		return p, o.refused
	}
	if err := e.disk.Check(o.dir, o.dirs); err != nil {
		return p, err
	}
	return p, e.fits(o.target, p.begun != nil)
}

// look is plan without the checks of what is to be written.
func (e *Engine) look(to target) (plan, error) {
	p := plan{path: to.below(to.dir)}
	f, err := e.disk.Folder(to.dir, to.dirs, false)
	if errors.Is(err, fs.ErrNotExist) {
		p.fresh = true
		return p, nil
	}
	if errors.Is(err, ErrNoFolder) && to.conflict.leaves() {
		return p.leave("", true), nil
	}
	if err != nil {
		p.state = Failed
		return p, err
	}
	defer f.Release()
	name := to.nameIn(f)
	if s, ok := f.Leftover(to.bucket, to.key); ok {
		p.begun = &s
	}
	info, err := f.Lstat(name)
	if err == nil && info.IsDir() {
		name += localname.ClashMark
		info, err = f.Lstat(name)
	}
	if p.path = filepath.Join(f.Path(), name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return p, nil
		}
		p.state = Failed
		return p, diskError(p.path, err)
	}
	p.taken = true
	if to.conflict == Refuse || to.conflict == Overwrite {
		if err := f.Replaceable(name); err != nil {
			p.state = Failed
			return p, err
		}
	}
	if to.candidates(f, &p, name, info) {
		return p.leave(part.Recorded, false), nil
	}
	if to.conflict == Skip {
		return p.leave("", true), nil
	}
	if len(p.compare) == 0 {
		return p.resolve(to.conflict)
	}
	return p, nil
}

// dropOwnParts removes the parts of an object that is here already.
func (e *Engine) dropOwnParts(to target) {
	f, err := e.disk.Folder(to.dir, to.dirs, false)
	if err != nil {
		return // they stay until a later run
	}
	defer f.Release()
	f.DropParts(to.bucket, to.key, to.etag)
}

// fits refuses a file that has no space before it is released, where the listing
// has its size. begun means that an earlier run left a part, which needs less.
func (e *Engine) fits(to target, begun bool) error {
	if to.etag == "" || to.listed == 0 {
		return nil
	}
	abs, err := filepath.Abs(to.dir)
	if err != nil {
		return nil
	}
	usable, err := e.disk.Usable(abs)
	if err != nil || usable >= to.listed || begun {
		return nil // it fits, or the space is not known
	}
	return noSpace(to, to.below(abs), to.listed, usable)
}

// candidates collects the existing files that may have the object's content. With
// KeepBoth these are the numbered names too. It returns true, with the path of the
// file, if the record of one file names this content.
func (to target) candidates(f *part.Folder, p *plan, name string, info fs.FileInfo) (recorded bool) {
	for n := 1; ; n++ {
		if info.Mode().IsRegular() && (to.conflict != Overwrite || to.content) {
			if !to.content && f.Recorded(name, to.etag, info) {
				p.path = filepath.Join(f.Path(), name)
				return true
			}
			if to.size < 0 || to.size == info.Size() {
				p.compare = append(p.compare, name)
			}
		}
		if to.conflict != KeepBoth || n > part.MaxNumber {
			return false
		}
		name = part.Numbered(filepath.Base(p.path), n)
		var err error
		if info, err = f.Lstat(name); err != nil {
			return false
		}
	}
}

// leave decides that the existing file stays.
func (p plan) leave(verified string, differs bool) plan {
	p.skip, p.state, p.verified, p.differs = true, Skipped, verified, differs
	return p
}

// resolve decides about another file under the name.
func (p plan) resolve(conflict Conflict) (plan, error) {
	switch {
	case p.taken && conflict == Refuse:
		p.state = Failed
		return p, &Error{Kind: ErrExists, Path: p.path}
	case p.taken && conflict == Leave:
		return p.leave("", true), nil
	}
	return p, nil
}

// sameContent looks among the files that may be the same for one that is, by
// the checksum of the backend.
func (e *Engine) sameContent(to target, p plan, tk *ticket.Ticket) (found plan, err error) {
	f, err := e.disk.Folder(to.dir, to.dirs, false)
	if err != nil {
		return p, diskError(p.path, err)
	}
	defer f.Release()
	for _, name := range p.compare {
		verified, same, err := holds(f, name, tk, to.content)
		if err != nil {
			return p, diskError(filepath.Join(f.Path(), name), err)
		}
		if same {
			f.DropParts(to.bucket, to.key, tk.ETag)
			p.path = filepath.Join(f.Path(), name)
			return p.leave(verified, false), nil
		}
	}
	return p.resolve(to.conflict)
}

// holds compares one file with the content of a ticket, and notes that it is the
// same so that the next look need not compare. With again its note is not enough.
func holds(f *part.Folder, name string, tk *ticket.Ticket, again bool) (verified string, same bool, err error) {
	file, err := f.OpenFile(name)
	if err != nil {
		return "", false, nil
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() != tk.Size {
		return "", false, nil
	}
	if !again && f.Recorded(name, tk.ETag, info) {
		return part.Recorded, true, nil
	}
	w, err := verify.Expect(tk.Checksum, tk.Parts, tk.Size)
	if err != nil || w.None() {
		return "", false, nil
	}
	same, err = w.MatchesReader(file, tk.Size)
	if same {
		part.WriteRecord(file, part.RecordOf(tk.ETag, w.Label(), info.Size(), info.ModTime()))
	}
	return w.Label(), same, err
}
