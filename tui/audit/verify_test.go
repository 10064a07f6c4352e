package audit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/colorprofile"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/backend/safetext/safetexttest"
	"usher/tui"
	"usher/tui/audit"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/tuitest"
)

// verifier is the check of a test.
type verifier struct {
	result audit.Checked
	err    error
	checks int
	saved  []string

	compared   audit.Compared
	compareErr error
	paths      []string
}

func wholeLog() audit.Checked {
	return audit.Checked{
		Events: 1_284_112, Root: "5d9013fe8841c2a7", Key: "files.example.com/audit", At: now(),
		Before: 1_270_004, Since: now().Add(-26 * time.Hour),
		Witness: audit.Witnessed{Policy: true, Events: 1_284_050, At: now().Add(-2 * time.Minute)},
		Server:  &audit.ServerCheck{At: now().Add(-11 * time.Hour), Whole: true, Text: safetext.New("1283004 events; whole up to 1283004, unsigned tail 0")},
	}
}

func changedLog() audit.Checked {
	c := wholeLog()
	c.Events, c.Expected = 1_261_530, 1_270_004
	c.Finding = safetext.New("The audit log of files.example.com was rolled back: it has 1261530 events, and had 1270004. The proof is in /home/grace/.local/state/usher/audit-proof-5d9013fe8841.txt. Send it to your security team. usher starts no downloads until you trust the server again with usher configure.")
	c.Proof = safetext.New("/home/grace/.local/state/usher/audit-proof-5d9013fe8841.txt")
	return c
}

// verifyPage is the page V with the check of the program.
func (w *program) verifyPage() tui.Page {
	if w.verify == nil {
		w.verify = &verifier{result: wholeLog()}
	}
	return tui.Page{Open: keys.OpenProof, Name: "verification of the log", Group: safetext.New("usher-auditors"),
		New: func(env *pane.Env, _ pane.Target) (pane.Pane, error) {
			return audit.NewVerify(audit.VerifyDeps{
				Env: env, Server: "files.example.com",
				Compare: func(_ context.Context, path string) (audit.Compared, error) {
					w.verify.paths = append(w.verify.paths, path)
					return w.verify.compared, w.verify.compareErr
				},
				Check: func(context.Context) (audit.Checked, error) { w.verify.checks++; return w.verify.result, w.verify.err },
				Save: func(_ context.Context, c audit.Checked) (string, error) {
					w.verify.saved = append(w.verify.saved, c.Report("files.example.com"))
					return "/home/grace/usher/report.txt", nil
				},
			})
		}}
}

func TestVerifyScreens(t *testing.T) {
	fresh := wholeLog()
	fresh.Before, fresh.Witness, fresh.Server = 0, audit.Witnessed{}, nil
	server := wholeLog()
	server.Server = &audit.ServerCheck{At: now(), Text: safetext.New("the log is damaged (changed: records 257 to 512)")}
	hostile := changedLog()
	text := ""
	for _, x := range safetexttest.Payloads() {
		text += x.Text + " "
	}
	hostile.Finding, hostile.Key, hostile.Server = safetext.New(text), safetext.Line(text), &audit.ServerCheck{At: now(), Text: safetext.New(text)}
	copied := &verifier{result: server, compared: audit.Compared{Path: "/home/grace/usher/usher-audit.tar", Kind: "export", Events: 1_284_050, Read: 31}}
	copied.result.Server.Event = "01JD9X00000000000000000003"
	copied.compared.Differences = []audit.Difference{{Text: safetext.New("The server shows another event 01JD9X00000000000000000007"), Event: "01JD9X00000000000000000007"}}
	for name, v := range map[string]*verifier{
		"verify-compared": copied,
		"verify-whole":    {result: wholeLog()}, "verify-changed": {result: changedLog()}, "verify-first": {result: fresh},
		"verify-server": {result: server}, "verify-hostile": {result: hostile}, "verify-away": {err: &api.Error{Code: api.AuditUnavailable, RequestID: "r-01JD9X5C8M"}},
	} {
		goldens.Each(t, name, tuitest.Sizes(), func(t *testing.T, sz tuitest.Size) *tuitest.Screen {
			w := newProgram(func(w *program) { w.verify = v })
			w.open(t, sz.W, sz.H, sz.Profile)
			w.Press("A", "V")
			w.Wait(time.Second)
			w.Want(t, "Verify the log")
			if v.compared.Kind != "" {
				w.Press("c", "x", "enter", "j")
				w.Wait(time.Second)
			}
			return w.Screen
		})
	}
}

// The page checks when it opens and on r, saves a report on e, and esc returns to
// the log.
func TestVerifyKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &verifier{result: changedLog()}
		w := newProgram(func(w *program) { w.verify = v })
		w.open(t, 120, 40, colorprofile.TrueColor)
		w.Press("A", "V")
		w.Wait(time.Hour)
		if v.checks != 1 {
			t.Errorf("%d checks", v.checks)
		}
		w.Want(t, "The log is not whole.", "1,270,004 events are expected")
		w.Press("e")
		w.Wait(time.Second)
		w.Want(t, "Saved as /home/grace/usher/report.txt")
		if len(v.saved) != 1 || !strings.Contains(v.saved[0], "FINDING") || !strings.Contains(v.saved[0], "audit-proof-5d9013fe8841.txt") {
			t.Errorf("%q", v.saved)
		}
		v.result = wholeLog()
		w.Press("r")
		w.Wait(time.Second)
		w.Want(t, "The log is whole.", "1,284,112 events")
		v.err = errors.New("EOF")
		w.Press("r")
		w.Wait(time.Second)
		w.Want(t, "No answer from files.example.com.")
		w.Press("esc")
		w.Want(t, "all events")
	})
}

// The key c compares the log with a kept copy. enter opens the event of a finding in
// the log, and esc returns.
func TestVerifyCompares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &verifier{result: wholeLog(), compared: audit.Compared{Path: "/home/grace/checkpoint.txt", Kind: "checkpoint", Events: 1_270_004}}
		w := newProgram(func(w *program) { w.verify = v })
		w.open(t, 120, 40, colorprofile.TrueColor)
		w.Press("A", "V")
		w.Wait(time.Second)
		w.Press("enter")
		w.Want(t, "There is no finding with an event.")
		w.Press("c")
		w.Want(t, "A checkpoint (usher audit checkpoint -o FILE) or an export")
		w.Type("/home/grace/checkpoint.txt")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "The log contains all 1,270,004 events of the copy's checkpoint, unchanged.", "The log is whole.")
		if len(v.paths) != 1 || v.paths[0] != "/home/grace/checkpoint.txt" {
			t.Errorf("%q", v.paths)
		}

		v.compared.Kind = "export"
		for _, id := range []string{w.book.events[3].ID, w.book.events[5].ID} {
			v.compared.Differences = append(v.compared.Differences, audit.Difference{Text: safetext.New("The server shows another event " + id), Event: id})
		}
		w.Press("c", "up", "enter")
		w.Wait(time.Second)
		w.Want(t, "The server shows other events than the copy.", "Findings", "1 of 2", "The log is not whole.")
		w.Press("j", "enter")
		w.Wait(time.Second)
		w.Want(t, " / id:"+w.book.events[5].ID, "1 of 1,284,112 events")
		w.Press("esc")
		w.Want(t, "2 of 2")

		v.compareErr = errors.New("EOF")
		w.Press("c", "up", "enter")
		w.Wait(time.Second)
		w.Want(t, "No answer from files.example.com.")
	})
}
