package tui_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/tui/tuitest"
)

// asking gives a program a server of requests for access, with its answers.
func asking(got *[]api.AskRequest, delay time.Duration, err *error) func(*program) {
	return func(w *program) {
		w.deps.Ask = func(ctx context.Context, in api.AskRequest) (api.AskResponse, error) {
			select {
			case <-time.After(delay):
			case <-ctx.Done():
				return api.AskResponse{}, ctx.Err()
			}
			*got = append(*got, in)
			return api.AskResponse{Request: "0123456789abcdef", Days: 30}, *err
		}
	}
}

// A typed path that is not there can be requested from its field, with a reason.
func TestRequestAccessFromTheField(t *testing.T) {
	var got []api.AskRequest
	var fails error
	at80(t, asking(&got, time.Second, &fails), func(t *testing.T, w *program) {
		w.Press("ctrl+g")
		w.Type("company-reports/board/")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "There is nothing here that you can open.", "ctrl+r request access")
		w.Press("ctrl+r")
		w.Want(t, "Request access", "company-reports/board/", "recorded in the audit log", "enter send")
		w.Type("audit 2026")
		fails = &api.Error{Code: api.RequestsFull, RequestID: "r-1"}
		w.Press("enter")
		w.Want(t, "Sending")
		w.Press("x") // no field changes during the call
		w.Wait(2 * time.Second)
		w.Want(t, "too many open requests", "audit 2026")
		fails = nil
		w.Press("enter")
		w.Wait(2 * time.Second)
		w.Want(t, "The request is sent. Its answer: usher access request --list.")
		w.Not(t, "enter send")
		want := api.AskRequest{Bucket: "company-reports", Key: "board/", Reason: "audit 2026"}
		if len(got) != 2 || got[0] != want || got[1] != want {
			t.Errorf("%+v", got)
		}
	})
}

// The key R offers the last path that was not found, else the open folder. The path
// can be changed. Esc sends nothing.
func TestRequestAccessByKey(t *testing.T) {
	var got []api.AskRequest
	var fails error
	at80(t, asking(&got, 0, &fails), func(t *testing.T, w *program) {
		w.Press("R")
		w.Want(t, "Request access", "company-reports/annual/audited/")
		w.Press("esc")
		w.Press("ctrl+g")
		w.Type("company-reports/board/")
		w.Press("enter")
		w.Wait(time.Second)
		w.Press("esc", "R")
		w.Want(t, "company-reports/board/")
		w.Press("tab", "ctrl+u", "enter", "enter")
		w.Want(t, "Name a bucket, a folder or a file.")
		w.Type("builds/nightly/")
		w.Press("enter", "enter")
		w.Wait(time.Second)
		if len(got) != 1 || got[0] != (api.AskRequest{Bucket: "builds", Key: "nightly/"}) {
			t.Errorf("%+v", got)
		}
	})
}

// A path with characters that the field removes is requested as it is.
func TestRequestAccessOfAHostilePath(t *testing.T) {
	var got []api.AskRequest
	var fails error
	at80(t, func(w *program) {
		asking(&got, 0, &fails)(w)
		w.server.Put("company-reports/a\x1b[2J\u202eb/x", 1, "2026-01-01 00:00")
		w.deps.Start = tuitest.At("company-reports/a\x1b[2J\u202eb/")
	}, func(t *testing.T, w *program) {
		w.Press("R", "enter")
		w.Wait(time.Second)
		if len(got) != 1 || got[0].Key != "a\x1b[2J\u202eb/" {
			t.Errorf("%q", got)
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
