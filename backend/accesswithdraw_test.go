package backend_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend"
	"usher/backend/accessrequest"
	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// A person withdraws an open request on another server than that of the request: no
// admin sees it any more, and the log has an event of its own.
func TestAccessRequestIsWithdrawn(t *testing.T) {
	f := demotest.StartFleet(t, demotest.FleetOptions{Size: 2})
	ctx := t.Context()
	admin, ada := f.SignIn(t, "margaret"), f.SignIn(t, "ada")
	asked, err := ada.Ask(ctx, api.AskRequest{Bucket: "builds", Key: "nightly/"})
	if err != nil {
		t.Fatal(err)
	}
	if me, err := admin.Whoami(ctx); err != nil || me.OpenRequests != 1 {
		t.Errorf("before: %+v, %v", me, err)
	}
	var first api.WithdrawResponse
	for i := range 2 { // a repetition changes and records nothing
		out, err := ada.Withdraw(ctx, api.WithdrawRequest{Request: asked.Request})
		if err != nil || out.Bucket != "builds" || out.Key != "nightly/" || out.Request != asked.Request || (out.Event != "") != (i == 0) {
			t.Errorf("%+v, %v", out, err)
		}
		if i == 0 {
			first = out
		}
	}
	if out, err := admin.Asking(ctx, api.AskingRequest{}); err != nil || len(out.Requests) != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	if me, err := admin.Whoami(ctx); err != nil || me.OpenRequests != 0 {
		t.Errorf("after: %+v, %v", me, err)
	}
	if mine, err := ada.Asked(ctx); err != nil || len(mine.Requests) != 0 {
		t.Errorf("%+v, %v", mine, err)
	}
	if _, err := admin.Answer(ctx, api.AnswerRequest{Request: asked.Request}); codeOf(err) != api.NotFound {
		t.Errorf("an answer: %v", err)
	}
	events := f.Events(t, "action:access-withdrawn")
	if len(events) != 1 || events[0].User.Username != "ada" || events[0].Path() != "builds/nightly/" || events[0].ID != first.Event || events[0].Outcome != "allowed" {
		t.Errorf("%+v", events)
	}
	// The person can send the request again, and an answer ends the withdrawals.
	if _, err := ada.Ask(ctx, api.AskRequest{Bucket: "builds", Key: "nightly/"}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Answer(ctx, api.AnswerRequest{Request: oneAsking(t, admin).Request, Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	if _, err := ada.Withdraw(ctx, api.WithdrawRequest{Request: asked.Request}); codeOf(err) != api.RequestAnswered {
		t.Errorf("an answered request: %v", err)
	}
	if mine, err := ada.Asked(ctx); err != nil || len(mine.Requests) != 1 || mine.Requests[0].State != api.AskDeclined {
		t.Errorf("%+v, %v", mine, err)
	}
	if failed := f.Events(t, "action:access-withdrawn outcome:failed"); len(failed) != 1 {
		t.Errorf("%+v", failed)
	}
}

// The request of another person is not found, for admins and auditors too, with the
// bytes of a request that does not exist. It stays open, and each attempt is recorded.
func TestRequestsOfOthersAreNotWithdrawn(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	ctx := t.Context()
	ada, grace, admin := w.SignIn(t, "ada"), w.SignIn(t, "grace"), w.SignIn(t, "margaret")
	asked, err := ada.Ask(ctx, api.AskRequest{Bucket: "builds", Key: "nightly/"})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []demotest.Actor{grace, admin} {
		if _, err := a.Asked(ctx); err != nil { // records the start of the session
			t.Fatal(err)
		}
		var want string
		var header http.Header
		for i, id := range []string{asked.Request, "0123456789abcdef"} {
			status, h, body := raw(t, w, a, "access/withdraw", fmt.Sprintf(`{"request":%q}`, id))
			if i == 0 {
				want, header = body, h
			}
			if status != http.StatusNotFound || body != want || !equalHeader(h, header) {
				t.Errorf("%s: %d %v %s, want %s", id, status, h, body, want)
			}
		}
	}
	if _, err := grace.Withdraw(ctx, api.WithdrawRequest{Request: "x"}); codeOf(err) != api.BadRequest {
		t.Errorf("%v", err)
	}
	if q := oneAsking(t, admin); q.Request != asked.Request || q.State != api.AskOpen {
		t.Errorf("%+v", q)
	}
	denied := query(t, grace, "action:access-withdrawn")
	if len(denied) != 4 {
		t.Errorf("%d attempts are recorded, want 4", len(denied))
	}
	for _, e := range denied {
		if e.Outcome != "denied" || e.Path() != "/" && e.Path() != "" {
			t.Errorf("%+v", e)
		}
	}
	// Control: the person withdraws it.
	if out, err := ada.Withdraw(ctx, api.WithdrawRequest{Request: asked.Request}); err != nil || out.Event == "" {
		t.Errorf("%+v, %v", out, err)
	}
}

// A withdrawal that cannot be recorded changes nothing.
func TestNoRecordNoWithdrawal(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	down := &atomic.Bool{}
	server, _ := rebuilt(t, w, time.Now, func(c *backend.Config) { c.Audit = unrecorded{c.Audit, down} })
	ada := at(t, w.SignIn(t, "ada"), server)
	asked, err := ada.Ask(t.Context(), api.AskRequest{Bucket: "builds"})
	if err != nil {
		t.Fatal(err)
	}
	down.Store(true)
	if _, err := ada.Withdraw(t.Context(), api.WithdrawRequest{Request: asked.Request}); codeOf(err) != api.AuditUnavailable {
		t.Errorf("%v", err)
	}
	down.Store(false)
	if mine, err := ada.Asked(t.Context()); err != nil || len(mine.Requests) != 1 || mine.Requests[0].State != api.AskOpen {
		t.Errorf("%+v, %v", mine, err)
	}
}

// Only admins see the number of open requests, and a failure of the store hides
// nothing else.
func TestOpenRequestsAreCountedForAdmins(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	ctx := t.Context()
	ada, admin := w.SignIn(t, "ada"), w.SignIn(t, "margaret")
	if _, err := ada.Ask(ctx, api.AskRequest{Bucket: "builds"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ada", "grace"} {
		if me, err := w.SignIn(t, name).Whoami(ctx); err != nil || me.OpenRequests != 0 {
			t.Errorf("%s: %+v, %v", name, me, err)
		}
	}
	if me, err := admin.Whoami(ctx); err != nil || me.OpenRequests != 1 {
		t.Errorf("%+v, %v", me, err)
	}
	server, _ := rebuilt(t, w, time.Now, func(c *backend.Config) { c.Requests = brokenRequests{} })
	if me, err := at(t, admin, server).Whoami(ctx); err != nil || me.OpenRequests != 0 || me.Person.Username != "margaret" {
		t.Errorf("%+v, %v", me, err)
	}
}

// brokenRequests is a store that cannot be read.
type brokenRequests struct{ backend.Requests }

func (brokenRequests) All(context.Context) ([]accessrequest.Request, error) {
	return nil, http.ErrServerClosed
}

// patient notes whether a change of the requests can be canceled.
type patient struct {
	backend.Requests
	hasty *atomic.Int32
}

func (p patient) Update(ctx context.Context, edit func([]accessrequest.Request) (accessrequest.Change, error)) error {
	if ctx.Done() != nil {
		p.hasty.Add(1)
	}
	return p.Requests.Update(ctx, edit)
}

// A recorded change of the requests does not end with the caller's connection.
func TestRecordedRequestsAreStored(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	hasty := &atomic.Int32{}
	server, _ := rebuilt(t, w, time.Now, func(c *backend.Config) { c.Requests = patient{c.Requests, hasty} })
	ada, admin := at(t, w.SignIn(t, "ada"), server), at(t, w.SignIn(t, "margaret"), server)
	for _, key := range []string{"nightly/", "release/"} {
		asked, err := ada.Ask(t.Context(), api.AskRequest{Bucket: "builds", Key: key})
		if err != nil {
			t.Fatal(err)
		}
		if key == "release/" {
			_, err = admin.Answer(t.Context(), api.AnswerRequest{Request: asked.Request})
		} else {
			_, err = ada.Withdraw(t.Context(), api.WithdrawRequest{Request: asked.Request})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := hasty.Load(); n != 0 {
		t.Errorf("%d changes end with the connection", n)
	}
}
