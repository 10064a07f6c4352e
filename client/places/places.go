// Package places keeps the places of a person in the browser between two runs: the
// last folder, the row in each visited folder, the order of rows, the widths of the
// panes, bookmarks, filters and sets of marks.
//
// There is one private file for each person at each server. It has names of folders
// and files, no content. A damaged file is empty. Programs that run at the same time
// store changes, not whole states, so none loses the bookmarks of another.
//
// All texts of a State are raw. The caller escapes them for the screen, and checks
// access to a folder by opening it.
package places

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"usher/backend/api"
	"usher/client/statefile"
)

// Bounds of a State.
const (
	MaxFolders = 200
	MaxFilters = 50
	maxFilter  = 200     // characters
	maxVisits  = 1 << 20 // of one folder
	maxWidth   = 1000    // cells
)

// version is the version of the file's format.
const version = 1

// State is the places of one person at one server.
type State struct {
	Last      string            `json:"last,omitempty"`    // path of the last folder; "" is the list of buckets
	Folders   []Folder          `json:"folders,omitempty"` // by their last visit, oldest first
	Order     Order             `json:"order"`
	Widths    Widths            `json:"widths,omitzero"`
	Bookmarks map[string]string `json:"bookmarks,omitempty"` // a letter or digit: the path of a folder
	Filters   []string          `json:"filters,omitempty"`   // oldest first

	Sets map[string][]string `json:"sets,omitempty"` // by their name: the paths of marked files and folders
}

// Folder is a visited folder.
type Folder struct {
	Path   string    `json:"path"`
	Row    string    `json:"row,omitempty"` // name of the row with the cursor
	Visits int       `json:"visits"`
	At     time.Time `json:"at"` // of the last visit
}

// Order is the order of the rows. By is a word of the browser; "" is its default.
type Order struct {
	By      string `json:"by,omitempty"`
	Reverse bool   `json:"reverse,omitempty"`

	Then        string `json:"then,omitempty"` // of rows that are equal in By; "" is none
	ThenReverse bool   `json:"then_reverse,omitempty"`

	Hidden bool `json:"hidden,omitempty"` // names that begin with a dot are hidden
}

// Widths are the widths of the folders and of the details, as the difference in cells
// from the browser's default.
type Widths struct {
	Folders int `json:"folders,omitempty"`
	Details int `json:"details,omitempty"`
}

// Change is what one program has changed since it stored its last Change. Nil and
// empty fields change nothing.
type Change struct {
	Last      *string
	Folders   []Folder // oldest visit first; Visits is the number of new ones
	Order     *Order
	Widths    *Widths
	Bookmarks map[string]string // an empty path removes the bookmark
	Filters   []string          // oldest first

	Sets map[string][]string // a set without paths is removed
}

// IsZero reports whether a change changes nothing.
func (c Change) IsZero() bool {
	return c.Last == nil && c.Order == nil && c.Widths == nil && len(c.Folders) == 0 && len(c.Bookmarks) == 0 && len(c.Filters) == 0 && len(c.Sets) == 0
}

// ValidMark reports whether a text can name a bookmark: a lower-case letter or a
// digit.
func ValidMark(s string) bool {
	return len(s) == 1 && (s[0] >= 'a' && s[0] <= 'z' || s[0] >= '0' && s[0] <= '9')
}

// After returns the state with a change.
func (s State) After(c Change) State {
	if c.Last != nil {
		s.Last = *c.Last
	}
	if c.Order != nil {
		s.Order = *c.Order
	}
	if c.Widths != nil {
		s.Widths = *c.Widths
	}
	s.Folders = slices.Clone(s.Folders)
	for _, f := range c.Folders {
		if i := slices.IndexFunc(s.Folders, func(o Folder) bool { return o.Path == f.Path }); i >= 0 {
			f.Visits += s.Folders[i].Visits
			s.Folders = slices.Delete(s.Folders, i, i+1)
		}
		s.Folders = append(s.Folders, f)
	}
	s.Bookmarks = maps.Clone(s.Bookmarks)
	for mark, path := range c.Bookmarks {
		if path == "" {
			delete(s.Bookmarks, mark)
			continue
		}
		if s.Bookmarks == nil {
			s.Bookmarks = make(map[string]string)
		}
		s.Bookmarks[mark] = path
	}
	s.Filters = slices.Clone(s.Filters)
	for _, f := range c.Filters {
		s.Filters = append(slices.DeleteFunc(s.Filters, func(o string) bool { return o == f }), f)
	}
	return s.withSets(c.Sets).valid()
}

