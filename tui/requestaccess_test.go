package tui_test

import (
	"context"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext/safetexttest"
	"usher/tui"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
	"usher/tui/tuitest"
)

// desk is a server of requests for access.
type desk struct {
	got       []api.AskRequest
	earlier   []api.Asked
	withdrawn []string
	delay     time.Duration
	err       error // of Ask and Withdraw
	unread    error // of Asked
}

func (d *desk) wait(ctx context.Context) error {
	select {
	case <-time.After(d.delay):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Ask keeps the request.
func (d *desk) Ask(ctx context.Context, in api.AskRequest) (api.AskResponse, error) {
	if err := d.wait(ctx); err != nil {
		return api.AskResponse{}, err
	}
	d.got = append(d.got, in)
	return api.AskResponse{Request: "0123456789abcdef", Days: 30}, d.err
}

// Asked lists the earlier requests.
func (d *desk) Asked(ctx context.Context) (api.AskedResponse, error) {
	if err := d.wait(ctx); err != nil {
		return api.AskedResponse{}, err
	}
	return api.AskedResponse{Requests: d.earlier}, d.unread
}

// Withdraw removes an earlier request.
func (d *desk) Withdraw(ctx context.Context, in api.WithdrawRequest) (api.WithdrawResponse, error) {
	if err := d.wait(ctx); err != nil {
		return api.WithdrawResponse{}, err
	}
	d.withdrawn = append(d.withdrawn, in.Request)
	for _, q := range d.earlier {
		if q.Request == in.Request && d.err == nil {
			return api.WithdrawResponse{Request: q.Request, Bucket: q.Bucket, Key: q.Key}, nil
		}
	}
	return api.WithdrawResponse{}, d.err
}

// asking gives a program a server of requests for access.
func asking(d *desk) func(*program) { return func(w *program) { w.deps.Requests = d } }

// A typed path that is not there can be requested from its field, with a reason.
func TestRequestAccessFromTheField(t *testing.T) {
	d := &desk{delay: time.Second}
	at80(t, asking(d), func(t *testing.T, w *program) {
		w.Press("ctrl+g")
		w.Type("company-reports/board/")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "There is nothing here that you can open.", "ctrl+r request access")
		w.Press("ctrl+r")
		w.Want(t, "Request access", "company-reports/board/", "recorded in the audit log", "enter send")
		w.Type("audit 2026")
		d.err = &api.Error{Code: api.RequestsFull, RequestID: "r-1"}
		w.Press("enter")
		w.Want(t, "Sending")
		w.Press("x") // no field changes during the call
		w.Wait(2 * time.Second)
		w.Want(t, "too many open requests", "audit 2026")
		d.err = nil
		w.Press("enter")
		w.Wait(2 * time.Second)
		w.Want(t, "The request is sent. Its answer: usher access request --list.")
		w.Not(t, "enter send")
		want := api.AskRequest{Bucket: "company-reports", Key: "board/", Reason: "audit 2026"}
		if len(d.got) != 2 || d.got[0] != want || d.got[1] != want {
			t.Errorf("%+v", d.got)
		}
	})
}

// In a folder that the person can open, the dialog of R has a note. Esc sends nothing, and the
// path can be changed.
func TestRequestAccessToAnOpenFolder(t *testing.T) {
	const open = "You can already open this folder; a request is for"
	d := &desk{}
	at80(t, asking(d), func(t *testing.T, w *program) {
		w.Press("R")
		w.Want(t, "Request access", "company-reports/annual/audited/", open, "enter next")
		w.Press("esc", "R", "ctrl+u", "enter", "enter")
		w.Want(t, "Name a bucket, a folder or a file.")
		w.Not(t, open)
		w.Type("builds/nightly/")
		w.Press("enter", "enter")
		w.Wait(time.Second)
		if len(d.got) != 1 || d.got[0] != (api.AskRequest{Bucket: "builds", Key: "nightly/"}) {
			t.Errorf("%+v", d.got)
		}
	})
}

// The key R offers a path that was not found until the person opens a folder or a file.
func TestRequestAccessToAMissedPath(t *testing.T) {
	const open = "You can already open this folder"
	miss := func(w *program, path string) {
		w.Press("ctrl+g", "ctrl+u")
		w.Type(path)
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "There is nothing here that you can open.")
		w.Press("esc")
	}
	for _, path := range []string{"company-reports/board/", "company-reports/annual/audited/letter.pdf", "company-reports/board/minutes.pdf"} {
		for name, then := range map[string]struct {
			keys []string
			want string
		}{
			"at once":        {nil, path},
			"after a look":   {[]string{"down", "up"}, path},
			"after a folder": {[]string{"h"}, "company-reports/annual/"},
			"after a file":   {[]string{"G", "H", "esc"}, "company-reports/annual/audited/"},
		} {
			t.Run(name+" "+path, func(t *testing.T) {
				at80(t, asking(&desk{}), func(t *testing.T, w *program) {
					miss(w, path)
					for _, key := range then.keys {
						w.Press(key)
						w.Wait(time.Second)
					}
					w.Press("R")
					w.Want(t, "Request access", then.want)
					if then.want == path {
						w.Not(t, open)
						return
					}
					w.Want(t, open)
					w.Not(t, path)
				})
			})
		}
	}
}

