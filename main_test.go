package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/object/objecttest"
	"usher/client/cli"
)

// The scripts are command lines against `usher demo` in a separate process, with
// sign-in service, storage and backend over real HTTP.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"usher": main, "browser": playBrowser})
}

const scripts = "client/cli/testdata/script"

func TestScripts(t *testing.T) {
	found, err := filepath.Glob(filepath.Join(scripts, "*.txtar"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no scripts in %s: %v", scripts, err)
	}
	for _, name := range found {
		if text, err := os.ReadFile(name); err != nil || !strings.HasPrefix(string(text), "# ") {
			t.Errorf("%s does not begin with its promise as a comment: %v", name, err)
		}
	}
	dir, files := scripts, []string(nil)
	if testing.Short() { // the race detector: the scripts whose commands do several things at once
		dir = ""
		for _, name := range []string{"main-job", "interrupt", "sync", "sso", "verify", "hostile"} {
			files = append(files, filepath.Join(scripts, name+".txtar"))
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		Files:               files,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", filepath.Join(env.WorkDir, ".home"))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, ".home", "config"))
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, ".home", "state"))
			env.Setenv("TZ", "UTC")
			env.Values[demoKey{}] = &demoProcess{}
			env.Values[faultyKey{}] = new(*objecttest.Storage)
			env.Values[testKey{}] = t
			env.Values[jobKey{}] = new(*exec.Cmd)
			return os.MkdirAll(filepath.Join(env.WorkDir, ".home"), 0o700)
		},
		Condition: func(name string) (bool, error) {
			if name == "root" { // permissions do not apply to root
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("there is no condition %s", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"demo":      positive("demo", 0, beginDemo),
			"demoat":    positive("demoat FOLDER [FLAG...]", -1, beginDemoAt),
			"tables":    positive("tables", 0, beginTables),
			"faulty":    positive("faulty HOW", 1, faulty),
			"stop":      positive("stop", 0, endDemo),
			"totp":      positive("totp NAME", 1, writeCode),
			"full":      positive("full ARGS...", -1, full),
			"exits":     positive("exits CODE usher ARGS...", -2, exits),
			"same":      positive("same FILE BUCKET/KEY", 2, same),
			"store":     positive("store BUCKET/KEY FILE", 2, store),
			"fill":      positive("fill BUCKET/FOLDER/ NAMES", 2, storeAll),
			"versioned": positive("versioned BUCKET", 1, versioned),
			"unstore":   positive("unstore BUCKET/KEY", 1, unstore),
			"fetch":     positive("fetch STATUS FILE OUT", 3, fetch),
			"liar":      positive("liar HOW", 1, startLiar),
			"hung":      positive("hung PATH", 1, startHung),
			"garbage":   positive("garbage", 0, startGarbage),
			"clean":     positive("clean FOLDER [ALLOWED...]", -1, clean),
			"interrupt": positive("interrupt INT|TERM|KILL GLOB", 2, interrupt),
			"ended":     positive("ended CODE", 1, ended),
			"jsonlines": positive("jsonlines FILE KEY...", -2, jsonLines),
			"strict":    positive("strict FILE COMMAND...", -2, strict),
			"value":     positive("value NAME FILE FIELD", 3, value),
			"quiet":     positive("quiet FILE", 1, quiet),

			"eventually": positive("eventually COMMAND...", -1, eventually),
		},
	})
}

// positive returns a command without a negated form that takes n arguments, or at
// least -n of them.
func positive(usage string, n int, run func(*testscript.TestScript, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || n >= 0 && len(args) != n || n < 0 && len(args) < -n {
			ts.Fatalf("usage: %s", usage)
		}
		run(ts, args)
	}
}

// demoProcess is a running `usher demo --serve --json`.
type demoProcess struct {
	cmd   *exec.Cmd
	facts cli.DemoFacts
	tmp   string // its TMPDIR
}

type (
	demoKey struct{}
	jobKey  struct{}
)

// running returns the script's demo.
func running(ts *testscript.TestScript) *demoProcess {
	d := ts.Value(demoKey{}).(*demoProcess)
	if d.cmd == nil {
		ts.Fatalf("no demo is running: begin with the command demo")
	}
	return d
}