// valid returns the state without invalid and surplus parts: a file can be damaged,
// and can come from another program.
func (s State) valid() State {
	if !isFolder(s.Last) {
		s.Last = ""
	}
	if !isWord(s.Order.By) {
		s.Order.By = ""
	}
	if !isWord(s.Order.Then) {
		s.Order.Then, s.Order.ThenReverse = "", false
	}
	if n := max(s.Widths.Folders, -s.Widths.Folders, s.Widths.Details, -s.Widths.Details); n > maxWidth {
		s.Widths = Widths{}
	}
	s.Folders = newest(slices.DeleteFunc(s.Folders, func(f Folder) bool {
		return !isFolder(f.Path) || len(f.Row) > api.MaxKey || !utf8.ValidString(f.Row) || f.Visits < 0
	}), MaxFolders)
	for i := range s.Folders {
		s.Folders[i].Visits = min(s.Folders[i].Visits, maxVisits)
	}
	maps.DeleteFunc(s.Bookmarks, func(mark, path string) bool { return !ValidMark(mark) || !isFolder(path) })
	s.Filters = newest(slices.DeleteFunc(s.Filters, func(f string) bool {
		return strings.TrimSpace(f) == "" || utf8.RuneCountInString(f) > maxFilter || !utf8.ValidString(f) || strings.ContainsFunc(f, unicode.IsControl)
	}), MaxFilters)
	return s.validSets()
}

func newest[T any](all []T, most int) []T { return all[max(0, len(all)-most):] }

func isWord(s string) bool {
	return len(s) <= 20 && !strings.ContainsFunc(s, func(r rune) bool { return r < 'a' || r > 'z' })
}

func isFolder(path string) bool {
	p, err := api.ParsePath(path)
	return err == nil && p.IsFolder() && p.String() == path
}

// Ranked returns the paths of the visited folders, the most useful one first: many
// and recent visits count.
func (s State) Ranked(now time.Time) []string {
	all := slices.Clone(s.Folders)
	slices.SortStableFunc(all, func(a, b Folder) int { return cmp.Compare(b.weight(now), a.weight(now)) })
	paths := make([]string, len(all))
	for i, f := range all {
		paths[i] = f.Path
	}
	return paths
}

// weight is the number of visits times a factor for the age of the last one, as in
// zoxide (https://github.com/ajeetdsouza/zoxide/wiki/Algorithm).
func (f Folder) weight(now time.Time) int {
	switch age := now.Sub(f.At); {
	case age < time.Hour:
		return f.Visits * 16
	case age < 24*time.Hour:
		return f.Visits * 8
	case age < 7*24*time.Hour:
		return f.Visits * 2
	}
	return f.Visits
}

// stored is the content of the file.
type stored struct {
	Version int `json:"version"`
	State
}

// encode returns the content of the file. It leaves out the oldest folders, and then
// the oldest filters, of a state that is too large. ErrFull means that the bookmarks
// alone are.
func (s State) encode() ([]byte, error) {
	for {
		content, err := statefile.Encode(stored{version, s})
		switch {
		case err != nil || len(content) <= statefile.MaxBytes:
			return content, err
		case len(s.Folders) > 0:
			s.Folders = s.Folders[(len(s.Folders)+3)/4:]
		case len(s.Filters) > 0:
			s.Filters = s.Filters[(len(s.Filters)+3)/4:]
		default:
			return nil, ErrFull
		}
	}
}
