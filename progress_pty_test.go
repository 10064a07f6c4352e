//go:build !nosandbox

package main

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// painted finds a terminal sequence, or a carriage return within a line.
var painted = regexp.MustCompile("\x1b|\r[^\r\n]")

// The progress of commands is lines where no line may be changed: with TERM=dumb and
// for a screen reader. Control: any other terminal gets painted lines.
func TestProgressWithoutPainting(t *testing.T) {
	if testing.Short() {
		t.Skip("a pty")
	}
	t.Parallel()
	w := demotest.Start(t, demo.Options{})
	w.Put(t, "company-reports", "annual/audited/long/video.mov", strings.Repeat("0123456789abcdef", 1<<19))
	s, _ := open(t, w, 100, 30, "login", "--username", "grace")
	s.shows("Password:")
	s.keys(passwordOf(t, w, "grace"), "enter")
	s.shows("as grace")
	s.quits()
	const folder = "company-reports/annual/audited/long/"
	for _, command := range []struct{ name, args, progress string }{
		{"get", "get " + folder + "video.mov --limit 8M --stats 100ms -o DIR", "% .* of 8.39 MB"},
		{"sync", "sync " + folder + " DIR --limit 8M --stats 100ms", "% .* of 8.39 MB"},
		{"export", "audit export -o DIR/export.tar", ""}, // too short for a line
	} {
		for mode, paints := range map[string]bool{"TERM=dumb": false, "USHER_READER=1": false, "TERM=xterm-256color": true} {
			t.Run(command.name+" "+mode, func(t *testing.T) {
				t.Parallel()
				args := strings.Fields(strings.ReplaceAll(command.args, "DIR", t.TempDir()))
				cmd := exec.Command(s.program, args...)
				cmd.Dir, cmd.Env = s.cmd.Dir, append(slices.Clone(s.cmd.Env), mode)
				run := start(t, cmd, 100, 30)
				if code := run.quits(); code != 0 {
					t.Fatalf("exit code %d: %q", code, run.output())
				}
				out := run.output()
				if found := painted.FindString(out); (found != "") != paints {
					t.Errorf("painted by %q: %q", found, out)
				}
				if !paints && !regexp.MustCompile(command.progress).MatchString(out) {
					t.Errorf("no progress in %q", out)
				}
			})
		}
	}
}