// beginDemo starts a demo, sets USHER_SERVER, DEMO_PIN, S3_ENDPOINT, DEMO_DIR and GRANTS,
// and writes a file NAME.pw with the password of each person.
func beginDemo(ts *testscript.TestScript, args []string) {
	program, err := exec.LookPath("usher")
	ts.Check(err)
	d := ts.Value(demoKey{}).(*demoProcess)
	d.tmp = ts.MkAbs(".demo-tmp")
	ts.Check(os.MkdirAll(d.tmp, 0o700))
	var problems bytes.Buffer
	cmd := exec.Command(program, append([]string{"demo", "--serve", "--json"}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+d.tmp)
	cmd.Dir, cmd.Stderr = d.tmp, &problems
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		_ = cmd.Wait()
		ts.Fatalf("the demo does not start: %v\n%s", err, problems.String())
	}
	ts.Check(json.Unmarshal(line, &d.facts))
	d.cmd = cmd
	ts.Setenv("USHER_SERVER", d.facts.Server)
	ts.Setenv("DEMO_PIN", d.facts.Pin)
	ts.Setenv("S3_ENDPOINT", d.facts.S3Endpoint)
	ts.Setenv("OWNER_KEY", d.facts.S3AccessKey)
	ts.Setenv("OWNER_SECRET", d.facts.S3SecretKey)
	ts.Setenv("GRANTS", d.facts.GrantsFile)
	ts.Setenv("DEMO_DIR", d.facts.Dir)
	for _, p := range d.facts.People {
		ts.Check(os.WriteFile(ts.MkAbs(p.Username+".pw"), []byte(p.Password+"\n"), 0o600))
	}
}

// beginDemoAt starts a demo that keeps its data in a folder.
func beginDemoAt(ts *testscript.TestScript, args []string) {
	beginDemo(ts, append([]string{"--dir", ts.MkAbs(args[0])}, args[1:]...))
}

// endDemo sends SIGTERM, and requires exit code 0 and no files left.
func endDemo(ts *testscript.TestScript, _ []string) {
	d := running(ts)
	ts.Check(d.cmd.Process.Signal(syscall.SIGTERM))
	if err := d.cmd.Wait(); err != nil {
		ts.Fatalf("the demo ended with %v", err)
	}
	clean(ts, []string{d.tmp})
}

// writeCode writes NAME.in: the password and a current code, one a line.
func writeCode(ts *testscript.TestScript, args []string) {
	for _, p := range running(ts).facts.People {
		if p.Username == args[0] {
			code, err := totp.GenerateCode(p.TOTPSecret, time.Now())
			ts.Check(err)
			ts.Check(os.WriteFile(ts.MkAbs(args[0]+".in"), []byte(p.Password+"\n"+code+"\n"), 0o600))
			return
		}
	}
	ts.Fatalf("there is no %s", args[0])
}

// exits runs a command and requires an exit code.
func exits(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	have := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		have = exit.ExitCode()
	}
	if have != want {
		ts.Fatalf("exit code %d, want %d", have, want)
	}
}

// Every command with output on stdout is run on a full disk in a script.
func TestEveryCommandOnAFullDisk(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(scripts, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString("\n" + string(raw))
	}
	silent := []string{"usher", "usher __line", "usher serve", "usher audit witness", "usher profiles use", "usher profiles remove", "usher marks save", "usher marks remove"}
	var missing func(cmd *cobra.Command)
	missing = func(cmd *cobra.Command) {
		for _, c := range cmd.Commands() {
			missing(c)
		}
		name := cmd.CommandPath()
		if cmd.HasSubCommands() && cmd.CommandPath() != "usher audit" || slices.Contains(silent, name) {
			return
		}
		if _, args, _ := strings.Cut(name, " "); !strings.Contains(all.String(), "\nfull "+args) {
			t.Errorf("no script runs %s on a full disk", name)
		}
	}
	missing(cli.Root(cli.Program{Version: "1.2.3"}))
}

// A password that is typed in a terminal is not echoed, and Ctrl-C at the prompt
// restores the terminal.
func TestLoginInATerminal(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	s, _ := open(t, w, 80, 24, "login")
	s.shows("User name at")
	before, err := term.GetState(int(s.pty.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	s.keys("ada", "enter")
	s.shows("Password:")
	s.keys("not-my-passw0rd")
	during, err := term.GetState(int(s.pty.Fd()))
	if err != nil || reflect.DeepEqual(before, during) {
		t.Errorf("the terminal still echoes: %v", err)
	}
	s.keys("ctrl+c")
	if code := s.quits(); code != api.ExitInterrupted {
		t.Errorf("exit code %d", code)
	}
	if after, err := term.GetState(int(s.pty.Fd())); err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("the terminal was not given back as it was: %v", err)
	}
	if screen := s.text(); strings.Contains(screen, "passw0rd") || !strings.Contains(screen, "Stopped.") {
		t.Errorf("the screen shows:\n%s", screen)
	}
}
