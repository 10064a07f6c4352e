package access_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/tui/tuitest"
)

// requests opens the open requests.
func (w *program) requests() {
	w.Press("r")
	w.Wait(time.Second)
}

// An approval is checked by the server, shows the grant and its readers, and is sent
// after a key of its own. The list is then without the request, and needs no query.
func TestApprove(t *testing.T) {
	play(t, func(w *program) { w.server.Me.OpenRequests = 4 }, func(t *testing.T, w *program) {
		w.Want(t, "4 requests", "r 4 requests")
		if said := w.scene().Alerts; len(said) != 1 || said[0] != "Open for an answer: 4 requests for access." {
			t.Errorf("%q", said)
		}
		w.requests()
		w.Want(t, "Open requests for access", "4 requests", "grace", "company-reports/quarterly/", "audit 2026", "2026-11-21",
			"grace cannot read this folder now", "In groups        external-auditors")
		w.Press("p")
		w.Want(t, "Approve a request", "Person  grace", "Time    7d", "Group   external-auditors  1 of 2")
		w.Press("tab", "right")
		w.Want(t, "usher-auditors  2 of 2")
		w.Press("left", "tab")
		w.Type("audit 2026")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "allow external-auditors until 2026-11-30T00:00:00Z ", "2026-11-30 14:10 UTC", "No other person is in this group.", "y approve")
		w.Press("enter", "n") // not the key of the confirmation
		w.Want(t, "y approve")
		w.wantAsked(t, "who "+folder, "requests", "preview external-auditors audit 2026")
		w.Press("y")
		w.Wait(time.Second)
		w.Want(t, "Approved: allow external-auditors", "3 requests")
		w.Not(t, "Approve a request", "4 requests", "grace")
		w.wantAsked(t, "who "+folder, "requests", "preview external-auditors audit 2026", "approve external-auditors audit 2026")
		if n := len(w.adminServer.wishes); n != 3 {
			t.Errorf("%d requests are open", n)
		}
	})
}

// Long texts of the person leave the other lines of the dialogs on a small screen.
func TestLongRequests(t *testing.T) {
	play(t, func(w *program) {
		w.adminServer.wishes = []wish{{"grace", "company-reports/" + strings.Repeat("\x1b[2J", 150) + "/", strings.Repeat("\x1b", api.MaxAskReason), time.Hour}}
	}, func(t *testing.T, w *program) {
		w.requests()
		w.Press("p")
		w.Want(t, "Approve a request", "Person  grace", "Path", "company-reports/", "Wrote", "Time    7d", "Group   external-auditors", "enter check")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "Person  grace", "Grant", "allow external-auditors until", "y approve")
		w.Press("esc", "esc", "d")
		w.Want(t, "Decline a request", "Person  grace", "Reason", "enter decline")
	})
}

// The other members of the group are named before an approval, and esc returns to the
// fields.
func TestApprovalNamesTheOthers(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.requests()
		w.Press("j", "j", "enter")
		w.Want(t, "Request of chen.wei", "✓ chen.wei can read this folder now", "the figures of 2018")
		w.Press("p", "enter")
		w.Wait(time.Second)
		w.Want(t, "Also in this group, with the same access: margaret")
		w.Press("esc")
		w.Want(t, "enter check")
		w.Press("ctrl+u")
		w.Type("400d")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "Nothing was changed.", "the access is longer than 366 days; give an earlier end")
		w.Press("ctrl+u")
		w.Type("soon")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "soon is not a time. Write 2h, 7d")
		w.Press("ctrl+u")
		w.Type("2h")
		w.Press("enter")
		w.Wait(time.Second)
		w.Press("y")
		w.Wait(time.Second)
		w.Want(t, "Approved: allow audit-team", "Open requests for access", "3 requests") // the sheet is closed
	})
}

func TestDecline(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.requests()
		w.Press("j", "d")
		w.Want(t, "Decline a request", "Person  alan", "enter decline")
		w.Type("use the public data")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "The request of alan is declined.", "3 requests")
		w.wantAsked(t, "who "+folder, "requests", "decline  use the public data")
		w.Press("d") // the cursor is on the next request
		w.Want(t, "Person  chen.wei")
		w.Press("esc", "j", "d")
		w.Want(t, "Person  barbara")
		w.Press("esc", "m")
		w.Wait(time.Second)
		w.Want(t, "There is no such person")
	})
}

// A failure is shown beside the fields, which stay. A request that was withdrawn or
// answered meanwhile has a sentence with the next step.
func TestRepliesThatFail(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		w.requests()
		w.adminServer.do(func() { w.adminServer.wishes = w.adminServer.wishes[1:] })
		w.Press("d")
		w.Type("no")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "There is no such open request, or you may not answer it", "Refresh the list.", "Reason  no")
		w.adminServer.do(func() { w.adminServer.fail = &api.Error{Code: api.RequestAnswered} })
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "This request was answered or sent again meanwhile.")
		w.adminServer.do(func() { w.adminServer.fail = tuitest.ErrNetwork })
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "Can't reach files.example.com")
		w.adminServer.do(func() { w.adminServer.fail, w.adminServer.delay = nil, time.Hour })
		w.Press("esc", "j", "d", "enter")
		w.Wait(time.Second)
		w.Want(t, "Sending…", "esc cancel")
		w.Press("enter", "x") // no second call, and no change
		w.Press("esc")
		w.Want(t, "The answer may be in force. Refresh the list to see it.")
		w.Not(t, "Decline a request")
		w.Press("d", "enter")
		w.Wait(31 * time.Second)
		w.Want(t, "No answer from files.example.com.")
	})
}

