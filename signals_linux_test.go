package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// underShell runs usher as a job of a shell, as on a real terminal: without one, the
// kernel ignores a suspension. A stopped job continues after a line on the terminal.
const underShell = `set -m
"$0" --fresh; end=$?
while [ $end = 147 ] || [ $end = 148 ] || [ $end = 149 ]; do echo STOPPED; read line; fg >/dev/null; end=$?; done
echo "EXIT $end"; read line`

// job is usher under a shell.
type job struct {
	*terminal
	mode string
}

func startJob(t *testing.T, cmd *exec.Cmd, mode string) *job {
	t.Helper()
	cmd.Args = []string{"sh", "-c", underShell, cmd.Path}
	cmd.Path = "/bin/sh"
	cmd.Env = append(cmd.Env, mode)
	return &job{start(t, cmd, 80, 24), mode}
}

// after waits for a text in the output beyond an offset.
func (j *job) after(from int, text string) {
	j.t.Helper()
	j.until(fmt.Sprintf("%q", text), func(string) bool { return strings.Contains(j.output()[from:], text) })
}

// pid returns the process of usher, the child of the shell.
func (j *job) pid() int {
	j.t.Helper()
	shell := strconv.Itoa(j.cmd.Process.Pid)
	raw, err := os.ReadFile("/proc/" + shell + "/task/" + shell + "/children")
	if err != nil {
		j.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		j.t.Fatalf("the shell has the children %q", raw)
	}
	return pid
}

// modes are the modes of the terminal that the program may set, as on and off.
var modes = [][2]string{{"\x1b[?1049h", "\x1b[?1049l"}, {"\x1b[?25l", "\x1b[?25h"}, {"\x1b[?2004h", "\x1b[?2004l"}, {"\x1b[?1002h", "\x1b[?1002l"}, {"\x1b[?1006h", "\x1b[?1006l"}}

// clean returns the reason that the terminal is not as before the program, or "".
func (j *job) clean() string {
	j.t.Helper()
	out := j.output()
	for _, m := range modes {
		if on, off := strings.LastIndex(out, m[0]), strings.LastIndex(out, m[1]); on > off {
			return fmt.Sprintf("mode %q is left", m[0])
		}
	}
	if !restored(j.t, j.terminal) {
		return "the terminal is in raw mode"
	}
	return ""
}

// suspend stops the program by ctrl+z, and continues it.
func (j *job) suspend() {
	j.t.Helper()
	from := len(j.output())
	j.keys("\x1a")
	j.after(from, "STOPPED")
	if why := j.clean(); why != "" {
		j.t.Errorf("suspended: %s", why)
	}
	from = len(j.output())
	j.keys("\n")
	j.shown(from)
}

// shown waits for a key that changes the screen: the program is not frozen.
func (j *job) shown(from int) {
	j.t.Helper()
	if j.mode == "TERM=dumb" {
		j.after(from, " of ")
	} else {
		j.after(from, "\x1b[?1049h")
	}
	from = len(j.output())
	j.keys("?")
	j.after(from, "Keys in")
	from = len(j.output())
	j.keys("esc")
	if j.mode == "TERM=dumb" {
		j.after(from, "Folder ")
	} else {
		j.hides("Keys in")
	}
}

