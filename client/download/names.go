package download

import (
	"hash/maphash"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"usher/backend/api/shape"
	localname "usher/client/download/name"
	"usher/client/download/part"
)

// impossible returns the reason that no request can contain a request's key; nil: it can.
func (r Request) impossible() error {
	if problem := shape.KeyProblem(r.Key); problem != "" {
		return &Error{Kind: ErrName, Path: r.Bucket + "/" + r.Key, Detail: "no request can contain its key: " + problem}
	}
	return nil
}

// localPath is where a request lands below its Dir, as safe names.
func (e *Engine) localPath(r Request) ([]string, error) {
	if err := r.impossible(); err != nil {
		return nil, err
	}
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
