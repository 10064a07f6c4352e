package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"usher/backend/api"
	"usher/client/download"
	"usher/client/quantity"
)

// newReport makes a report and the function that ends it: nothing is held back
// afterwards.
func newReport(a *app) (*report, func()) {
	r := &report{app: a}
	out, err, quiet := &late{to: a.Out}, &late{to: a.Err}, *a
	quiet.Out = out
	if !r.live() {
		quiet.Err = err
	}
	r.app = &quiet
	return r, func() { out.flush(); err.flush() }
}

// report shows how downloads go: on a terminal a few lines that are drawn over
// and over (progress.go), and lines that stay only for what failed; where
// stdout is no terminal a line there for each finished file; with --json the
// same as JSON.
type report struct {
	*app

	mu      sync.Mutex
	drawn   int    // lines of progress on the screen
	title   int    // the percentage in the terminal's title, and one; 0: none
	single  bool   // one file was named: the command's own error names its failure
	held    string // the line of that failure, printed only if another follows
	many    many
	done    tally
	same    int // were here already
	left    int // were here, and stay as they are
	folders int // that could not be listed

	here    string             // the folder that the person is in, once it was asked for
	waits   string             // what a log says that everything waits for
	unsure  string             // a path that may be a folder
	refused *download.Transfer // its end as a file
}

// tally counts what was fetched.
type tally struct {
	files, sizeOnly int
	bytes           int64
	said            string // of the last one
}

// fetched is one line of get --json.
type fetched struct {
	Path     string   `json:"path"`
	Dest     string   `json:"dest,omitempty"`
	Size     *int64   `json:"size,omitempty"`
	State    string   `json:"state"`
	Verified string   `json:"verified,omitempty"`
	Event    string   `json:"event,omitempty"`
	Error    *failure `json:"error,omitempty"`
}

func (r *report) live() bool { return r.ErrTTY && !r.json }

// finished takes an end; the engine calls it, one call at a time. It is the one
// place that prints ends, and end sums up no others.
func (r *report) finished(t download.Transfer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unsure == t.Bucket+"/"+t.Key && (t.State == download.Denied || t.State == download.Cancelled) {
		r.refused = &t
		return
	}
	line := fetched{Path: t.Bucket + "/" + t.Key, Dest: t.Dest, State: t.State.String(), Verified: t.Verified, Event: t.AuditID}
	if t.Size >= 0 {
		line.Size = &t.Size
	}
	text := ""
	switch t.State {
	case download.Done:
		r.done.files++
		r.done.bytes += t.Size
		if t.Verified == "size" {
			r.done.sizeOnly++
		}
		text = fmt.Sprintf("%s  %s  %s", r.near(t.Dest), quantity.Size(t.Size), verifiedBy(t.Verified))
		if t.Anew {
			text += "; it changed since the last try and was fetched anew"
		}
		r.done.said = text
	case download.Skipped:
		r.same++
		if text = fmt.Sprintf("%s  here already", r.near(t.Dest)); t.Differs {
			r.same, r.left = r.same-1, r.left+1
			text = fmt.Sprintf("%s  left as it is", r.near(t.Dest))
		}
	default:
		err := choices(t.Err)
		if err == nil {
			err = &failedError{text: "The download was cancelled.", exit: api.ExitInterrupted}
		}
		if r.many.add(err); t.Folder {
			r.folders++
		}
		f := explain(err)
		line.Error = &f
		text = fmt.Sprintf("%s: %s", safe(line.Path), f.line)
	}
	switch {
	case r.json:
		r.writeJSON(r.Out, line)
	case line.Error != nil && below(t.Err): // the command's own error names it, and no file else is tried
	case line.Error != nil && r.single && r.many.failed == 1:
		r.held = text
	case line.Error != nil:
		r.line(text)
	case !r.OutTTY:
		fmt.Fprintln(r.Out, text)
	case !r.live():
		r.line(text)
	}
}

