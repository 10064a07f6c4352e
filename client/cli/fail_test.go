package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/audit/bundle"
	"usher/client/download"
	"usher/client/download/ticket"
	"usher/session"
)

// Every code of the server has its exit code, its sentence and its JSON code. An
// error of an unknown type is a bug, and its text is not printed.
func TestExplain(t *testing.T) {
	for _, row := range api.Failures() {
		f := explain(fmt.Errorf("listing: %w", &api.Error{Code: row.Code, Message: "\x1b[2Jserver", RequestID: "R1"}))
		if f.exit != row.Exit || f.Code != string(row.Code) || f.RequestID != "R1" || !strings.HasPrefix(f.Message, row.Sentence) ||
			!strings.Contains(f.line, "(request R1)") || strings.Contains(f.line, "server\x1b") {
			t.Errorf("%s: %+v", row.Code, f)
		}
	}
	for _, c := range []struct {
		err  error
		exit int
		code string
		say  string
	}{
		{session.ErrSignedOut, 3, "signed_out", "usher login"},
		{session.ErrWrongPassword, 3, "signed_out", "incorrect."},
		{session.ErrNoServer, 64, "usage", "usher configure"},
		{api.Misspoken("h", "it fell asleep", nil), 6, "unavailable", "Can't reach h"},
		{&download.Error{Kind: download.ErrIntegrity, Path: "a"}, 5, "integrity", "checksum"},
		{&download.Error{Kind: download.ErrExists, Path: "a"}, 7, "exists", "a is here already"},
		{&download.Error{Kind: download.ErrChanged, Path: "a"}, 5, "object_changed", "changed"},
		{&ticket.Error{Path: "a"}, 6, "bad_url", "unexpected"},
		{fmt.Errorf("x: %w", &fs.PathError{Op: "open", Path: "/a\x1b", Err: syscall.ENOSPC}), 7, "disk", `/a\u{1b}: no space`},
		{context.Canceled, 130, "interrupted", "Stopped."},
		{context.DeadlineExceeded, 6, "unavailable", "too long"},
		{usagef("No."), 64, "usage", "No."},
		{errors.New("secret detail"), 70, "internal", "--debug"},
	} {
		f := explain(c.err)
		if f.exit != c.exit || f.Code != c.code || !strings.Contains(f.line, c.say) || strings.Contains(f.line, "secret detail") {
			t.Errorf("%v: %+v", c.err, f)
		}
	}
}

// Several failures with one exit code keep it; with different ones the exit code
// is 1.
func TestMany(t *testing.T) {
	absent := &api.Error{Code: api.NotFound}
	full := &download.Error{Kind: download.ErrDisk, Path: "x", Needed: 5}
	for _, c := range []struct {
		total int
		errs  []error
		exit  int
		say   string
	}{
		{5, nil, 0, ""},
		{1, []error{absent}, 4, "There is nothing"},
		{412, []error{absent}, 4, "1 of 412 files failed: There is nothing"},
		{412, []error{absent, absent}, 4, "2 of 412 files failed, the first: There is nothing"},
		{412, []error{absent, full, full}, 1, "3 of 412 files failed, the first: There is nothing"},
		{2, []error{full, full}, 7, "2 of 2 files failed"},
	} {
		m := failures{total: c.total}
		for _, err := range c.errs {
			m.add(err)
		}
		err := m.err()
		if c.exit == 0 {
			if err != nil {
				t.Errorf("%v", err)
			}
			continue
		}
		if f := explain(err); f.exit != c.exit || !strings.HasPrefix(f.line, c.say) {
			t.Errorf("%+v", f)
		}
	}
}

// finish writes one line, as text or as JSON, and a signal decides the code.
func TestFinish(t *testing.T) {
	var out bytes.Buffer
	a := &app{Program: Program{Err: &out}, json: true}
	if code := a.finish(context.Background(), &api.Error{Code: api.NotFound, RequestID: "R7"}); code != 4 {
		t.Errorf("exit code %d", code)
	}
	var got struct{ Error map[string]string }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Error["code"] != "not_found" || got.Error["request_id"] != "R7" ||
		got.Error["message"] == "" || len(got.Error) != 3 {
		t.Errorf("%s: %v", out.String(), err)
	}
	out.Reset()
	a.json = false
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(&stopped{exit: api.ExitTerminated})
	if code := a.finish(ctx, fmt.Errorf("listing: %w", context.Canceled)); code != 143 || out.String() != "usher: Stopped.\n" {
		t.Errorf("%d, %q", code, out.String())
	}
	// A late signal does not hide the command's own failure.
	if code := a.finish(ctx, &api.Error{Code: api.NotFound}); code != 4 {
		t.Errorf("exit code %d", code)
	}
}

// --debug does not print secrets in the error of a library.
func TestDebugKeepsSecrets(t *testing.T) {
	var out bytes.Buffer
	a := &app{Program: Program{Err: &out}, debug: true}
	token := "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"
	a.finish(context.Background(), fmt.Errorf("a: %w", errors.New(
		"Get \"https://s3/x?X-Amz-Expires=60&X-Amz-Signature=0123abcd&x=1\": Bearer "+token+" and "+token+"\x1b[2J")))
	text := out.String()
	for _, secret := range []string{"0123abcd", "eyJzdWIi", "c2lnbmF0", "\x1b"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
	for _, kept := range []string{"X-Amz-Expires=60", "X-Amz-Signature=…", "&x=1", "*errors.errorString"} {
		if !strings.Contains(text, kept) {
			t.Errorf("%q is not in %s", kept, text)
		}
	}
}

func TestProgramNamesMissingParts(t *testing.T) {
	whole := Program{
		Version: "1.0.0", Folders: session.Folders{Config: "c", State: "s"}, Getenv: func(string) string { return "" }, Now: time.Now, Started: func() {},
		In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{},
		ReadPassword: func() (string, error) { return "", nil },
		Browse:       func(context.Context, Start) error { return nil },
		BrowseLog:    func(context.Context, LogScreen) error { return nil },
		Demo:         func(context.Context, DemoOptions) (RunningDemo, error) { return RunningDemo{}, nil },
		Serve:        func(context.Context, ServeOptions) error { return nil },
		Check:        func(context.Context, string) ([]Finding, error) { return nil, nil },
		Backup:       func(context.Context, AuditLog, string) (BackedUp, error) { return BackedUp{}, nil },
		Verify:       func(context.Context, VerifyOptions) (Verified, error) { return Verified{}, nil },
		VerifyExport: func(context.Context, string, bundle.Check) (CheckedExport, error) { return CheckedExport{}, nil },
		Restart:      func(context.Context, AuditLog, string) (Restarted, error) { return Restarted{}, nil },
		Policy: func(context.Context, string, string) (api.GrantsListResponse, error) {
			return api.GrantsListResponse{}, nil
		},
		Witness: func(context.Context, string, func(string, string)) error { return nil },
		OpenLog: func(string) (LogFile, error) { return nil, nil },
		Reindex: func(context.Context, string, func(time.Time)) error { return nil },
	}
	if err := whole.check(); err != nil {
		t.Fatal(err)
	}
	without := whole
	without.Serve = nil
	if err := without.check(); err == nil || !strings.Contains(err.Error(), "Serve") {
		t.Errorf("%v", err)
	}
	without = whole
	without.Folders.State = ""
	if err := without.check(); err == nil || !strings.Contains(err.Error(), "Folders") {
		t.Errorf("%v", err)
	}
}
