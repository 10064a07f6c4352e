package tui_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/download"
	"usher/tui/tuitest"
)

// H shows the versions of a file. d fetches an earlier one under a name of its own, so
// that it does not replace the latest.
func TestVersionsOfAFile(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.Press("H")
		w.Want(t, "Versions: move to a file.")
		w.Press("j", "j", "j", "H")
		w.Wait(time.Second)
		w.Want(t, "Versions of 2018-annual-report.pdf", "3 versions", "latest", "deleted", "1.23 kB", "3sL4kqtJlcpXroDTDmJ")
		w.Press("j", "d")
		w.Want(t, "This version is a deletion: it has no content.")
		w.Press("j", "d")
		w.Wait(time.Second)
		requests := requested(w)
		if len(requests) != 1 {
			t.Fatalf("%d transfers", len(requests))
		}
		r := requests[0]
		if r.Version != "UIORUnfndfhnw89493jJFJ.rmSpXd3dIbrH" || r.ETag != "" || r.Size != 0 ||
			r.Name != "2018-annual-report (2019-02-16 11.02.00).pdf" || !strings.HasSuffix(r.Dir, "company-reports/annual/audited") {
			t.Errorf("the earlier version is requested as %+v", r)
		}
		w.Press("k", "k", "d")
		w.Wait(time.Second)
		if requests = requested(w); len(requests) != 2 || requests[1].Version != "" || requests[1].ETag == "" || requests[1].Name != "" {
			t.Errorf("the latest version is requested as %+v", requests)
		}
		w.Press("y", "v")
		w.Wait(time.Second)
		w.Want(t, "Sent to the clipboard: 3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY")
		w.Press("esc")
		w.Not(t, "Versions of")
	})
}

func requested(w *program) (out []download.Request) {
	for _, tr := range w.engine.Snapshot().Transfers {
		out = append(out, tr.Request)
	}
	return out
}

// A failure has its sentence, and ctrl+r requests the versions again.
func TestVersionsFail(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.Press("j", "j", "j")
		w.server.Fail(&api.Error{Code: api.AuditUnavailable, RequestID: "r-01JD9X5C8M"})
		w.Press("H")
		w.Wait(time.Second)
		w.Want(t, "r-01JD9X5C8M")
		w.server.Fail(nil)
		w.Press("ctrl+r")
		w.Wait(time.Second)
		w.Want(t, "3 versions")
	})
}

// The copy menu and the reader are for the version under the cursor.
func TestVersionIsCopiedAndRead(t *testing.T) {
	const path, id, latest = "company-reports/annual/audited/2018-annual-report.pdf", "UIORUnfndfhnw89493jJFJ.rmSpXd3dIbrH", "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"
	for key, want := range map[string]string{
		"p": path, "v": id, "s": "s3://" + path + "?versionId=" + id, "g": "usher get " + path + " --version " + id, "k": "CRC64NVME n0yCQ+arB30=",
		"u": "https://" + tuitest.StorageHost + "/" + path + "?versionId=" + id + "&X-Amz", "c": "curl --fail --path-as-is --output ./2018-annual-report.pdf 'https://",
		"a": "Person: alice.moreau",
	} {
		play(t, nil, func(t *testing.T, w *program) {
			var out bytes.Buffer
			w.Log(&out)
			w.Press("j", "j", "j", "H")
			w.Wait(time.Second)
			w.Press("j", "j", "y")
			w.Want(t, "Copy of this version", "v version ID", "s s3://")
			w.Press(key)
			w.Wait(time.Second)
			if got := clipboard(&out); !strings.HasPrefix(got, want) || key == "c" && !strings.Contains(got, "versionId="+id) || key == "a" && !strings.Contains(got, path+", version "+id) {
				t.Errorf("y %s copies %q, want %q", key, got, want)
			}
		})
	}
	at80(t, nil, func(t *testing.T, w *program) {
		w.Press("j", "j", "j", "y", "v")
		w.Want(t, "Copy the version ID: open the versions of a file.")
		w.Press("H")
		w.Wait(time.Second)
		w.Press("y", "esc", "j") // the deletion
		for _, key := range []string{"u", "c", "k", "g"} {
			w.Press("y", key)
			w.Want(t, "This version is a deletion: it has no content.")
		}
		w.Press("v")
		w.Want(t, "This version is a deletion: it has no content.")
		w.Press("k", "v")
		w.Wait(time.Second)
		if w.opened.Version.Raw() != latest || w.opened.Path() != path {
			t.Errorf("opened %q of %q", w.opened.Version.Raw(), w.opened.Path())
		}
		w.Want(t, "rent", "version 3sL4")
		w.Press("esc", "j", "j", "v")
		w.Wait(time.Second)
		if w.opened.Version.Raw() != id {
			t.Errorf("opened %q", w.opened.Version.Raw())
		}
		w.Press("esc")
		w.Want(t, "Versions of 2018-annual-report.pdf")
	})
}

