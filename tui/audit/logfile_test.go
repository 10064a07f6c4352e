package audit_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"usher/backend/api"
	"usher/backend/event"
	"usher/tui"
	"usher/tui/tuitest"
)

// The page of a log in a file has the result of its verification in the head, and no
// key of a server.
func TestLogFile(t *testing.T) {
	for name, x := range map[string]struct {
		fault, text string
		wait        time.Duration
		want        string
	}{
		"whole":   {text: "log whole up to 37", want: "log whole up to 37"},
		"faulty":  {fault: "the log is whole only up to 4: record 5 was changed", want: "record 5 was changed"},
		"pending": {text: "log whole", wait: time.Hour, want: "verifying the file"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				done := make(chan struct{})
				defer close(done)
				m, err := tui.NewLogFile(tui.LogFileDeps{
					Log: sample(), Name: "copy.db", Filter: "who:ada", Now: now, Theme: "dark", Zone: time.UTC,
					Verify: func(context.Context) (string, string) {
						if x.wait > 0 {
							<-done
						}
						return x.fault, x.text
					},
					Sent: func(context.Context, []event.By, string) (func([]string) string, error) {
						return func(keys []string) string { return "3 B of " + keys[0] }, nil
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				s := tuitest.Open(t, 100, 30, colorprofile.TrueColor, m)
				s.Wait(time.Second)
				s.Want(t, x.want, "copy.db", "who:ada", "download")
				s.Not(t, "V verify", "e export", "f follow")
				for _, k := range []string{"e", "V", "f", "o"} {
					s.Press(k)
					s.Want(t, "This log is a file")
				}
				s.Press("A", "X", "t", "i")
				s.Want(t, "newest first")
				s.Press("b", "w")
				s.Wait(time.Second)
				s.Want(t, "3 B of sub-ada")
				s.Press("?")
				s.Wait(time.Second)
				s.Not(t, "Transfers", "sign out")
				s.Press("esc")
				s.Wait(time.Second)
				s.Press(":")
				s.Wait(time.Second)
				s.Want(t, "Count the events")
				s.Not(t, "Transfers", "Sign out")
			})
		})
	}
}

// countless is a log without counts.
type countless struct{ *logbook }

func (countless) AuditSummary(context.Context, api.AuditSummaryRequest) (api.AuditSummaryResponse, error) {
	return api.AuditSummaryResponse{}, context.DeadlineExceeded
}

// The head has the result of the verification also if the counts fail. The counts of a
// file read its events, and can take longer than a call to a server.
func TestLogFileWithoutCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		verified := 0
		m, err := tui.NewLogFile(tui.LogFileDeps{
			Log: countless{sample()}, Name: "copy.db", Now: now, Theme: "dark", Zone: time.UTC,
			Verify: func(context.Context) (string, string) { verified++; return "", "log whole up to 37" },
		})
		if err != nil {
			t.Fatal(err)
		}
		s := tuitest.Open(t, 120, 40, colorprofile.TrueColor, m)
		s.Wait(time.Second)
		s.Want(t, "log whole up to 37")
		s.Press("ctrl+r")
		s.Wait(time.Second)
		if verified != 1 {
			t.Errorf("the file was verified %d times", verified)
		}
	})
}

// slowCounts is a log whose counts take some minutes.
type slowCounts struct{ *logbook }

func (s slowCounts) AuditSummary(ctx context.Context, in api.AuditSummaryRequest) (api.AuditSummaryResponse, error) {
	select {
	case <-time.After(3 * time.Minute):
		return s.logbook.AuditSummary(ctx, in)
	case <-ctx.Done():
		return api.AuditSummaryResponse{}, ctx.Err()
	}
}

// The counts of a large file can take some minutes.
func TestLogFileWithSlowCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := tui.NewLogFile(tui.LogFileDeps{
			Log: slowCounts{sample()}, Name: "copy.db", Now: now, Theme: "dark", Zone: time.UTC,
			Verify: func(context.Context) (string, string) { return "", "log whole up to 37" },
		})
		if err != nil {
			t.Fatal(err)
		}
		s := tuitest.Open(t, 120, 40, colorprofile.TrueColor, m)
		s.Wait(time.Minute)
		s.Want(t, "counting")
		s.Wait(3 * time.Minute)
		s.Not(t, "counting", "too long")
		s.Want(t, "denied")
	})
}

// The wheel and clicks move the cursor of a log in a file, if the mouse is on.
func TestMouseInLogFile(t *testing.T) {
	for _, on := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			m, err := tui.NewLogFile(tui.LogFileDeps{
				Log: sample(), Name: "copy.db", Now: now, Theme: "dark", Zone: time.UTC, Mouse: on,
				Verify: func(context.Context) (string, string) { return "", "log whole" },
			})
			if err != nil {
				t.Fatal(err)
			}
			s := tuitest.Open(t, 100, 30, colorprofile.TrueColor, m)
			s.Wait(time.Second)
			cursor := func() int {
				return slices.IndexFunc(strings.Split(s.Text(), "\n"), func(l string) bool { return strings.HasPrefix(l, "▌") && strings.Contains(l, ":") })
			}
			first := cursor()
			if first < 0 {
				t.Fatalf("no cursor on\n%s", s.Text())
			}
			s.Send(tea.MouseClickMsg{X: 20, Y: first + 2, Button: tea.MouseLeft})
			s.Wait(time.Second)
			if moved := cursor() - first; moved != map[bool]int{true: 2}[on] {
				t.Errorf("mouse %t: a click two rows below moved the cursor by %d\n%s", on, moved, s.Text())
			}
			s.Send(tea.MouseWheelMsg{X: 20, Y: first, Button: tea.MouseWheelUp})
			s.Wait(time.Second)
			if cursor() != first {
				t.Errorf("mouse %t: the wheel left the cursor on line %d, want %d", on, cursor(), first)
			}
		})
	}
}
