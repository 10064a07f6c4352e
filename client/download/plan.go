package download

import (
	"errors"
	"hash/maphash"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	localname "usher/client/download/name"
	"usher/client/download/part"
	"usher/client/download/ticket"
	"usher/client/download/verify"
)

// localPath is where a request lands below its Dir, as safe names.
func (e *Engine) localPath(r Request) ([]string, error) {
	if r.Name == "." && r.Folder {
		return nil, nil
	}
	if r.Name != "" {
		if !filepath.IsLocal(r.Name) || strings.ContainsAny(r.Name, `/\`) || r.Name == "." || localname.HasFoldPrefix(r.Name, localname.PartMark) {
			return nil, &Error{Kind: ErrName, Path: r.Name, Detail: "it is not a plain file name"}
		}
		return []string{r.Name}, nil
	}
	rest, ok := r.Key, true
	switch {
	case r.Whole:
		rest = r.Bucket
		if key := r.Key; key != "" {
			if r.Folder {
				key = strings.TrimSuffix(key, "/")
			}
			rest += "/" + key
		}
	case r.Base != nil:
		if rest, ok = strings.CutPrefix(r.Key, *r.Base); !ok || *r.Base != "" && !strings.HasSuffix(*r.Base, "/") {
			return nil, &Error{Kind: ErrName, Path: r.Key, Detail: "its base is not a folder above it"}
		}
		if r.Folder {
			if rest = strings.TrimSuffix(rest, "/"); rest == "" {
				return nil, nil
			}
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
	segs := e.names(r, rest)
	if r.FolderToo {
		segs[len(segs)-1] += localname.ClashMark
	}
	return segs, nil
}

// names are the local names of a key's rest below a request's destination.
func (e *Engine) names(r Request, rest string) []string {
	form := localname.Unix
	if r.Names == PortableNames || runtime.GOOS == "windows" || e.disk.PortableOnly(r.Dir) {
		form = localname.Portable
	}
	return strings.Split(e.cfg.hooks.localName(form, rest), "/")
}

// claimName keeps two requests apart that would land under one name, the same
// in each run: of two objects the later one in the queue gets a number, and an
// object that comes after a folder gets clashMark. It runs under mu.
func (e *Engine) claimName(r Request, segs []string) []string {
	if len(segs) == 0 {
		return segs
	}
	last, mine, folder := len(segs)-1, e.hash(r.Bucket, r.Key), e.hash("a folder")
	if r.Folder {
		mine = folder
	}
	for n := 0; ; n++ {
		try := slices.Clone(segs)
		if n > 0 {
			try[last] = part.Numbered(try[last], n)
		}
		place := e.hash(append([]string{filepath.Clean(r.Dir)}, try...)...)
		owner, taken := e.list.claimed[place]
		switch {
		case !taken || owner == mine:
			e.list.claimed[place] = mine
			return try
		case r.Folder: // the object came first; the disk decides
			return segs
		case owner == folder && n == 0:
			segs = slices.Clone(segs)
			segs[last], n = segs[last]+localname.ClashMark, -1
		}
	}
}

// hash represents some texts in a map that may hold millions. That two of them
// have one is no harm: a file gets a number that it would not have needed.
func (e *Engine) hash(texts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(e.list.seed)
	for _, t := range texts {
		h.WriteString(t)
		h.WriteByte(0)
	}
	return h.Sum64()
}

// plan is the result of a look at the disk.
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

// look looks at the destination before anything is asked of the backend, so
// that a file that is here already costs neither a URL nor an audit event.
func (e *Engine) look(to target) (plan, error) {
	p := plan{path: to.below(to.dir)}
	f, err := e.disk.Folder(to.dir, to.dirs, false)
	if errors.Is(err, fs.ErrNotExist) {
		p.fresh = true
		return p, nil
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
		f.DropParts(to.bucket, to.key, to.etag)
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
