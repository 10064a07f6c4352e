// Package glob finds the objects and folders that a pattern matches, with as few
// listings as the pattern allows: a segment without ** costs one listing of each
// folder that matches the segments before it. From a segment with ** on, the
// objects below are listed.
//
// A pattern has *, ?, [a-z], {a,b} and **, and a backslash before a literal
// character. It matches folders too; one that ends in "/" matches only folders.
// Below **, folders match by a last segment that is neither * nor **.
//
// The package requests no object: only listings.
package glob

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"usher/backend/api"
)

// Signs are the characters that make a key a pattern.
const Signs = "*?[{"

// Lister lists the objects that a person may see.
type Lister interface {
	List(ctx context.Context, req api.ListRequest) (api.ListResponse, error)
}

// Match is an object or a folder that a pattern matches. The key is Base and the
// entry's name. Base is the folder above the first wildcard, "" or ending in "/".
type Match struct {
	Base  string
	Entry api.Entry
}

// ErrPattern is the refusal of a pattern with an open bracket or brace, or with a
// backslash that escapes nothing.
var ErrPattern = errors.New("a bracket or brace is not closed, or it ends in a backslash")

// Find lists the matches of a pattern in a bucket, in the order of the keys of
// each folder. As in a shell, a segment without a match is taken
// literally if the listing has a name of these characters. Find yields api.NotFound if
// nothing matches.
func Find(ctx context.Context, l Lister, bucket, pattern string) iter.Seq2[Match, error] {
	return func(yield func(Match, error) bool) {
		if !doublestar.ValidatePattern(pattern) {
			yield(Match{}, ErrPattern)
			return
		}
		segs, folders := split(pattern)
		for {
			f := &finder{ctx: ctx, lister: l, bucket: bucket, segs: segs, folders: folders, literal: -1, yield: yield}
			for i, s := range segs {
				if s.wild {
					break
				}
				if i < len(segs)-1 {
					f.base += s.text + "/"
				}
			}
			err := f.descend(f.base, strings.Count(f.base, "/"))
			switch {
			case errors.Is(err, errStop):
				return
			case err != nil && !(errors.Is(err, &api.Error{Code: api.NotFound}) && f.literal >= 0):
				yield(Match{}, err)
				return
			case f.found:
				return
			case f.literal < 0:
				yield(Match{}, &api.Error{Code: api.NotFound})
				return
			}
			segs[f.literal] = segment{text: segs[f.literal].text, glob: Escape(segs[f.literal].text)}
		}
	}
}

// segment is a part of a pattern between slashes.
type segment struct {
	glob string
	text string // its characters, without backslashes
	wild bool
	deep bool // has **, or a brace around a slash: the rest of the pattern is one segment
}

// split cuts a pattern into segments, and reports whether it ends in "/".
func split(pattern string) (segs []segment, folders bool) {
	pattern, folders = strings.CutSuffix(pattern, "/")
	for {
		cut, depth := -1, 0
		slashed := false // a brace holds a slash
	scan:
		for i := 0; i < len(pattern); i++ {
			switch pattern[i] {
			case '\\':
				i++
			case '{':
				depth++
			case '}':
				depth = max(depth-1, 0)
			case '/':
				if depth == 0 {
					cut = i
					break scan
				}
				slashed = true
			}
		}
		part := pattern
		if cut >= 0 {
			part = pattern[:cut]
		}
		if slashed || part == "**" {
			return append(segs, segment{glob: pattern, wild: true, deep: true}), folders
		}
		text, wild := unescape(part)
		segs = append(segs, segment{glob: part, text: text, wild: wild})
		if cut < 0 {
			return segs, folders
		}
		pattern = pattern[cut+1:]
	}
}

// unescape removes backslashes, and reports whether the text has a wildcard.
func unescape(glob string) (text string, wild bool) {
	var b strings.Builder
	for i := 0; i < len(glob); i++ {
		if glob[i] == '\\' && i+1 < len(glob) {
			i++
		} else if strings.IndexByte(Signs, glob[i]) >= 0 {
			wild = true
		}
		b.WriteByte(glob[i])
	}
	return b.String(), wild
}

