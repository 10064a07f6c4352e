package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// The main journey: sign in, browse, download, and find the download in the audit
// log. The window is resized meanwhile.
func TestMainJob(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	s, work := open(t, w, 120, 40)
	s.signIn(w, "grace")
	s.shows("company-reports › annual › audited", "2018-annual-report.pdf", "of 34, ") // her only folder
	s.hides("builds", "datasets", "quarterly", "board-packs")
	s.keys("h")
	s.shows("▌  audited/", "row 1 of 1")
	s.keys("h")
	s.shows("▌  annual/", "row 1 of 1")
	s.keys("enter")
	s.shows("▌  audited/", "row 1 of 1")
	s.keys("enter")
	s.shows("2018-annual-report.pdf", "of 34, ")

	const name = "2025-auditor-opinion-signed.pdf"
	s.keys("/", "opinion")
	s.shows("1 of 1, 100%, 34 in all")
	s.keys("enter", "d")
	s.until("the end of the download", func(screen string) bool {
		return strings.Contains(screen, "verified") && strings.Contains(screen, "1 file")
	})
	got, err := os.ReadFile(filepath.Join(work, "company-reports", "annual", "audited", name))
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.S3().GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("company-reports"), Key: aws.String("annual/audited/" + name)})
	if err != nil {
		t.Fatal(err)
	}
	want, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(got) != sha256.Sum256(want) {
		t.Errorf("the file has another SHA-256: %s", hex.EncodeToString(got[:min(8, len(got))]))
	}
	s.shows("here")

	for _, size := range [][2]int{{80, 24}, {200, 50}, {60, 15}, {120, 40}} {
		s.resize(size[0], size[1])
		if size[0] < 72 {
			s.shows("60x15")
			continue
		}
		s.shows("opinion", "● grace")
	}

	s.keys("esc") // alone: escape and a letter are one key in a terminal
	s.shows("of 34, ")
	s.keys("A")
	s.shows("Audit log", "download", "opinion", "session-start", "127.0.0.1")
	s.keys("q")
	s.hides("Audit log")
	s.keys("q")
	if code := s.quits(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.raw.Lock()
	defer s.raw.Unlock()
	for _, p := range w.People {
		if strings.Contains(string(s.raw.b), p.Password) {
			t.Errorf("the password of %s was on the terminal", p.Username)
		}
	}
	if left := s.text(); strings.Contains(left, "company-reports") {
		t.Errorf("after quitting the screen still shows:\n%s", left)
	}
}

// Ada has a folder open. After she is removed from her group, the folder closes
// and the screen shows the reason.
func TestAccessRemovedWhileTheFolderIsOpen(t *testing.T) {
	now := &shifted{}
	w := demotest.Start(t, demo.Options{Now: now.Now})
	s, _ := open(t, w, 80, 24)
	s.signIn(w, "ada")
	s.shows("annual/", "quarterly/") // her only bucket
	s.goTo("company-reports/quarterly/")
	s.shows("2018-q1/")
	_, err := w.Admin().AdminRemoveUserFromGroup(t.Context(), &cognitoidentityprovider.AdminRemoveUserFromGroupInput{
		UserPoolId: aws.String(w.UserPoolID), Username: aws.String("ada"), GroupName: aws.String("finance-team"),
	})
	if err != nil {
		t.Fatal(err)
	}
	now.Pass(31 * time.Second) // listings may use a check that is up to 30 s old
	s.keys("ctrl+r")
	s.hides("2018-q1/")
	s.until("why the folder closed", func(screen string) bool {
		return strings.Contains(screen, "no longer available") || strings.Contains(screen, "no bucket is open to your groups")
	})
}

// After an account is disabled, the screen shows that the session ended. The path
// and the marks stay.
func TestSessionEnded(t *testing.T) {
	now := &shifted{}
	w := demotest.Start(t, demo.Options{Now: now.Now})
	s, _ := open(t, w, 120, 40)
	s.signIn(w, "ada")
	s.goTo("company-reports/annual/")
	s.shows("audited/")
	if _, err := w.Admin().AdminUserGlobalSignOut(t.Context(), &cognitoidentityprovider.AdminUserGlobalSignOutInput{
		UserPoolId: aws.String(w.UserPoolID), Username: aws.String("ada"),
	}); err != nil {
		t.Fatal(err)
	}
	now.Pass(31 * time.Second)
	s.keys("ctrl+r")
	s.shows("Your sign-in has ended")
	// A dialog that opens by itself ignores keys at first, because they were
	// typed for the list.
	s.until("the sign-in", func(screen string) bool {
		if !strings.Contains(screen, "Password") {
			s.keys("enter")
			return false
		}
		return true
	})
	for _, p := range w.People {
		if p.Username == "ada" {
			s.keys(p.Password, "enter")
		}
	}
	s.shows("audited/", "annual")
}

