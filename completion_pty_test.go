package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// oddNames are names with characters that a shell, or a pattern, gives a meaning.
// The first two characters of each select it.
var oddNames = []string{"01 a b", "02 it's", "03 $HOME", "04 ü ñ", `05 "q"`, "06 a;b&c|d", "07 (x) [y] {z}", `08 back\slash`, "09 `id`",
	"10 !bang", "11 a:b=c@d", "12 #x,y", "13 *?", "14 ~t", "15 $(touch ran)", "16 end ", "17 <in>out"}

// shells are the real shells, with the lines that prepare them.
var shells = []struct {
	name  string
	args  []string
	setup string
}{
	{"bash", []string{"--norc", "--noprofile", "-i"}, "set +H; PS1='> '; bind 'set enable-bracketed-paste off'; source <(usher completion bash)\n"},
	{"zsh", []string{"-f", "-i"}, "PS1='> '; autoload -Uz compinit; compinit -u -D; source <(usher completion zsh)\n"},
	{"fish", []string{"--no-config", "-i"}, "function fish_prompt; echo -n '> '; end; usher completion fish | source\n"},
}

// In each real shell, the Tab key completes names with spaces, quotes, unicode and
// signs of the shell, outside of quotes and inside of both kinds, and the command
// receives exactly these names. Nothing of a name is run.
func TestShellsComplete(t *testing.T) {
	t.Parallel()
	w := demotest.Start(t, demo.Options{})
	quoted := map[string][]string{"": oddNames, "'": oddNames, `"`: oddNames}
	switch {
	case testing.Short():
		quoted = map[string][]string{"": oddNames[:6]}
	case os.Getenv("USHER_SOAK") == "":
		quoted["'"], quoted[`"`] = []string{oddNames[1], oddNames[2], oddNames[8]}, []string{oddNames[2], oddNames[4], oddNames[9]}
	}
	for _, name := range oddNames {
		w.Put(t, "company-reports", "quarterly/odd ones/"+name, "x")
	}
	w.Put(t, "company-reports", "quarterly/bracket[1]/file", "x")
	for _, shell := range shells {
		program, err := exec.LookPath(shell.name)
		if err != nil {
			t.Logf("%s is not installed here, and is not tested", shell.name)
			continue
		}
		t.Run(shell.name, func(t *testing.T) {
			t.Parallel()
			s := openShell(t, w, program, shell.args, shell.setup, "ada")
			for quote, names := range quoted {
				begin := quote + "company-reports/quarterly/odd ones/"
				if quote == "" {
					begin = `company-reports/quarterly/odd\ ones/`
				}
				var line, want strings.Builder
				line.WriteString("usher stat --jq .path " + quote + "company-rep\tquart\todd\t01\t")
				want.WriteString("company-reports/quarterly/odd ones/01 a b\n")
				for _, name := range names {
					line.WriteString(" " + begin + name[:2] + "\t")
					want.WriteString("company-reports/quarterly/odd ones/" + name + "\n")
				}
				// A completed file is followed by a space, which is superfluous here.
				if got := s.output(strings.ReplaceAll(line.String(), "\t ", "\t")); got != want.String() {
					t.Errorf("in %q: %q, want %q\n%s", quote, got, want.String(), s.in.text())
				}
			}
			if got := s.output("usher stat --jq .path company-reports/quarterly/brack\tf\t"); got != "company-reports/quarterly/bracket[1]/file\n" {
				t.Errorf("a folder with brackets: %q", got)
			}
			if got := s.output("usher who\t--jq .person.username"); got != "ada\n" {
				t.Errorf("a command: %q\n%s", got, s.in.text())
			}
			if _, err := os.Stat(filepath.Join(s.dir, "ran")); !errors.Is(err, fs.ErrNotExist) {
				t.Error("a name was run as a command")
			}
		})
		for person, lines := range map[string]map[string]string{
			"margaret": {
				"usher access can --jq .user gra\t": "grace\n",
				"usher grants diff --help >/dev/null; usher access who --jq '.groups[0].group' company-rep\t": "external-auditors\n",
			},
			"grace": {
				"usher audit --jq .outcome outc\tall\t--limit 1 2>/dev/null":        "allowed\n",
				"usher audit --jq .outcome -outc\tden\t--limit 1 2>/dev/null":       "allowed\n",
				"usher audit --jq .user.username who:gra\t--limit 1 2>/dev/null":    "grace\n",
				"usher audit --jq .bucket path:company-rep\t --limit 1 2>/dev/null": "company-reports\n",
			},
		} {
			t.Run(shell.name+" of "+person, func(t *testing.T) {
				if testing.Short() || shell.name != "bash" && os.Getenv("USHER_SOAK") == "" {
					t.Skip("played by make soak")
				}
				t.Parallel()
				s := openShell(t, w, program, shell.args, shell.setup, person)
				for line, want := range lines {
					if got := s.output(line); got != want {
						t.Errorf("%q: %q, want %q", line, got, want)
					}
				}
			})
		}
	}
}

// shell is an interactive shell on a terminal, with a signed-in person.
type shell struct {
	t   *testing.T
	in  *terminal
	dir string
	n   int
}

func openShell(t *testing.T, w *demotest.Demo, program string, args []string, setup, person string) *shell {
	t.Helper()
	home := t.TempDir()
	c := commands{t: t, home: home, server: w.Server}
	for _, p := range w.People {
		if p.Username == person {
			c.run(p.Password+"\n", "login", "--username", person, "--password-stdin")
			c.run("", "ls", "company-reports/") // the log has an event of each term
		}
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home+"/.config", "XDG_STATE_HOME="+home+"/.local/state", "XDG_CACHE_HOME="+home+"/.cache",
		"XDG_DATA_HOME="+home+"/.data", "USHER_SERVER="+w.Server, "TERM=xterm-256color", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "HISTFILE=/dev/null")
	s := &shell{t: t, in: start(t, cmd, 200, 50), dir: home}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	s.send(setup)
	s.output("echo ready; clear")
	return s
}

func (s *shell) send(text string) {
	s.t.Helper()
	if _, err := s.in.pty.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// prompted reports whether the shell waits for a line: the terminal is the shell's
// then, and not the command's.
func (s *shell) prompted() bool {
	lines := strings.Fields(s.in.text())
	return len(lines) > 0 && lines[len(lines)-1] == ">"
}

// output types a line and returns the output of its command.
func (s *shell) output(line string) string {
	s.t.Helper()
	s.n++
	file := filepath.Join(s.dir, "out"+strings.Repeat("x", s.n))
	s.send(line + " >" + file + ".part; mv " + file + ".part " + file + "\r")
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if raw, err := os.ReadFile(file); err == nil && s.prompted() {
			return string(raw)
		}
	}
	s.t.Fatalf("no end of %q:\n%s", line, s.in.text())
	return ""
}