// Escape returns a pattern that matches only the text.
func Escape(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if strings.IndexByte(Signs+`\}]`, text[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// Literal reports whether a pattern has no wildcard, and returns its text.
func Literal(pattern string) (string, bool) {
	text, wild := unescape(pattern)
	return text, !wild
}

// finder is one search.
type finder struct {
	ctx     context.Context
	lister  Lister
	bucket  string
	base    string
	segs    []segment
	folders bool // only folders match
	found   bool
	literal int // the first segment of which a listing has the literal text; -1: none
	yield   func(Match, error) bool
}

var errStop = errors.New("the caller has enough")

func (f *finder) give(prefix string, e api.Entry) error {
	f.found = true
	e.Name = strings.TrimPrefix(prefix+e.Name, f.base)
	if !f.yield(Match{f.base, e}, nil) {
		return errStop
	}
	return nil
}

// descend matches the segments from i on below a folder.
func (f *finder) descend(prefix string, i int) error {
	s, last := f.segs[i], i == len(f.segs)-1
	switch {
	case s.deep:
		return f.below(prefix, s.glob)
	case !s.wild && !last:
		return f.descend(prefix+s.text+"/", i+1)
	}
	start := s.glob
	if at := strings.IndexAny(start, Signs+`\`); at >= 0 && s.wild {
		start = start[:at]
	} else if !s.wild {
		start = s.text
	}
	return f.level(prefix, start, func(e api.Entry) error {
		name := strings.TrimSuffix(e.Name, "/")
		folder := e.Kind == api.KindFolder
		ok := name == s.text && !s.wild || s.wild && doublestar.MatchUnvalidated(s.glob, name)
		switch {
		case !ok && s.wild && name == s.text && f.literal < 0:
			f.literal = i
			return nil
		case !ok, folder && name == "", !folder && (f.folders || !last):
			return nil
		case last:
			return f.give(prefix, e)
		}
		err := f.descend(prefix+e.Name, i+1)
		if errors.Is(err, &api.Error{Code: api.NotFound}) { // removed since, or empty
			err = nil
		}
		return err
	})
}

// level visits the entries of a folder whose names begin with start.
func (f *finder) level(prefix, start string, visit func(api.Entry) error) error {
	req := api.ListRequest{Bucket: f.bucket, Prefix: prefix}
	if start != "" {
		req.Start = before(start)
	}
	return f.pages(req, func(e api.Entry) error {
		if !strings.HasPrefix(e.Name, start) {
			if e.Name > start {
				return errEnd
			}
			return nil
		}
		return visit(e)
	})
}

// errEnd ends a listing whose other names do not matter.
var errEnd = errors.New("no later name matters")

func (f *finder) pages(req api.ListRequest, visit func(api.Entry) error) error {
	for {
		page, err := f.lister.List(f.ctx, req)
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			if err := visit(e); errors.Is(err, errEnd) {
				return nil
			} else if err != nil {
				return err
			}
		}
		if req.Cursor = page.Cursor; req.Cursor == "" {
			return nil
		}
	}
}

// below matches a pattern with ** against all objects below a folder, and against
// the folders above them.
func (f *finder) below(prefix, pattern string) error {
	lastSegment := pattern[strings.LastIndexByte(pattern, '/')+1:]
	byFolder := f.folders || strings.Trim(lastSegment, "*") != ""
	given := "" // the last folder that matched
	return f.pages(api.ListRequest{Bucket: f.bucket, Prefix: prefix, Recursive: true}, func(e api.Entry) error {
		if given != "" && strings.HasPrefix(e.Name, given) {
			return nil
		}
		if byFolder {
			if folder := above(pattern, e.Name); folder != "" {
				given = folder
				return f.give(prefix, api.Entry{Name: folder, Kind: api.KindFolder})
			}
		}
		marker := e.Kind == api.KindFolder || api.Path{Key: e.Name}.IsMarker(e.Size)
		if f.folders || marker || !doublestar.MatchUnvalidated(pattern, e.Name) {
			return nil
		}
		return f.give(prefix, e)
	})
}

// above returns the highest folder above a name that a pattern matches, or "".
func above(pattern, name string) string {
	for i := range len(name) {
		if name[i] == '/' && i > 0 && doublestar.MatchUnvalidated(pattern, name[:i]) {
			return name[:i+1]
		}
	}
	return ""
}

// before returns a name that sorts before this one.
func before(name string) string {
	for i := len(name) - 1; i > 0; i-- {
		if name[i]&0xc0 != 0x80 { // the first byte of a character
			return name[:i]
		}
	}
	return ""
}
