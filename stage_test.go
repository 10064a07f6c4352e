package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/backend/demo/demotest"
)

// stage is a terminal in which a scene is played.
type stage struct {
	columns, rows int
	tmux          bool // in tmux, with its default escape-time
}

// scenes plays a scene in a terminal of 80x24. With USHER_SCENES=all, which make soak
// sets, it also plays it in two larger terminals and in tmux.
func scenes(t *testing.T, play func(*testing.T, stage)) {
	t.Helper()
	t.Parallel()
	stages := []stage{{columns: 80, rows: 24}}
	if os.Getenv("USHER_SCENES") == "all" {
		stages = append(stages, stage{columns: 120, rows: 40}, stage{columns: 200, rows: 50}, stage{columns: 80, rows: 24, tmux: true})
	}
	for _, at := range stages {
		name := fmt.Sprintf("%dx%d", at.columns, at.rows)
		if at.tmux {
			name = "tmux"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, at)
		})
	}
}

// longScenes is scenes without the race detector, which makes these plays slow.
func longScenes(t *testing.T, play func(*testing.T, stage)) {
	t.Helper()
	if testing.Short() {
		t.Skip("played without the race detector")
	}
	scenes(t, play)
}

// open starts `usher ARGS` in an empty home. It returns the folder of the downloads too.
func (at stage) open(t testing.TB, w *demotest.Demo, args ...string) (*terminal, string) {
	t.Helper()
	cmd, downloads := usher(t, w, args...)
	return at.start(t, cmd), downloads
}

// again starts `usher ARGS` in the home of an ended program.
func (at stage) again(s *terminal, args ...string) *terminal {
	s.t.Helper()
	cmd := exec.Command(s.program, args...)
	cmd.Dir, cmd.Env = s.cmd.Dir, s.cmd.Env
	return at.start(s.t, cmd)
}

func (at stage) start(t testing.TB, cmd *exec.Cmd) *terminal {
	t.Helper()
	if !at.tmux {
		return start(t, cmd, at.columns, at.rows)
	}
	program, err := exec.LookPath("tmux")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "tmux") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "tmux.conf")
	if err := os.WriteFile(config, []byte("set -g remain-on-exit on\nset -g remain-on-exit-format ''\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tmux := func(args ...string) *exec.Cmd {
		c := exec.Command(program, append([]string{"-L", "scene", "-f", config}, args...)...)
		c.Dir, c.Env = cmd.Dir, append(cmd.Env, "TMUX_TMPDIR="+dir)
		return c
	}
	t.Cleanup(func() {
		endPanes(t, tmux)
		_ = tmux("kill-server").Run()
		_ = os.RemoveAll(dir)
	})
	// The row of tmux's own status line is below the program.
	s := start(t, tmux(append([]string{"new-session", "--"}, cmd.Args...)...), at.columns, at.rows+1)
	s.program, s.cmd.Env = cmd.Path, cmd.Env
	s.tmux = tmux
	s.pid = func() (int, error) {
		out, err := tmux("list-panes", "-F", "#{pane_pid}").Output()
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(string(out)))
	}
	s.until("tmux", func(string) bool {
		out, err := tmux("show-options", "-sv", "escape-time").Output()
		return err == nil && strings.TrimSpace(string(out)) == "500"
	})
	return s
}

// endPanes kills the programs of a tmux, and waits for their end. kill-server only sends
// a signal, so a program could still write to folders that the test removes.
func endPanes(t testing.TB, tmux func(...string) *exec.Cmd) {
	out, err := tmux("list-panes", "-a", "-F", "#{pane_dead} #{pane_pid}").Output()
	if err != nil { // no server: no program
		return
	}
	for line := range strings.Lines(string(out)) {
		dead, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		pid, err := strconv.Atoi(id)
		if err != nil || dead == "1" {
			continue
		}
		p, err := os.FindProcess(pid)
		if err != nil {
			continue
		}
		_ = p.Kill()
		for end := time.Now().Add(patience); !processEnded(p); <-time.After(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("process %d of tmux did not end after its kill", pid)
				break
			}
		}
		_ = p.Release()
	}
}

// processEnded reports whether a process of another parent has ended. A zombie has: its
// parent collects it later.
func processEnded(p *os.Process) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
	if err == nil {
		_, state, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
		return strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X")
	}
	return p.Signal(syscall.Signal(0)) != nil
}

// ends waits for the end of a program without an error. tmux loses some exit codes.
func (s *terminal) ends() {
	s.t.Helper()
	if s.tmux == nil {
		if code := s.quits(); code != 0 {
			s.t.Fatalf("exit code %d:\n%s", code, s.text())
		}
		return
	}
	s.until("the end of the program", func(string) bool {
		out, err := s.tmux("list-panes", "-F", "#{pane_dead} #{pane_dead_status}").Output()
		state := strings.TrimSpace(string(out))
		return err == nil && (state == "1" || state == "1 0")
	})
}

// answers presses a key in a dialog, which ignores keys for a moment, until it closes.
func (s *terminal) answers(title, key string) {
	s.t.Helper()
	s.shows(title)
	s.until("the end of the dialog", func(screen string) bool {
		select {
		case err := <-s.exited:
			s.exited <- err
			return true
		default:
		}
		if !strings.Contains(screen, title) {
			return true
		}
		_, _ = io.WriteString(s.pty, map[string]string{"enter": "\r"}[key]+strings.TrimPrefix(key, "enter"))
		return false
	})
}

// kill ends the program as a crash does.
func (s *terminal) kill() {
	s.t.Helper()
	pid, err := s.pid()
	if err == nil {
		var p *os.Process
		if p, err = os.FindProcess(pid); err == nil {
			err = p.Kill()
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if s.tmux == nil {
		s.quits()
	}
}

// result of a command that ran without a terminal.
type result struct {
	out, err string
	code     int
}

// runs starts `usher ARGS` without a terminal, in the home of s.
func (s *terminal) runs(args ...string) result {
	s.t.Helper()
	cmd := exec.Command(s.program, args...)
	cmd.Dir, cmd.Env = s.cmd.Dir, s.cmd.Env
	var out, fail strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &fail
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return result{out.String(), fail.String(), cmd.ProcessState.ExitCode()}
}

// home returns the home of the program.
func (s *terminal) home() string {
	for _, v := range s.cmd.Env {
		if home, ok := strings.CutPrefix(v, "HOME="); ok {
			return filepath.Clean(home)
		}
	}
	return ""
}
