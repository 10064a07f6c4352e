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

// newReport returns a report and a function that flushes its output.
func newReport(a *app, s stats) (*report, func()) {
	r := &report{app: a, stats: s}
	out, err, quiet := &delayed{to: a.Out}, &delayed{to: a.Err}, *a
	quiet.Out = out
	if !r.live() {
		quiet.Err = err
	}
	r.app = &quiet
	return r, func() { out.flush(); err.flush() }
}

// report shows the progress and the results of downloads. On a terminal it draws
// progress lines (progress.go) and leaves a line for each failure. If stdout is
// not a terminal, it writes a line for each finished file there; with --json in
// JSON.
type report struct {
	*app

	stats stats

	mu       sync.Mutex
	drawn    int    // number of progress lines on the screen
	title    int    // 1 + the percentage in the terminal's title; 0: no title
	single   bool   // one file was named: the command's error shows its failure
	alone    bool   // one path was named
	held     string // the line of the first failure, printed only if a second one follows
	failures failures
	done     tally
	same     int  // already here
	left     int  // existing files that differ and were not changed
	folders  int  // folders that could not be listed
	none     bool // no path was named: an empty list
	selects  bool // a selection leaves files out

	counts  *counting          // names that the server left out; nil: not counted
	here    string             // the current folder, once it was needed
	waits   string             // the reason to wait that was last printed
	unsure  string             // a path that can be a file or a folder
	refused *download.Transfer // the result of the path unsure as a file
}

// tally counts the downloaded files.
type tally struct {
	files, sizeOnly int
	bytes           int64
	text            string // the line of the last file
}

// fetched is one line of get --json.
type fetched struct {
	Path     string   `json:"path,omitempty"` // "": a file that is only here
	Dest     string   `json:"dest,omitempty"`
	Size     *int64   `json:"size,omitempty"`
	State    string   `json:"state"`
	Verified string   `json:"verified,omitempty"`
	Event    string   `json:"event,omitempty"`
	Error    *failure `json:"error,omitempty"`
}

func (r *report) live() bool {
	return r.paints() && !r.json && !r.quiet && r.stats.form == progressAuto
}

// finished prints the result of a transfer and counts it for end. The engine
// calls it, one call at a time, for every transfer.
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
			text += "; it had changed, so it was downloaded again from the start"
		}
		r.done.text = text
	case download.Skipped:
		r.same++
		if text = fmt.Sprintf("%s  here already", r.near(t.Dest)); t.Differs {
			r.same, r.left = r.same-1, r.left+1
			text = fmt.Sprintf("%s  left as it is", r.near(t.Dest))
		}
	default:
		err := choices(t.Err)
		if err == nil {
			err = &failedError{text: "The download was canceled.", exit: api.ExitInterrupted}
		}
		if r.failures.add(err); t.Folder {
			r.folders++
		}
		f := explain(err)
		line.Error = &f
		text = fmt.Sprintf("%s: %s", safe(line.Path), f.line)
	}
	switch {
	case r.json:
		r.writeJSON(r.Out, line)
	case line.Error != nil && below(t.Err): // the command's error shows it, and no other file is tried
	case line.Error != nil && (r.single || r.alone && t.Folder) && r.failures.failed == 1:
		r.held = text
	case line.Error != nil:
		r.line(text)
	case r.quiet:
	case !r.OutTTY:
		fmt.Fprintln(r.Out, text)
	case !r.live():
		r.line(text)
	}
}

// refusal returns the result of the path unsure, if it was refused as a file. It
// resets unsure, so later results are printed.
func (r *report) refusal() *download.Transfer {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsure = ""
	return r.refused
}

// addsFolder records that a request is for a folder, so that every failure has
// its own line.
func (r *report) addsFolder(folder bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.single = r.single && !folder
}

// addSame counts a file that needs no work.
func (r *report) addSame() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.same++
}

// fail counts a failure that does not belong to one file.
func (r *report) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures.add(err)
}

// choices adds the flags to the engine's error for an existing file.
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

// near returns a local path relative to the current folder, if it is below.
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

// line prints a line above the progress lines. The caller holds mu.
func (r *report) line(text string) {
	fmt.Fprint(r.Err, r.erase())
	if r.held != "" {
		fmt.Fprintln(r.Err, r.held)
		r.held = ""
	}
	fmt.Fprintln(r.Err, text)
}

// end prints the summary and returns the error of the command.
func (r *report) end(last download.Snapshot) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures.total = last.Files + r.folders
	for _, t := range last.Transfers {
		if t.State == download.WaitingSignIn {
			return &failedError{
				text: "Your sign-in has ended. Run usher login, then the same command again to resume.",
				exit: api.ExitSignedOut, cause: t.Err,
			}
		}
	}
	if r.held != "" && r.failures.total > 1 && !r.json {
		fmt.Fprintln(r.Err, r.held)
	}
	if !r.json && !r.quiet {
		r.sum(r.Err)
	}
	if last.Files == 0 && r.failures.failed == 0 && r.none {
		return nil
	}
	if last.Files == 0 && r.failures.failed == 0 && r.selects {
		r.hint("No file matches the selection.")
	} else if last.Files == 0 && r.failures.failed == 0 && !r.json && !r.quiet && (r.counts == nil || r.counts.err() == nil) {
		fmt.Fprintln(r.Err, "The folder has no files. It was created here.")
	}
	err := r.failures.err()
	for _, t := range last.Transfers {
		if err != nil && t.State == download.Paused && t.Err == nil { // the engine stopped the files that would fail for the same reason
			f := explain(r.failures.first)
			return &failedError{text: f.line + " No other file was tried.", exit: r.failures.exit, cause: r.failures.first}
		}
	}
	return err
}

// endSync is end for a sync, in which a folder without new files is no event.
// later is the number of files that are downloaded after this part of the sync.
func (r *report) endSync(last download.Snapshot, later int) error {
	if last.Files == 0 && (r.same > 0 || later > 0) { // nothing to do
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.failures.failed == 0 && r.same > 0 {
			r.hint("%s here already", quantity.Plural(r.same, "file was", "files were"))
		}
		return r.failures.err()
	}
	return r.end(last)
}

// below reports whether a failure applies to all files below a folder.
func below(err error) bool {
	var own *download.Error
	return errors.As(err, &own) && own.Below != ""
}

func (r *report) sum(w io.Writer) {
	d := r.done
	switch {
	case d.files == 1 && r.live() && r.OutTTY:
		fmt.Fprintln(w, d.text)
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
