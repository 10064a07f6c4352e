// Package usage sums the sizes of objects by folder, from the pages of a recursive
// listing. The command usher du and the browser share it.
//
// The package is pure and needs constant memory: names arrive in the order of their
// bytes, so the names of a folder follow each other, and only the folders above the
// current name are open.
package usage

import (
	"strings"
	"time"

	"usher/backend/api"
)

// File is an object with a special place in a sum. Name is "" if there is none.
type File struct {
	Name     string // as added
	Size     int64
	Modified time.Time
}

// Sum is the sum of some objects.
type Sum struct {
	Files   int
	Unsized int // files whose size is unknown; they count as 0 bytes
	Bytes   int64
	Newest  File // the last modified one
	Largest File
}

// Add adds an object.
func (s *Sum) Add(name string, e api.Entry) {
	s.Files++
	s.Bytes += e.Size
	f := File{Name: name, Size: e.Size}
	if e.Modified != nil {
		f.Modified = *e.Modified
	}
	if e.Unsized() {
		s.Unsized++
		return
	}
	if s.Newest.Name == "" || f.Modified.After(s.Newest.Modified) {
		s.Newest = f
	}
	if s.Largest.Name == "" || f.Size > s.Largest.Size {
		s.Largest = f
	}
}

// Folders sums objects by the folders above them. See NewFolders.
type Folders struct {
	depth int
	done  func(path string, s Sum)
	open  []folder // above the last name, outermost first
}

type folder struct {
	path string
	sum  Sum
}

// NewFolders returns sums for depth levels of folders. done gets the path of each
// folder, with the bucket and a "/" at its end, and its sum: after its last name, an
// inner folder before an outer one.
func NewFolders(depth int, done func(path string, s Sum)) *Folders {
	return &Folders{depth: depth, done: done}
}

// Add adds an object by its name below a folder. Names come in the order of their
// bytes.
func (f *Folders) Add(at api.Path, name string, e api.Entry) {
	above := strings.Split(name, "/")
	above = above[:min(len(above)-1, f.depth)]
	path, same := at.String(), 0
	for ; same < len(f.open) && same < len(above); same++ {
		next := path + above[same] + "/"
		if f.open[same].path != next {
			break
		}
		path = next
	}
	f.close(same)
	for _, a := range above[same:] {
		path += a + "/"
		f.open = append(f.open, folder{path: path})
	}
	for i := range f.open {
		f.open[i].sum.Add(name, e)
	}
}

// End ends all folders.
func (f *Folders) End() { f.close(0) }

func (f *Folders) close(n int) {
	for len(f.open) > n {
		last := f.open[len(f.open)-1]
		f.open = f.open[:len(f.open)-1]
		f.done(last.path, last.sum)
	}
}
