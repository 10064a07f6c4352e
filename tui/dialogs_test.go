package tui_test

import (
	"context"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui"
	"usher/tui/tuitest"
)

// again signs the person in again, after the beat that finds the end of the session.
func (w *program) again(t *testing.T) {
	t.Helper()
	w.server.Fail(&api.Error{Code: api.TokenExpired})
	w.Wait(30 * time.Second)
	w.back(t)
}

// requests opens a request for access, with the cursor in its reason.
func (w *program) requests() {
	w.Press(":")
	w.Type("request access")
	w.Press("enter", "tab")
}

// back signs the person in again from the dialog.
func (w *program) back(t *testing.T) {
	t.Helper()
	w.Want(t, "Your sign-in has ended")
	w.server.Fail(nil)
	w.Press("enter")
	w.Want(t, "Sign in", "Password")
	w.Type("Analytical-42")
	w.Press("enter")
	w.Wait(2 * time.Second)
	w.Not(t, "Your sign-in has ended")
}

// A dialog or a field that is open at the end of a session is there again after the
// sign-in, with its text, and takes further letters.
func TestSignInAgainKeepsTheTypedText(t *testing.T) {
	d := &desk{}
	for _, x := range []struct {
		name  string
		open  func(t *testing.T, w *program)
		first string // typed before the end of the session
		then  string // typed after it
		want  []string
	}{
		{"filter", press("/"), "2018-", "ann", []string{"2018-ann", "2018-annual-report.pdf"}},
		{"path", press("ctrl+g"), "company-reports/qua", "rterly/", []string{"company-reports/quarterly/"}},
		{"search", press("F"), "size:>", "1M", []string{"size:>1M"}},
		{"pattern of marks", press("+"), "*.p", "df", []string{"*.pdf"}},
		{"jump", press("n"), "2018-an", "n", []string{"2018-ann"}},
		{"palette", press(":"), "down", "load", []string{"download", "Download"}},
		{"request for access", func(t *testing.T, w *program) {
			w.requests()
			w.Want(t, "Request access")
		}, "audit ", "2026", []string{"Request access", "audit 2026", "enter send"}},
		{"folder of a download", func(t *testing.T, w *program) {
			press("j", "j", "j", "space", "space", "d")(t, w)
			w.Wait(time.Second)
			press("c", "ctrl+u")(t, w)
		}, "~/rep", "orts", []string{"~/reports", "use this folder"}},
		{"name of a set", func(t *testing.T, w *program) {
			press("j", "j", "j", "space", "M", "w")(t, w)
		}, "audit ", "2026", []string{"audit 2026"}},
		{"keys", press("?"), "", "", []string{"Keys in the file browser"}},
		{"search in a file", func(t *testing.T, w *program) {
			w.text = "one\ntwo\nthree\n"
			press("j", "j", "j", "v")(t, w)
			w.Wait(time.Second)
			press("/")(t, w)
		}, "thr", "ee", []string{"Find  three"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			play(t, func(w *program) { w.deps.User, w.deps.Requests = "ada", d }, func(t *testing.T, w *program) {
				x.open(t, w)
				w.Type(x.first)
				w.again(t)
				w.Type(x.then)
				w.Wait(time.Second)
				w.Want(t, x.want...)
			})
		})
	}
}

// The sign-in that a request for access itself needs keeps the request, without the reason
// of the failure.
func TestRequestAccessAfterItsSignIn(t *testing.T) {
	d := &desk{err: &api.Error{Code: api.TokenExpired}}
	play(t, func(w *program) { asking(d)(w); w.deps.User = "ada" }, func(t *testing.T, w *program) {
		w.requests()
		w.Type("audit 2026")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "Your sign-in has ended")
		d.err, d.got = nil, nil
		w.back(t)
		w.Want(t, "Request access", "audit 2026")
		w.Not(t, "sign-in has ended", "Sign in again")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "The request is sent.")
		if len(d.got) != 1 || d.got[0].Reason != "audit 2026" {
			t.Errorf("sent: %+v", d.got)
		}
	})
}

// The keys of the sign-in choose nothing in a dialog that returns.
func TestReturnedDialogIgnoresTheKeysOfTheSignIn(t *testing.T) {
	play(t, func(w *program) { unfinished(w); w.deps.User = "ada" }, func(t *testing.T, w *program) {
		w.Want(t, "Unfinished transfers")
		w.Press("j")
		w.server.Fail(&api.Error{Code: api.TokenExpired})
		w.Wait(30 * time.Second)
		w.server.Fail(nil)
		w.Press("enter")
		w.Type("Analytical-42")
		w.Press("enter", "enter", "x")
		w.Want(t, "Unfinished transfers")
		w.Wait(2 * time.Second)
		w.Want(t, "Unfinished transfers", "enter resume")
		w.Press("enter")
		w.Wait(time.Second)
		w.Not(t, "Unfinished transfers")
	})
}

// A dialog of one person is not shown to another one.
func TestAnotherPersonSeesNoDialogOfTheOneBefore(t *testing.T) {
	d := &desk{}
	play(t, func(w *program) { asking(d)(w); w.deps.User = "ada" }, func(t *testing.T, w *program) {
		w.requests()
		w.Type("a private reason")
		w.server.Fail(&api.Error{Code: api.TokenExpired})
		w.Wait(30 * time.Second)
		w.Want(t, "Your sign-in has ended")
		w.server.Fail(nil)
		w.server.Me.Person = api.Person{Sub: "sub-grace", Username: "grace"}
		w.Press("enter")
		w.Type("Analytical-42")
		w.Press("enter")
		w.Wait(2 * time.Second)
		w.Want(t, "grace", "Buckets")
		w.Not(t, "Request access", "a private reason")
	})
}

// No dialog replaces the one of an ended sign-in, and none replaces another one.
func TestDialogsReturnWhenTheOneOverThemCloses(t *testing.T) {
	var release chan struct{}
	finding := tui.LogCheck{Finding: safetext.New("The log does not continue the one of yesterday.")}
	d := &desk{}
	play(t, func(w *program) {
		asking(d)(w)
		release = make(chan struct{})
		w.deps.User, w.deps.Start = "ada", tuitest.At("company-reports/annual/audited/")
		w.deps.CheckLog = checkedAfter(release, finding)
	}, func(t *testing.T, w *program) {
		w.fetch("2025")
		w.Wait(time.Second)
		w.requests()
		w.Type("audit 2026")
		w.Press("ctrl+c")
		w.Want(t, "Quit", "esc stay")
		w.Press("esc")
		w.Want(t, "Request access", "audit 2026")

		w.server.Fail(&api.Error{Code: api.TokenExpired})
		w.Wait(30 * time.Second)
		w.Want(t, "Your sign-in has ended")
		w.Press("ctrl+c")
		w.Want(t, "Quit", "esc stay")
		w.Wait(2 * time.Second)
		w.Press("ctrl+c") // the same question
		w.Press("esc")
		w.Want(t, "Your sign-in has ended", "enter sign in")
		close(release) // the result of an earlier call
		w.Wait(time.Second)
		w.Want(t, "Your sign-in has ended")
		w.back(t)
		w.Want(t, "The audit log was changed", "The log does not continue")
		w.Press("enter")
		w.Want(t, "Request access", "audit 2026")
	})
}

// checkedAfter is a check of the log that has its result when release is closed.
func checkedAfter(release chan struct{}, result tui.LogCheck) func(context.Context) tui.LogCheck {
	return func(context.Context) tui.LogCheck {
		<-release
		return result
	}
}
