package transfers

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"time"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/download"
	localname "usher/client/download/name"
	"usher/client/quantity"
)

// notes returns the text at the end of a row, longest form first. The row shows the
// first one that fits, so that no word is truncated.
func (p *Pane) notes(x *download.Transfer) []string {
	at := "at " + quantity.Size(x.Done)
	switch x.State {
	case download.Running:
		return p.runs(x)
	case download.Verifying:
		if x.Verified != "" && x.Verified != "size" {
			return []string{"checking " + safetext.Line(x.Verified), "checking"}
		}
		return []string{"checking"}
	case download.Paused:
		if x.Done > 0 {
			return []string{"paused " + at, at}
		}
	case download.WaitingNetwork:
		if x.Done > 0 {
			return []string{"waiting for the network " + at, at}
		}
		return []string{"resumes automatically"}
	case download.WaitingSignIn:
		if x.Done > 0 {
			return []string{"waiting for your sign-in " + at, at}
		}
		return []string{"resumes after you sign in"}
	case download.Failed:
		if x.Folder && x.FilesFailed > 0 {
			failed, all := quantity.Count(x.FilesFailed), quantity.Count(x.Files)
			return []string{failed + " of " + all + " files failed", failed + " of " + all + " failed", failed + " failed"}
		}
		if x.Done > 0 {
			return []string{cause(x) + " " + at, at}
		}
		return []string{cause(x)}
	case download.Denied:
		return []string{gone, "no longer available"}
	case download.Waiting:
		switch {
		case p.snap.First != 0 && !p.leads(x) && x.Done > 0:
			return []string{"after the first one, from " + quantity.Size(x.Done), at}
		case x.ID == p.first:
			return []string{"next"}
		case x.Done > 0:
			return []string{at}
		}
	case download.Done:
		return p.arrived(x)
	case download.Skipped:
		if x.Differs {
			return []string{"not replaced: a different file is here", "a different file is here"}
		}
		return []string{"already here and identical"}
	}
	return []string{""}
}

// runs returns rate and time left, or the reason that there are none.
func (p *Pane) runs(x *download.Transfer) []string {
	rate, long, short := "", quantity.Remaining(x.Left), quantity.Short(x.Left)
	if p.w < wide {
		long = short // one form of times on a page
	} else {
		short = long
	}
	if x.Rate >= 1 {
		rate = quantity.Rate(x.Rate)
	}
	switch {
	case x.Folder && x.Counting:
		found := p.found(x.Files)
		return []string{join(found, rate), found}
	case !x.Folder && x.Done == 0 && x.Quiet < quiet:
		return []string{"starting"}
	case x.Quiet >= quiet:
		return []string{noData(x.Quiet, quantity.Remaining), noData(x.Quiet, quantity.Short), "no data " + quantity.Short(x.Quiet)}
	case x.Folder:
		files := fmt.Sprintf("%s of %s", quantity.Count(x.FilesDone), quantity.Count(x.Files))
		if short == "" {
			return []string{join(files, rate), files}
		}
		return []string{join(join(files, rate), short+" left"), join(files, short+" left"), files}
	case short == "":
		return []string{rate}
	}
	return []string{join(rate, long+" left"), join(rate, short), rate + " " + short, short + " left", short}
}

// quiet is the time without data after which a row shows that.
const quiet = 3 * time.Second

func noData(d time.Duration, form func(time.Duration) string) string { return "no data for " + form(d) }

// join joins two texts with two spaces. Either text may be empty.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "  " + b
}

// arrived returns the notes of a finished download.
func (p *Pane) arrived(x *download.Transfer) []string {
	if x.Folder {
		say := quantity.Plural(x.FilesDone, "file", "files")
		if n := x.Omitted; n > 0 {
			return []string{say + ", " + quantity.Plural(n, "name", "names") + " left out", say + ", " + quantity.Count(n) + " left out", say}
		}
		if n := x.FilesDiffer; n > 0 {
			return []string{say + ", " + quantity.Count(n) + " not replaced", say + ", " + quantity.Count(n) + " differ", say}
		}
		return []string{say}
	}
	forms := []string{"verified " + safetext.Line(x.Verified)}
	switch x.Verified {
	case "":
		forms = []string{""}
	case "size":
		forms = []string{"complete, no checksum stored", "complete"}
	}
	if as := savedAs(x); as != "" {
		forms = append([]string{forms[0] + ", saved as " + safetext.Line(as), "saved as " + safetext.Line(as)}, forms...)
	}
	return forms
}

// savedAs returns the local name of a finished file, raw, if it is not the usual one.
// Another file had that name.
func savedAs(x *download.Transfer) string {
	if x.Folder || x.State != download.Done || x.Dest == "" {
		return ""
	}
	if name := filepath.Base(x.Dest); name != localname.Local(path.Base(x.Key)) {
		return name
	}
	return ""
}

// cause returns the reason of a failure in a few words. The row under the cursor
// shows the whole sentence.
func cause(x *download.Transfer) string {
	var disk *download.Error
	var refused *api.Error
	switch {
	case x.State == download.Denied:
		return "no longer available"
	case x.Differs:
		return "a different file is here"
	case errors.Is(x.Err, download.ErrNetwork):
		return "connection lost"
	case errors.Is(x.Err, download.ErrExists):
		return "a different file is here"
	case errors.Is(x.Err, download.ErrNoFolder):
		return "a file has the folder's name"
	case errors.As(x.Err, &disk) && disk.Kind == download.ErrDisk && disk.Needed > 0:
		return "not enough space"
	case errors.Is(x.Err, download.ErrDisk):
		return "cannot be written"
	case errors.Is(x.Err, download.ErrIntegrity):
		return "does not match its checksum"
	case errors.Is(x.Err, download.ErrChanged):
		return "changed on the server"
	case errors.Is(x.Err, download.ErrBadURL):
		return "unexpected address"
	case errors.Is(x.Err, download.ErrSpecial):
		return "a device or pipe is here"
	case errors.Is(x.Err, download.ErrBusy):
		return "in use by another usher"
	case errors.Is(x.Err, download.ErrLink):
		return "a link is in the way"
	case errors.Is(x.Err, download.ErrName):
		return "name not possible here"
	case errors.As(x.Err, &refused) && refused.Code == api.ObjectArchived:
		return "archived"
	case refused != nil:
		return "refused by the server"
	}
	return "stopped"
}
