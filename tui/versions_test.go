package tui_test

import (
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/download"
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
		w.Press("y")
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
