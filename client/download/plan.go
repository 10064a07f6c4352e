package download

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
)

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
	case r.Whole:
		rest = r.Bucket
		if key := r.Key; key != "" {
			if r.Folder {
				key = strings.TrimSuffix(key, "/")
			}
			rest += "/" + key
		}
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
	if s, ok := f.leftover(t.req.Bucket, t.req.Key); ok {
		e.adopt(t, s)
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
