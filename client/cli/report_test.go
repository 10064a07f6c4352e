package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"

	"usher/backend/api"
	"usher/client/download"
)

func reportTo(tty, json bool) (r *report, out, err *bytes.Buffer) {
	out, err = &bytes.Buffer{}, &bytes.Buffer{}
	return &report{app: &app{Program: Program{Out: out, Err: err, ErrTTY: tty, Getenv: func(string) string { return "" }}, json: json}}, out, err
}

func here(t *testing.T, name string) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// Without a terminal each file has a line; on a terminal, only a failure has one.
func TestReportLines(t *testing.T) {
	done := download.Transfer{Bucket: "b", Key: "k\x1b", Dest: here(t, "k\x1b"), Size: 1500, State: download.Done, Verified: "crc64nvme"}
	bad := download.Transfer{Bucket: "b", Key: "gone", Size: -1, State: download.Denied, Err: &api.Error{Code: api.NotFound}}
	snapshot := download.Snapshot{Files: 3}
	for _, c := range []struct {
		tty, json bool
		out, err  string
	}{
		{false, false, "k\\u{1b}  1.50 kB  verified crc64nvme\nk\\u{1b}  1.50 kB  verified crc64nvme\n", "b/gone: There is nothing here that you can open.\n2 files, 3.00 kB, verified\n"},
		{true, false, "k\\u{1b}  1.50 kB  verified crc64nvme\nk\\u{1b}  1.50 kB  verified crc64nvme\n", "b/gone: There is nothing here that you can open.\n2 files, 3.00 kB, verified\n"},
		{true, true, `{"path":"b/k\u001b","dest":"` + here(t, `k\u001b`) + `","size":1500,"state":"done","verified":"crc64nvme"}` + "\n" +
			`{"path":"b/gone","state":"denied","error":{"code":"not_found","message":"There is nothing here that you can open."}}` + "\n" +
			`{"path":"b/k\u001b","dest":"` + here(t, `k\u001b`) + `","size":1500,"state":"done","verified":"crc64nvme"}` + "\n", ""},
	} {
		r, out, errs := reportTo(c.tty, c.json)
		for _, x := range []download.Transfer{done, bad, done} {
			r.finished(x)
		}
		if err := r.end(snapshot); explain(err).exit != api.ExitNotFound {
			t.Errorf("%v", err)
		}
		if out.String() != c.out || errs.String() != c.err {
			t.Errorf("terminal %v, json %v:\n%s\n%s", c.tty, c.json, out, errs)
		}
	}
}

// The failure of the only file is printed once, by end.
func TestReportOneFailure(t *testing.T) {
	r, _, errs := reportTo(false, false)
	r.single = true
	r.finished(download.Transfer{Bucket: "b", Key: "k", State: download.Failed, Err: &download.Error{Kind: download.ErrExists, Path: "/x\x1b"}})
	err := r.end(download.Snapshot{Files: 1})
	if errs.Len() != 0 || explain(err).exit != api.ExitDisk || !strings.Contains(err.Error(), `/x\u{1b}`) || !strings.Contains(err.Error(), "--keep-both") {
		t.Errorf("%q, %v", errs, err)
	}
}

// A transfer that waits for a sign-in, and a folder that could not be listed, are
// failures of the command.
func TestReportUnfinished(t *testing.T) {
	r, _, _ := reportTo(false, false)
	err := r.end(download.Snapshot{Files: 2, Transfers: []download.Transfer{{State: download.WaitingSignIn, Err: &api.Error{Code: api.TokenExpired}}}})
	if f := explain(err); f.exit != api.ExitSignedOut || !strings.Contains(f.line, "usher login") {
		t.Errorf("%+v", f)
	}
	r, _, _ = reportTo(false, false)
	folder := download.Transfer{Folder: true, State: download.Denied, Err: &api.Error{Code: api.NotFound}}
	r.finished(folder)
	err = r.end(download.Snapshot{Transfers: []download.Transfer{folder}})
	if f := explain(err); f.exit != api.ExitNotFound {
		t.Errorf("%+v", f)
	}
	r, _, _ = reportTo(false, false)
	if err := r.end(download.Snapshot{Files: 1, Transfers: []download.Transfer{{State: download.Done}}}); err != nil {
		t.Error(err)
	}
}

func TestProgressLine(t *testing.T) {
	s := download.Snapshot{Files: 163, FilesDone: 31, Bytes: 506e6, BytesDone: 106e6, Running: 4, Rate: 87.3e6, Left: 4 * time.Second}
	for width, want := range map[int]string{
		120: "[====                ] 20%  106 MB of 506 MB  31 of 163 files  87.3 MB/s  4 s left",
		79:  "20%  106 MB of 506 MB  31 of 163 files  87.3 MB/s  4 s left",
		30:  "20%  106 MB of 506 MB  31 of …",
	} {
		if got := progressLine(s, width); got != want || ansi.StringWidth(got) > width {
			t.Errorf("%d:\n%s\n%s", width, got, want)
		}
	}
	s.BytesDone, s.Left, s.Rate, s.Running = s.Bytes, 0, 0, 0
	s.Transfers = []download.Transfer{{State: download.WaitingNetwork}}
	if got := progressLine(s, 79); !strings.Contains(got, "99%") || !strings.HasSuffix(got, "waiting for the network") {
		t.Error(got)
	}
	if got := progressLine(download.Snapshot{Counting: 4000, Files: 4000}, 79); !strings.Contains(got, "0 of 4,000 files, counting") {
		t.Error(got)
	}
}