// In an empty folder, whose text names the key, R is about this folder and not about a
// path that was not found before.
func TestRequestAccessToAnEmptyFolder(t *testing.T) {
	change := func(w *program) {
		asking(&desk{})(w)
		w.server.Put("builds/sub/nul\x00byte.txt", 1, "2026-01-02 03:04") // no request can contain this name
	}
	at80(t, change, func(t *testing.T, w *program) {
		for _, path := range []string{"company-reports/board/", "builds/sub/"} {
			w.Press("ctrl+g")
			w.Press("ctrl+u")
			w.Type(path)
			w.Press("enter")
			w.Wait(time.Second)
			w.Press("esc")
		}
		w.Want(t, "Nothing here that you can see.")
		w.Press("R")
		w.Want(t, "Request access", "builds/sub/")
		w.Not(t, "company-reports/board/")
	})
}

// A path with characters that the field removes is requested as it is.
func TestRequestAccessOfAHostilePath(t *testing.T) {
	d := &desk{}
	at80(t, func(w *program) {
		asking(d)(w)
		w.server.Put("company-reports/a\x1b[2J\u202eb/x", 1, "2026-01-01 00:00")
		w.deps.Start = tuitest.At("company-reports/a\x1b[2J\u202eb/")
	}, func(t *testing.T, w *program) {
		w.Press("R", "enter", "enter")
		w.Wait(time.Second)
		if len(d.got) != 1 || d.got[0].Key != "a\x1b[2J\u202eb/" {
			t.Errorf("%q", d.got)
		}
		if strings.ContainsAny(w.Text(), "\x1b\u202e") {
			t.Error("the screen has raw characters of the path")
		}
	})
}

// Without requests the key has a sentence.
func TestRequestAccessIsNotPossible(t *testing.T) {
	at80(t, nil, func(t *testing.T, w *program) {
		w.Press("R")
		w.Want(t, "Requests for access are not possible here.")
	})
}

// A request that is open is shown for its path, and can be withdrawn there.
func TestWithdrawARequest(t *testing.T) {
	day := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	d := &desk{delay: time.Second, earlier: []api.Asked{
		{Request: "1111111111111111", Bucket: "company-reports", Key: "annual/audited/", Reason: "audit 2026", State: api.AskOpen, Asked: day},
		{Request: "2222222222222222", Bucket: "builds", Key: "nightly/", State: api.AskDeclined, Asked: day, Answer: "use the public data"},
		{Request: "3333333333333333", Bucket: "datasets", Key: "", State: api.AskApproved, Asked: day},
	}}
	at80(t, asking(d), func(t *testing.T, w *program) {
		w.Press("R")
		w.Want(t, "Request access", "enter next") // without a wait
		w.Not(t, "ctrl+x")
		w.Wait(2 * time.Second)
		w.Want(t, "Your request of 2026-11-20 for this path is open", "audit 2026", "ctrl+x withdraw the open one")
		w.Press("ctrl+u")
		w.Type("builds/nightly/")
		w.Want(t, "was declined: use")
		w.Not(t, "ctrl+x")
		w.Press("ctrl+x")
		w.Want(t, "You have no open request for this path.")
		w.Press("ctrl+u")
		w.Type("datasets")
		w.Want(t, "was approved.")
		w.Press("ctrl+u")
		w.Type("company-reports/annual/audited/")
		d.err = &api.Error{Code: api.NotFound, RequestID: "r-1"}
		w.Press("ctrl+x")
		w.Want(t, "Withdrawing")
		w.Press("ctrl+x", "x") // nothing during the call
		w.Wait(2 * time.Second)
		w.Want(t, "You have no such open request.")
		d.err = nil
		w.Press("ctrl+x")
		w.Wait(2 * time.Second)
		w.Want(t, "The request for company-reports/annual/audited/ is withdrawn.")
		w.Not(t, "Request access")
		if len(d.got) != 0 || len(d.withdrawn) != 2 || d.withdrawn[1] != "1111111111111111" {
			t.Errorf("%+v, %q", d.got, d.withdrawn)
		}
	})
}