// Signals and suspensions at random moments: the terminal is restored and no screen is
// frozen. Control: after a kill the terminal is not restored.
func TestSignalsRestoreTheTerminal(t *testing.T) {
	// A handled signal has its default in a child; under nohup, SIGHUP would be ignored.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	w := demotest.Start(t, demo.Options{})
	cmd, _ := usher(t, w, "login", "--username", "ada", "--password-stdin")
	for _, p := range w.People {
		if p.Username == "ada" {
			cmd.Stdin = strings.NewReader(p.Password + "\n")
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("signing in: %v\n%s", err, out)
	}
	rounds := 2 // one for each mode
	if os.Getenv("USHER_SOAK") != "" {
		rounds = 50
	}
	rnd := rand.New(rand.NewPCG(7, 0))
	signals := []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGKILL}
	for i := range rounds * len(signals) {
		signal, mode := signals[i%len(signals)], "TERM=xterm-256color"
		if i/len(signals)%2 == 1 {
			mode = "TERM=dumb"
		}
		again := exec.Command(cmd.Path)
		again.Dir, again.Env = cmd.Dir, slices.Clone(cmd.Env)
		j := startJob(t, again, mode)
		j.after(0, "company-reports")
		if rnd.IntN(2) == 0 {
			j.suspend()
		}
		for range rnd.IntN(12) {
			j.keys([]string{"j", "k", "enter", "h", "t", "esc", "/", "s", "tab", "\x0c", "v"}[rnd.IntN(11)])
		}
		<-time.After(time.Duration(rnd.IntN(30)) * time.Millisecond)
		j.ended(signal)
	}
}

// ended sends a signal, waits for the end, and checks the terminal.
func (j *job) ended(signal syscall.Signal) {
	j.t.Helper()
	if err := syscall.Kill(j.pid(), signal); err != nil {
		j.t.Fatal(err)
	}
	j.after(0, "EXIT 1")
	why := j.clean()
	switch killed := signal == syscall.SIGKILL; {
	case why != "" && !killed:
		j.t.Errorf("%s, %v: %s", j.mode, signal, why)
	case why == "" && killed:
		j.t.Errorf("%s: a killed program left a clean terminal: this test sees nothing", j.mode)
	}
	_ = j.cmd.Process.Kill()
}

// Signals and suspensions at each step of a sign-in restore the terminal too. A
// suspended field is shown again and takes keys.
func TestSignalsDuringTheSignIn(t *testing.T) {
	t.Parallel()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	w := demotest.Start(t, demo.Options{})
	rounds := 2 // one for each mode
	if os.Getenv("USHER_SOAK") != "" {
		rounds = 50
	}
	rnd := rand.New(rand.NewPCG(11, 0))
	steps := []struct {
		keys []string
		page string // on the screen
		line string // in lines
	}{
		{nil, "Password", "User, text field"},
		{[]string{"alan", "tab", "secret"}, "Password", "Password, text field"},
		// While the password is proved, or after it. Many wrong passwords lock the account.
		{[]string{"grace", "tab", "wrong", "enter"}, "Password", "text field"},
		{[]string{"alan", "tab", passwordOf(t, w, "alan"), "enter"}, "Code", "Code"},
	}
	signals := []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGKILL}
	for i := range rounds * len(signals) {
		mode := "TERM=xterm-256color"
		if i/len(signals)%2 == 1 {
			mode = "TERM=dumb"
		}
		step := steps[rnd.IntN(len(steps))]
		cmd, _ := usher(t, w)
		j := startJob(t, cmd, mode)
		shown := map[bool]string{true: steps[0].line, false: steps[0].page}[mode == "TERM=dumb"]
		j.after(0, shown)
		j.keys(step.keys...)
		if rnd.IntN(2) == 0 {
			j.after(0, map[bool]string{true: step.line, false: step.page}[mode == "TERM=dumb"])
			j.suspendField()
		}
		<-time.After(time.Duration(rnd.IntN(300)) * time.Millisecond)
		j.ended(signals[i%len(signals)])
	}
}

// suspendField is suspend in a text field, where a probe is a letter or the next field.
func (j *job) suspendField() {
	j.t.Helper()
	from := len(j.output())
	j.keys("\x1a")
	j.after(from, "STOPPED")
	if why := j.clean(); why != "" {
		j.t.Errorf("suspended: %s", why)
	}
	from = len(j.output())
	j.keys("\n")
	if j.mode == "TERM=dumb" {
		j.after(from, "text field")
	} else {
		j.after(from, "\x1b[?1049h")
		j.shows("usher")
	}
	from = len(j.output())
	j.keys("\x0c") // draws or repeats the page
	j.until("an answer to a key", func(string) bool { return len(j.output()) > from })
}