// space marks up to two versions, and = compares them. Without marks = compares the
// version under the cursor with the one before it.
func TestVersionsAreCompared(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.Press("j", "j", "j", "H")
		w.Wait(time.Second)
		w.Press("=")
		w.Want(t, "The version before this one is a deletion. Mark the two versions to compare with space.")
		w.Press("j", "=")
		w.Want(t, "This version is a deletion: it has no content to compare.")
		w.Press("space")
		w.Want(t, "This version is a deletion: it has no content to compare.", "3 versions ")
		w.Press("j", "=")
		w.Want(t, "There is no version before this one.")
		w.Press("g", "space") // the cursor moves down
		w.Want(t, "3 versions, 1 marked")
		w.Press("=")
		w.Want(t, "This version is a deletion: it has no content to compare.")
		w.Press("k", "=")
		w.Want(t, "One version is marked: mark another one with space, or move to it.")
		w.Press("G", "=") // the marked one, and this one
		w.Wait(time.Second)
		w.Want(t, "audited", "comparison", "3 added, 2 removed, 2 changes", "-rent,1200", "+rent,1250", " kept,5", "version UIOR", "version 3sL4",
			"2019-02-16 11:02:00", "2019-03-16 11:02:00", "recorded as preview 2 times", `+\u{1b}[2J`)
		w.Press("esc")
		w.Want(t, "Versions of 2018-annual-report.pdf", "1 marked")
		w.Press("G", "space", "=")
		w.Wait(time.Second)
		w.Want(t, "-rent,1200", "+rent,1250") // the older version is the old one, in each order of marks
		w.Press("esc", "g", "space")
		w.Want(t, "1 marked")
		w.Press("ctrl+r")
		w.Wait(time.Second)
		w.Want(t, "3 versions, 1 marked") // a mark stays while its version is there
	})
}

// The help of a comparison has the keys to scroll to a side only if there is something
// there, as the key line.
func TestHelpOfShortLines(t *testing.T) {
	for text, offered := range map[string]bool{"short\n": false, strings.Repeat("x", 300) + "\n": true} {
		play(t, func(w *program) {
			w.versions = map[string]string{"UIORUnfndfhnw89493jJFJ.rmSpXd3dIbrH": text, "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY": text + "more\n"}
		}, func(t *testing.T, w *program) {
			w.Press("j", "j", "j", "H")
			w.Wait(time.Second)
			w.Press("space", "j", "=")
			w.Wait(time.Second)
			w.Want(t, "1 added")
			if got := strings.Contains(w.Text(), "l right"); got != offered {
				t.Errorf("the key line offers it %v:\n%s", got, w.Text())
			}
			w.Press("?")
			w.Want(t, "Keys in the comparison of two versions")
			if got := strings.Contains(w.Text(), "right "); got != offered {
				t.Errorf("the help offers it %v:\n%s", got, w.Text())
			}
		})
	}
}

// The version before the one under the cursor can be on a page that is not there yet, and
// a third version cannot be marked.
func TestManyVersionsAreCompared(t *testing.T) {
	play(t, func(w *program) { w.deps.Backend = manyVersions{w.server} }, func(t *testing.T, w *program) {
		w.Press("j", "j", "j", "H")
		w.Wait(time.Second)
		w.Want(t, "4 versions")
		w.Press("=")
		w.Wait(time.Second)
		w.Want(t, "version v1", "version v0", "-text 1", "+text 0")
		w.Press("esc", "j", "=")
		w.Want(t, "This file is archived.")
		w.Press("g", "space", "space")
		w.Want(t, "2 marked")
		w.Press("G", "space")
		w.Want(t, "Two versions are marked: = compares them, space on one removes its mark.", "2 marked")
		w.Press("=")
		w.Wait(time.Second)
		w.Want(t, "-text 1", "+text 0")
	})
}

// manyVersions lists versions of which the third one is archived.
type manyVersions struct{ *tuitest.Server }

func (manyVersions) Versions(context.Context, api.VersionsRequest) (api.VersionsResponse, error) {
	at := time.Date(2026, 3, 14, 9, 12, 0, 0, time.UTC)
	all := []api.ObjectVersion{{Version: "v0", Latest: true}, {Version: "v1"}, {Version: "v2", Archived: true}, {Version: "v3"}}
	for i := range all {
		all[i].Size, all[i].Modified = 7, &at
	}
	return api.VersionsResponse{Event: "e", Versions: all}, nil
}