// `usher demo` ends cleanly: the terminal is restored and the disk has no files.
func TestDemoLeavesNothing(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		s, _ := open(t, nil, 80, 24, "demo")
		s.shows("Demo accounts", "grace", "external-auditors")
		tmp := ""
		for _, e := range s.cmd.Env {
			if dir, ok := strings.CutPrefix(e, "TMPDIR="); ok {
				tmp = dir
			}
		}
		if made, err := os.ReadDir(tmp); err != nil || len(made) == 0 {
			t.Fatalf("where does the demo live? %v %v", made, err)
		}
		if err := s.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		want := api.ExitInterrupted
		if sig == syscall.SIGTERM {
			want = api.ExitTerminated
		}
		if code := s.quits(); code != want {
			t.Errorf("%v: exit code %d, want %d", sig, code, want)
		}
		if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
			t.Errorf("%v: left behind: %v %v", sig, left, err)
		}
		s.raw.Lock()
		if !strings.Contains(string(s.raw.b), "\x1b[?1049l") {
			t.Errorf("%v: the alternate screen was not left", sig)
		}
		s.raw.Unlock()
	}
}

// Hostile names are escaped before they reach the terminal.
func TestHostileNamesOnTheRealScreen(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	s, _ := open(t, w, 120, 40)
	s.signIn(w, "ada")
	w.Put(t, "company-reports", "annual/hostile/\x1b]0;owned\x07\x1b[2Jname\r\u202egpj.exe", "x")
	s.goTo("company-reports/annual/hostile/")
	s.shows(`\u{`)
	s.raw.Lock()
	defer s.raw.Unlock()
	if bad := regexp.MustCompile("owned\x07|\u202e").Find(s.raw.b); bad != nil {
		t.Errorf("%q reached the terminal", bad)
	}
}

// shifted is a clock ahead of real time.
type shifted struct{ ahead atomic.Int64 }

func (s *shifted) Now() time.Time       { return time.Now().Add(time.Duration(s.ahead.Load())) }
func (s *shifted) Pass(d time.Duration) { s.ahead.Add(int64(d)) }

// BenchmarkFirstFrame measures the time from the start of the process to the
// sign-in screen of `usher demo`: sandbox, backend and browser.
func BenchmarkFirstFrame(b *testing.B) {
	for b.Loop() {
		s, _ := open(b, nil, 120, 40, "demo")
		for !strings.Contains(s.text(), "Demo accounts") {
			select {
			case err := <-s.exited:
				b.Fatal(err)
			case <-time.After(time.Millisecond):
			}
		}
		b.StopTimer()
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		<-s.exited
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/frame")
}

// BenchmarkCursorMove counts the bytes written to the terminal for a cursor move
// in a folder of 2,000 entries, over SSH, at 120x40 with three panes, including
// the edges of the window. Each move waits until the previous one is drawn.
func BenchmarkCursorMove(b *testing.B) {
	b.Setenv("SSH_TTY", "/dev/pts/0")
	w := demotest.Start(b, demo.Options{})
	for i := range 2000 {
		w.Put(b, "company-reports", fmt.Sprintf("annual/many/%04d-report-of-the-day.csv", i), "x")
	}
	s, _ := open(b, w, 120, 40, "company-reports/annual/many/")
	s.signIn(w, "ada")
	s.shows("1,000 and more") // one page; the next one loads when the cursor is near its end
	settle := func(from int64) {
		for last := from; ; {
			<-time.After(20 * time.Millisecond)
			if now := s.bytes.Load(); now != from && now == last {
				return
			} else {
				last = now
			}
		}
	}
	total, moves := int64(0), 0
	for b.Loop() {
		before := s.bytes.Load()
		for range 200 {
			from := s.bytes.Load()
			s.keys("j")
			settle(from)
		}
		total, moves = total+s.bytes.Load()-before, moves+200
		s.keys("g") // the first row again, not counted
		settle(s.bytes.Load() - 1)
	}
	b.ReportMetric(float64(total)/float64(moves), "bytes/move")
}

// katherine must set up an authenticator app. The demo shows its code, in the
// browser and for `usher login` in another terminal.
func TestDemoSetsUpASecondFactor(t *testing.T) {
	s, _ := open(t, nil, 100, 40, "demo", "--dir", t.TempDir())
	s.shows("Sign in", "katherine", "must set up a code")
	s.keys("enter") // an empty form: the first account is selected
	s.until("ada chosen", func(screen string) bool {
		return strings.Contains(screen, "▌ada") || strings.Contains(screen, "User        ada")
	})
	s.keys("up", "enter") // katherine is the last
	s.shows("Set up your second factor", "Demo: the code now is")
	s.keys(demoCode(s))
	s.shows("● katherine")
}

func TestLoginSetsUpASecondFactor(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	s, _ := open(t, w, 100, 60, "login", "--username", "katherine")
	for _, p := range w.People {
		if p.Username == "katherine" {
			s.shows("Password:")
			s.keys(p.Password, "enter")
		}
	}
	s.shows("Code of your authenticator app:")
	s.keys(w.Sandbox.CodeNow("katherine"), "enter")
	s.shows("as katherine")
	if code := s.quits(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
