// Package copymenu makes the texts of the copy menu: paths, s3:// addresses, download
// links, curl commands, checksums, and a text for an administrator. One text has
// a line for each file.
//
// A link is a secret. It reaches the clipboard and the page that shows it, and no
// other output: a message with links prints its kind alone.
//
// The clipboard is left to the root, and the release of links to client/link.
package copymenu

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/sync/errgroup"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/link"
	"usher/client/quantity"
	"usher/tui/keys"
	"usher/tui/pane"
)

// Bounds of one copy.
const (
	MaxCalls  = api.MaxRelease  // files with a link or a checksum
	parallel  = 8               // concurrent requests for checksums
	callLimit = 2 * time.Minute // of all requests of one copy
)

// File is an object, or a folder with its prefix as the key.
type File struct {
	Bucket, Key safetext.Text
	Folder      bool
	Version     string // raw; "": the current one
	Empty       bool   // the version is a deletion, without content
}

// label is the path of the file, with its version.
func (f File) label() string {
	if f.Version == "" {
		return f.path().String()
	}
	return f.path().String() + ", version " + f.Version
}

// uri is the s3:// address. The version is in the form of S3's query parameter.
func (f File) uri() string {
	if f.Version == "" {
		return "s3://" + f.path().String()
	}
	return "s3://" + f.path().String() + "?versionId=" + f.Version
}

// command is the command of usher that downloads the file.
func (f File) command() string {
	words := "usher get "
	if shown := safetext.New(f.path().String()); shown.Escaped() {
		words += "--escaped "
	}
	words += link.Quote(f.path().String())
	if f.Version != "" {
		words += " --version " + link.Quote(f.Version)
	}
	return words
}

func (f File) path() api.Path { return api.Path{Bucket: f.Bucket.Raw(), Key: f.Key.Raw()} }

// Request is a message from a page to the root: the action of the menu, and the
// files that it is for.
type Request struct {
	Action keys.Action
	Files  []File
	Listed string // request ID of the open listing, for the administrator
}

// Deps are the calls that a copy makes. Links may be nil.
type Deps struct {
	Stat  func(context.Context, api.StatRequest) (api.StatResponse, error)
	Links func(context.Context, ...link.Object) ([]link.Link, error)
	Now   func() time.Time
}

// Result is a finished copy.
type Result struct {
	Owner  uint64 // of the request, returned unchanged
	Title  string // "3 download links"
	Notes  []safetext.Text
	Until  time.Time // the end of the life of links; zero without any
	Err    error
	Secret bool
	From   Request
	text   string
}

// String keeps links out of all output.
func (r Result) String() string { return "copied: " + r.Title }

// GoString returns String, for %#v.
func (r Result) GoString() string { return r.String() }

// Text returns the copied lines, safe to print. It can be a secret.
func (r Result) Text() string { return r.text }

// Actions returns the actions of the menu, in the order of the key line.
func Actions() []keys.Action {
	return []keys.Action{keys.CopyPath, keys.CopyURI, keys.CopyLink, keys.CopyCurl, keys.CopySum, keys.CopyCommand, keys.CopyAdmin, keys.Back}
}

// Why returns the reason that an action has no text for files, "" if it has one.
func Why(a keys.Action, files []File) string {
	objects, versions := 0, 0
	for _, f := range files {
		if f.Version != "" {
			versions++
		}
		if f.Empty && (a == keys.CopyLink || a == keys.CopyCurl || a == keys.CopySum || a == keys.CopyCommand) {
			return "This version is a deletion: it has no content."
		}
		if !f.Folder && f.Key.Raw() != "" {
			objects++
		}
	}
	switch a {
	case keys.CopyVersion:
		if versions == 0 {
			return "Copy the version ID: open the versions of a file."
		}
	case keys.CopyPath, keys.CopyURI, keys.CopyCommand:
		if len(files) == 0 || files[0].Bucket.IsZero() {
			return "Copy the path: open a bucket first."
		}
	case keys.CopyLink, keys.CopyCurl, keys.CopySum:
		name := map[keys.Action]string{keys.CopyLink: "Copy a link", keys.CopyCurl: "Copy a curl command", keys.CopySum: "Copy the checksum"}[a]
		switch {
		case objects == 0:
			return name + ": move to a file."
		case objects > MaxCalls:
			return fmt.Sprintf("%s: it is possible for %s at once. Unmark some.", name, quantity.Plural(MaxCalls, "file", "files"))
		}
	}
	return ""
}

// Announce returns the sentence on the screen until the result.
func Announce(r Request) string {
	n := len(r.objects())
	switch r.Action {
	case keys.CopyLink, keys.CopyCurl:
		return "Requesting " + quantity.Plural(n, "link", "links") + ". Each is recorded in the audit log."
	case keys.CopySum:
		return "Fetching " + quantity.Plural(n, "checksum", "checksums") + "."
	}
	return ""
}

// takesFolders reports whether a folder has a text too.
func (r Request) takesFolders() bool {
	return r.Action == keys.CopyPath || r.Action == keys.CopyURI || r.Action == keys.CopyCommand || r.Action == keys.CopyVersion
}

func (r Request) objects() []File {
	var out []File
	for _, f := range r.Files {
		if !f.Folder && f.Key.Raw() != "" {
			out = append(out, f)
		}
	}
	return out
}

// Run returns the command that makes the text of a request. Only links and checksums
// need calls.
func (d Deps) Run(r Request, owner uint64) tea.Cmd {
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), callLimit)
		defer cancel()
		out := d.make(ctx, r)
		out.Owner, out.From = owner, r
		return out
	}
}