// Esc during a call has a sentence: the server may have taken the request. After the
// response no key sends it again.
func TestRequestAccessOnce(t *testing.T) {
	d := &desk{delay: time.Second}
	at80(t, asking(d), func(t *testing.T, w *program) {
		w.Press("R")
		w.Wait(2 * time.Second)
		w.Press("enter", "enter", "esc")
		w.Want(t, "The server may have done this already.")
		w.Not(t, "Request access")
		w.Press("R", "esc")
		w.Not(t, "may have done this")
	})
	m, err := keys.New(keys.Default()...)
	if err != nil {
		t.Fatal(err)
	}
	env := &pane.Env{Theme: theme.New(theme.Options{}), Keys: m, Zone: time.UTC, Me: &pane.Me{}}
	if tui.AnsweredRequest(env, &desk{}, tea.KeyPressMsg{Code: tea.KeyEnter}) {
		t.Error("a key after the response sends another request")
	}
}

// A path that may be meant otherwise has a sentence, and a long reason of an earlier
// request leaves the fields and the keys on a small screen, with the text cursor.
func TestRequestAccessNotes(t *testing.T) {
	day := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	d := &desk{earlier: []api.Asked{{Request: "1111111111111111", Bucket: "builds", Key: "*", Reason: strings.Repeat("\x1b", api.MaxAskReason), State: api.AskOpen, Asked: day}}}
	at80(t, asking(d), func(t *testing.T, w *program) {
		w.Press("R")
		w.Not(t, "one file")
		w.Press("ctrl+u")
		w.Type("builds/nightly")
		w.Want(t, "Without / at its end, the path is that of one file.")
		w.Press("ctrl+u")
		w.Type("builds/*")
		w.Wait(time.Second)
		w.Want(t, "Your request of 2026-11-20", "are not wildcards", "Path", "Reason", "ctrl+x withdraw", "Request access")
	})
}

// Without the earlier requests the dialog sends a new one, and a late response to a
// dialog that was closed changes nothing.
func TestEarlierRequestsAreNotRead(t *testing.T) {
	d := &desk{unread: &api.Error{Code: api.StorageUnavailable}}
	at80(t, asking(d), func(t *testing.T, w *program) {
		w.Press("R", "enter", "enter")
		w.Wait(time.Second)
		w.Want(t, "The request is sent.")
		d.delay, d.unread = time.Minute, nil
		d.earlier = []api.Asked{{Request: "1111111111111111", Bucket: "company-reports", Key: "annual/audited/", State: api.AskOpen}}
		w.Press("R", "esc") // the call ends
		d.delay = 0
		w.Press("R")
		w.Wait(time.Second)
		w.Want(t, "ctrl+x withdraw")
		w.Press("esc")
		w.Wait(2 * time.Minute)
		w.Not(t, "Request access")
	})
}

// Untrusted text of an earlier request has no effect on the terminal.
func TestEarlierRequestsAreHostile(t *testing.T) {
	for i, x := range safetexttest.Payloads() {
		d := &desk{earlier: []api.Asked{{Request: x.Text, Bucket: "company-reports", Key: "annual/audited/", Reason: x.Text, Answer: x.Text, State: []string{api.AskOpen, api.AskDeclined}[i%2]}}}
		at80(t, asking(d), func(t *testing.T, w *program) {
			w.Press("R")
			w.Wait(time.Second)
			w.Want(t, "for this path")
			if err := safetexttest.Leaks(strings.ReplaceAll(w.Text(), "\n", " ")); err != nil {
				t.Errorf("%s: %v", x.Name, err)
			}
		})
	}
}

// Empty folders and absent paths have the key of a request, where one is possible.
func TestEmptyFoldersOfferARequest(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*program)
		want   string
	}{
		"an empty folder": {func(w *program) {
			w.server.Put("builds/sub/nul\x00byte.txt", 1, "2026-01-02 03:04") // no request can contain this name
			w.deps.Start = tuitest.At("builds/sub/")
		}, "Nothing here that you can see."},
		"a folder that is gone": {func(w *program) { w.server.Hide("company-reports/annual/audited/") }, "There is nothing here that you can open."},
		"an absent path":        {func(w *program) { w.server.Fail(&api.Error{Code: api.NotFound, RequestID: "r-1"}) }, "There is nothing here that you can open."},
		"no bucket":             {func(w *program) { w.server.Hide(""); w.deps.Start = tuitest.At("") }, api.NoBucket[:20]},
	} {
		t.Run(name, func(t *testing.T) {
			at80(t, func(w *program) { asking(&desk{})(w); c.change(w) }, func(t *testing.T, w *program) {
				w.Wait(time.Second)
				w.Want(t, c.want, "R request") // "request access" beside the reason, "requests access" in a sentence
			})
			at80(t, c.change, func(t *testing.T, w *program) { // control
				w.Wait(time.Second)
				w.Want(t, c.want)
				w.Not(t, "R request")
			})
		})
	}
}