// With a grants file, an approval shows the line for the file, with a key that copies
// it. Once the file gives the access, an approval closes the request.
func TestApproveWithAGrantsFile(t *testing.T) {
	play(t, func(w *program) { w.adminServer.fixed = true }, func(t *testing.T, w *program) {
		w.requests()
		w.Want(t, "The grants of this server are a file")
		w.Press("p", "enter")
		w.Wait(time.Second)
		w.Want(t, "The grants of this server are a file.", "line to it, then approve the request again to close it:", "prefix: \"quarterly/\"", "y copy the line")
		w.Press("y")
		w.Want(t, "Sent to the clipboard:")
		w.wantAsked(t, "who "+folder, "requests", "preview external-auditors")
		w.Press("j", "j", "p", "enter")
		w.Wait(time.Second)
		w.Want(t, "chen.wei can read it already. The approval only closes the")
		w.Press("y")
		w.Wait(time.Second)
		w.Want(t, "chen.wei can read company-reports/annual/audited/ already. The request is closed.", "3 requests")
		// No line for a request that its person withdraws meanwhile, or for a group
		// that the person is not in.
		w.Press("k")
		w.adminServer.mu.Lock()
		w.adminServer.wishes = w.adminServer.wishes[1:]
		w.adminServer.mu.Unlock()
		w.Press("g", "p", "enter")
		w.Wait(time.Second)
		w.Want(t, "There is no such open request")
		w.Not(t, "y copy the line")
	})
}

// The requests behind a page follow when the cursor reaches its end, once for each page.
func TestPagesOfRequests(t *testing.T) {
	play(t, func(w *program) {
		w.adminServer.page = 20
		w.adminServer.wishes = nil
		for i := range 50 {
			w.adminServer.wishes = append(w.adminServer.wishes, wish{"ada", fmt.Sprintf("builds/%02d/", i), "", time.Hour})
		}
	}, func(t *testing.T, w *program) {
		w.requests()
		w.Want(t, "20 requests and more")
		w.Press("j", "j")
		w.wantAsked(t, "who "+folder, "requests")
		w.Press("G")
		w.Wait(time.Second)
		w.Want(t, "40 requests and more", "builds/19/")
		w.Press("G")
		w.Wait(time.Second)
		w.Want(t, "50 requests")
		w.Not(t, "and more")
		w.Press("G", "j")
		w.Wait(time.Second)
		w.Want(t, "builds/49/")
		q := w.adminServer.queries()
		if len(q) != 4 {
			t.Errorf("%q", q)
		}
		w.adminServer.do(func() { w.adminServer.delay = time.Minute })
		w.Press("ctrl+r")
		w.Wait(time.Second)
		w.Want(t, "loading…", "builds/49/")
		w.Press("esc") // cancels the query, and closes the list
		w.Want(t, "Who can read this folder")
	})
}

// The most requests that a server keeps are on one list: all pages follow, and the last one
// can be answered.
func TestAThousandRequests(t *testing.T) {
	play(t, func(w *program) {
		w.adminServer.page = 50
		w.adminServer.wishes = nil
		for i := range 1000 {
			w.adminServer.wishes = append(w.adminServer.wishes, wish{"ada", fmt.Sprintf("builds/%03d/", i), "audit 2026", time.Hour})
		}
	}, func(t *testing.T, w *program) {
		w.requests()
		for range 20 {
			w.Press("G")
			w.Wait(time.Second)
		}
		w.Want(t, "1,000 requests", "builds/999/")
		w.Not(t, "and more")
		w.Press("d")
		w.Type("ask your manager")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "999 requests", "builds/998/")
		w.Not(t, "builds/999/")
		w.Press("g")
		w.Want(t, "builds/000/")
		if n := len(w.adminServer.queries()); n != 22 {
			t.Errorf("%d queries, not one for each page, one for the folder and one for the answer", n)
		}
	})
}

// The requests are for admins: for auditors the key has the reason, and the key line
// and row 0 have nothing of them.
func TestRequestsAreForAdmins(t *testing.T) {
	play(t, func(w *program) { w.server.Me.Groups = []string{"finance-team", "usher-auditors"} }, func(t *testing.T, w *program) {
		w.Not(t, "requests")
		w.requests()
		w.Want(t, "The open requests need group usher-admins.")
		w.wantAsked(t, "who "+folder)
	})
	play(t, nil, func(t *testing.T, w *program) {
		w.requests()
		w.Press("r")
		w.Want(t, "The open requests are shown.")
		w.Press("y")
		w.Want(t, "Sent to the clipboard: company-reports/quarterly/")
		w.Press("enter", "enter", "ctrl+r")
		w.Want(t, "Refresh: press esc, then refresh the list.")
		w.Press("h", "esc", "esc")
		w.Want(t, "▌Files")
		w.Press("X")
		w.Wait(time.Second)
		w.Press("p") // no key of this view
		w.Not(t, "Approve a request")
		if q := strings.Join(w.adminServer.queries(), ","); strings.Contains(q, "approve") {
			t.Error(q)
		}
	})
}