// refusal gives the end of the path that may be a folder, if it was no file. It
// is sure now.
func (r *report) refusal() *download.Transfer {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsure = ""
	return r.refused
}

// addsFolder notes that a request is for a folder: its files are named one by one.
func (r *report) addsFolder(folder bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.single = r.single && !folder
}

// fail takes a failure that is not of one file.
func (r *report) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.many.add(err)
}

// choices names the flags where the engine's sentence leaves a choice.
func choices(err error) error {
	var taken *download.Error
	if errors.As(err, &taken) && taken.Kind == download.ErrExists {
		return &failedError{
			text: safe(taken.Path) + " is here already and differs. Nothing was changed. Choose with --overwrite, --skip-existing or --keep-both.",
			exit: taken.Exit(), cause: err,
		}
	}
	return err
}

// near writes a local path from where the person is, if it lies below.
func (r *report) near(path string) string {
	if r.here == "" {
		r.here, _ = os.Getwd()
	}
	if rel, err := filepath.Rel(r.here, path); r.here != "" && err == nil && filepath.IsLocal(rel) {
		path = rel
	}
	return safe(path)
}

func verifiedBy(algorithm string) string {
	switch algorithm {
	case "":
		return "not verified"
	case "size":
		return "size only"
	}
	return "verified " + safe(algorithm)
}

// line needs mu.
func (r *report) line(text string) {
	fmt.Fprint(r.Err, r.erase())
	if r.held != "" {
		fmt.Fprintln(r.Err, r.held)
		r.held = ""
	}
	fmt.Fprintln(r.Err, text)
}

// end sums up, and gives the error of the whole.
func (r *report) end(last download.Snapshot) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.many.total = last.Files + r.folders
	for _, t := range last.Transfers {
		if t.State == download.WaitingSignIn {
			return &failedError{
				text: "Your sign-in has ended. Sign in with usher login; the same command then goes on from what was fetched.",
				exit: api.ExitSignedOut, cause: t.Err,
			}
		}
	}
	if r.held != "" && r.many.total > 1 && !r.json {
		fmt.Fprintln(r.Err, r.held)
	}
	if !r.json {
		r.sum(r.Err)
	}
	if last.Files == 0 && r.many.failed == 0 && !r.json {
		fmt.Fprintln(r.Err, "There is no file in it. The folder itself is here now.")
	}
	err := r.many.err()
	for _, t := range last.Transfers {
		if err != nil && t.State == download.Paused && t.Err == nil { // the engine stopped what would fail alike
			f := explain(r.many.first)
			return &failedError{text: f.line + " No other file was tried.", exit: r.many.exit, cause: r.many.first}
		}
	}
	return err
}

// below reports whether a failure is that of all files below a folder.
func below(err error) bool {
	var own *download.Error
	return errors.As(err, &own) && own.Below != ""
}

func (r *report) sum(w io.Writer) {
	d := r.done
	switch {
	case d.files == 1 && r.live() && r.OutTTY:
		fmt.Fprintln(w, d.said)
	case d.files > 1 && d.sizeOnly == 0:
		fmt.Fprintf(w, "%s, %s, verified\n", quantity.Plural(d.files, "file", "files"), quantity.Size(d.bytes))
	case d.files > 1:
		fmt.Fprintf(w, "%s, %s, verified; %s by size only\n", quantity.Plural(d.files, "file", "files"), quantity.Size(d.bytes), quantity.Count(d.sizeOnly))
	}
	if r.same > 0 && (r.live() || r.same > 1) {
		fmt.Fprintf(w, "%s here already\n", quantity.Plural(r.same, "file was", "files were"))
	}
	if r.left > 0 && (r.live() || r.left > 1) {
		fmt.Fprintf(w, "%s left as %s\n", quantity.Plural(r.left, "file was", "files were"), map[bool]string{true: "it is", false: "they are"}[r.left == 1])
	}
}