// A signal ends a command that reads a secret from stdin.
func TestSecretGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		silent, _ := io.Pipe() // without a writer
		l := &login{app: &app{}, lines: bufio.NewReader(silent)}
		time.AfterFunc(time.Second, func() { cancel(&stopped{exit: api.ExitTerminated}) })
		_, err := l.secret(ctx, true, "Password: ", "--password-stdin")
		if explain(err).exit != api.ExitTerminated {
			t.Errorf("%v", err)
		}
		silent.Close()
	})
}

// A prompt ends with its context.
func TestAwaitGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		typed := make(chan string)
		time.AfterFunc(time.Second, func() { cancel(&stopped{exit: 130}) })
		_, err := await(ctx, func() (string, error) { return <-typed, nil })
		var s *stopped
		if !errors.As(err, &s) {
			t.Errorf("%v", err)
		}
		typed <- "" // ends the reader
	})
}

func TestReadLineLeavesTheRest(t *testing.T) {
	in := strings.NewReader("one\r\ntwo\n\nlast")
	for _, want := range []string{"one", "two", "", "last"} {
		if got, err := readLine(in); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if _, err := readLine(in); err == nil {
		t.Error("a line after the end")
	}
	if _, err := readLine(strings.NewReader(strings.Repeat("x", 5000))); err == nil {
		t.Error("a line without end was accepted")
	}
}

// Large files have lines of their own below the line of all files. A single file
// has the latter only.
func TestFileLines(t *testing.T) {
	big := func(key string, state download.State) download.Transfer {
		return download.Transfer{Key: "dir/" + key, Size: 100e6, Done: 68e6, Rate: 24.1e6, State: state}
	}
	s := download.Snapshot{Files: 9, Transfers: []download.Transfer{
		{Folder: true, State: download.Running, Size: 1e9}, big("one\x1b[2J.parquet", download.Running), big("two.parquet", download.Done),
		{Key: "dir/small", Size: 4096, State: download.Running}, big("2025-consolidated-ledger-of-everything-that-there-is.parquet", download.Verifying),
		big("3", download.Running), big("4", download.Running), big("5", download.Running),
	}}
	for width, want := range map[int]string{
		79: `one\u{1b}[2J.parquet                      68% of  100 MB  24.1 MB/s
2025-consolidated-ledger-…re-is.parquet   68% of  100 MB  verifying
3                                         68% of  100 MB  24.1 MB/s
4                                         68% of  100 MB  24.1 MB/s`,
		40: `one\u{1…quet   68% of  100 MB  24.1 MB/s
2025-co…quet   68% of  100 MB  verifying
3              68% of  100 MB  24.1 MB/s
4              68% of  100 MB  24.1 MB/s`,
	} {
		got := fileLines(s, width)
		for _, l := range got {
			if ansi.StringWidth(l) > width {
				t.Errorf("a line of %d cells in %d: %q", ansi.StringWidth(l), width, l)
			}
		}
		if text := strings.Join(got, "\n"); text != want {
			t.Errorf("%d cells:\n%s\nwant\n%s", width, text, want)
		}
	}
	s.Files = 1
	if got := fileLines(s, 79); got != nil {
		t.Errorf("one file has %q", got)
	}
}

// The progress lines are removed at the end, and the title is restored.
func TestProgressIsErased(t *testing.T) {
	r, _, errs := reportTo(true, false)
	r.Getenv = func(name string) string {
		return map[string]string{"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty"}[name]
	}
	screen := vt.NewSafeEmulator(80, 10)
	_, _ = screen.Write([]byte("before\r\n"))
	s := download.Snapshot{Files: 2, Bytes: 200e6, BytesDone: 100e6, Transfers: []download.Transfer{
		{Key: "a", Size: 100e6, Done: 50e6, State: download.Running}, {Key: "b", Size: 100e6, Done: 50e6, State: download.Running},
	}}
	for range 3 {
		r.show(s)
	}
	_, _ = screen.Write(errs.Bytes())
	if text := screen.String(); strings.Count(text, "50% of  100 MB") != 2 || strings.Count(text, "100 MB of 200 MB") != 1 || !strings.HasPrefix(text, "before") {
		t.Errorf("drawn:\n%s", text)
	}
	if n := strings.Count(errs.String(), "usher get"); n != 1 {
		t.Errorf("the title was set %d times", n)
	}
	errs.Reset()
	r.line("a line that stays")
	_, _ = errs.WriteString(r.erase() + r.unchrome())
	_, _ = screen.Write([]byte(strings.ReplaceAll(errs.String(), "stays\n", "stays\r\n")))
	if text := strings.TrimSpace(screen.String()); text != "before\na line that stays" {
		t.Errorf("left on the screen:\n%s", text)
	}
	if !strings.Contains(errs.String(), popTitle) || !strings.Contains(errs.String(), ansi.ResetProgressBar) {
		t.Errorf("not put back: %q", errs)
	}
}

// A command that reads a log from a terminal stops at once.
func TestReconcileStopsReading(t *testing.T) {
	in, typing := io.Pipe()
	defer func() { _ = typing.Close() }()
	ctx, stop := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	stop(stopped)
	run := &reconcileRun{app: &app{Program: Program{In: in}}, life: 60}
	if err := run.run(ctx, []string{"-"}); !errors.Is(err, stopped) {
		t.Errorf("the error is %v", err)
	}
}