func (d Deps) make(ctx context.Context, r Request) Result {
	var out Result
	switch r.Action {
	case keys.CopyPath:
		out = lines(r.Files, "path", "paths", func(f File) string { return f.path().String() })
	case keys.CopyURI:
		out = lines(r.Files, "address", "addresses", File.uri)
	case keys.CopyCommand:
		out = lines(r.Files, "command", "commands", File.command)
	case keys.CopyVersion:
		out = lines(r.Files, "version ID", "version IDs", func(f File) string { return f.Version })
	case keys.CopySum:
		out = d.sums(ctx, r.objects())
	case keys.CopyLink:
		out = d.links(ctx, r.objects(), "download link", "download links", link.Link.URL)
	case keys.CopyCurl:
		out = d.links(ctx, r.objects(), "curl command", "curl commands", link.Link.Curl)
	}
	if left := len(r.Files) - len(r.objects()); left > 0 && out.Err == nil && !r.takesFolders() {
		out.Notes = append(out.Notes, safetext.New(quantity.Plural(left, "folder is", "folders are")+" left out: only a file has one."))
	}
	if out.Err == nil {
		out.alike(r.Files)
	}
	return out
}

// mostNotes is the largest number of files with a note of the same kind.
const mostNotes = 3

// alike adds a note for each file whose name can be taken for another one: the copied
// text is exact, so it has no marks in it.
func (r *Result) alike(files []File) {
	n := 0
	for _, f := range files {
		if remarks := f.Key.Remarks(); len(remarks) > 0 {
			n++
			r.note(n, f.path().String()+": "+strings.Join(remarks, " "), "More names have such characters.")
		}
	}
}

func lines(files []File, one, many string, text func(File) string) Result {
	all := make([]string, len(files))
	for i, f := range files {
		all[i] = safetext.Line(text(f))
	}
	return Result{Title: quantity.Plural(len(files), one, many), text: strings.Join(all, "\n")}
}

// links requests the links of files. The links of a failed request are not copied.
func (d Deps) links(ctx context.Context, files []File, one, many string, text func(link.Link) string) Result {
	if d.Links == nil {
		return Result{Err: errors.New("links are not possible here")}
	}
	objects := make([]link.Object, len(files))
	for i, f := range files {
		objects[i] = link.Object{Path: f.path(), Version: f.Version}
	}
	asked := d.Now()
	made, err := d.Links(ctx, objects...)
	if err != nil {
		return Result{Err: err}
	}
	var all []string
	out := Result{Secret: true}
	life, failed := 0, 0
	for _, l := range made {
		if l.Err != nil {
			failed++
			out.failed(failed, l.Path.String(), l.Err)
			continue
		}
		if life == 0 || l.Life < life {
			life = l.Life
		}
		all = append(all, text(l))
	}
	if len(all) == 0 {
		return Result{Err: made[0].Err}
	}
	out.Title, out.text, out.Until = quantity.Plural(len(all), one, many), strings.Join(all, "\n"), asked.Add(time.Duration(life)*time.Second)
	out.Notes = append(out.Notes, safetext.New(fmt.Sprintf("Works for %d s, for any person who has it. It is recorded under your name.", life)))
	return out
}

// note adds the nth note of a kind. The first few have a line each, and all others one.
func (r *Result) note(n int, text, more string) {
	switch {
	case n <= mostNotes:
		r.Notes = append(r.Notes, safetext.New(text))
	case n == mostNotes+1:
		r.Notes = append(r.Notes, safetext.New(more))
	}
}

// failed adds the note about the nth file without a text.
func (r *Result) failed(n int, path string, err error) {
	r.note(n, path+": "+pane.Sentence(err, "the server").Raw(), "More files have none.")
}

// sums fetches the stored checksums of files. A text of several has their paths.
func (d Deps) sums(ctx context.Context, files []File) Result {
	facts, errs := make([]api.StatResponse, len(files)), make([]error, len(files))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, f := range files {
		g.Go(func() error {
			facts[i], errs[i] = d.Stat(ctx, api.StatRequest{Bucket: f.Bucket.Raw(), Key: f.Key.Raw(), Version: f.Version})
			return nil
		})
	}
	_ = g.Wait()
	var out Result
	var all []string
	failed := 0
	for i, f := range files {
		path := f.label()
		switch sum := facts[i].Checksum; {
		case errs[i] != nil:
			failed++
			out.failed(failed, path, errs[i])
		case sum == nil:
			out.Notes = append(out.Notes, safetext.New(path+": no checksum is stored."))
		case len(files) == 1:
			all = append(all, Sum(*sum))
		default:
			all = append(all, Sum(*sum)+"  "+safetext.Line(path))
		}
	}
	switch {
	case len(all) == 0 && failed > 0:
		return Result{Err: errs[firstError(errs)]}
	case len(all) == 0:
		return Result{Err: errNoSum{}}
	}
	out.Title, out.text = quantity.Plural(len(all), "checksum", "checksums"), strings.Join(all, "\n")
	return out
}

// Sum returns a checksum in one line.
func Sum(c api.Checksum) string {
	return safetext.Line(c.Algorithm) + " " + safetext.Line(c.Value)
}

// errNoSum is the reason that a file has no checksum to copy.
type errNoSum struct{}

func (errNoSum) Error() string { return "There is no checksum: none is stored with the file." }

// Exit implements api.Failing, so that the screen shows the text.
func (errNoSum) Exit() int { return api.ExitUsage }

func firstError(errs []error) int {
	for i, err := range errs {
		if err != nil {
			return i
		}
	}
	return 0
}
