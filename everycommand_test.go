package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/client/cli"
)

// local are the commands that need no server, or that begin one. The table does not
// play them.
var local = map[string]bool{
	"demo": true, "serve": true, "man": true, "version": true, "config": true, "profiles list": true, "profiles use": true, "profiles show": true,
	"profiles remove": true, "audit backup": true, "audit verify": true, "audit reindex": true, "audit restart": true, "audit witness": true,
	"marks show": true, "marks save": true, "marks remove": true, "login": true, "logout": true, "configure": true, "help": true, "__line": true,
}

// words are values for the placeholders of a command's use.
var words = map[string]string{
	"PATH": "company-reports/none/none.txt", "DIR": "into", "USER": "grace", "GROUP": "finance-team", "FILE": "list.yaml", "QUERY": "who:ada", "TEXT|GLOB": "none", "WHAT": "who", "ID": "0123456789abcdef", "NAME|N": "volume",
}

// arguments returns arguments for a command, from its use.
func arguments(c *cobra.Command) []string {
	args := strings.Fields(strings.TrimPrefix(c.CommandPath(), "usher "))
	for _, w := range strings.Fields(c.Use)[1:] {
		optional := strings.HasPrefix(w, "[")
		value, ok := words[strings.Trim(w, "[].")]
		if ok && (!optional || strings.Contains(w, "PATH") || w == "[NAME|N]") {
			args = append(args, value)
		}
	}
	if f := c.Flags().Lookup("yes"); f != nil && c.Name() == "apply" {
		args = append(args, "--yes")
	}
	if c.Flags().Lookup("finding") != nil {
		args = append(args, "--finding", "none")
	}
	return args
}

// Every command that needs a server ends with the right exit code and one sentence,
// without a network, without a session, and with a path that does not exist. The
// commands come from the tree, so that a new one is played too.
func TestEveryCommandFails(t *testing.T) {
	if testing.Short() {
		t.Skip("make test plays the table")
	}
	t.Parallel()
	w := demotest.Start(t, demo.Options{})
	grants, err := os.ReadFile(w.GrantsFile)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "list.yaml"), grants, 0o600); err != nil {
		t.Fatal(err)
	}
	signedIn := t.TempDir()
	c := commands{t: t, home: signedIn, server: w.Server}
	for _, p := range w.People {
		if p.Username == "ada" {
			c.run(p.Password+"\n", "login", "--username", "ada", "--password-stdin")
		}
	}
	played := 0
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
		name := strings.TrimPrefix(cmd.CommandPath(), "usher ")
		if !cmd.Runnable() || !cmd.HasParent() || local[name] || strings.HasPrefix(name, "completion") || len(cmd.Commands()) > 0 && name != "audit" || cmd.Annotations["offline"] != "" {
			return
		}
		played++
		args := arguments(cmd)
		for _, row := range []struct {
			name, home, server string
			exit               map[int]bool
		}{
			{"without a network", signedIn, "http://127.0.0.1:9", map[int]bool{6: true}},
			{"without a session", t.TempDir(), w.Server, map[int]bool{3: true}},
			{"with a wrong path or without a right", signedIn, w.Server, map[int]bool{0: true, 4: true, 64: true}},
		} {
			switch top, _, _ := strings.Cut(name, " "); {
			case top == "deploy" || top == "users": // they call AWS, without credentials here
				row.exit = map[int]bool{6: true, 64: true}
			case name == "audit reconcile": // the file is no log of AWS
				row.exit[1] = true
			}
			exit, text := end(t, dir, row.home, row.server, args)
			lines := strings.Split(strings.TrimSpace(text), "\n")
			last := lines[len(lines)-1]
			if !row.exit[exit] {
				t.Errorf("usher %s %s: exit code %d: %s", strings.Join(args, " "), row.name, exit, last)
			}
			if exit != 0 && !regexp.MustCompile(`^usher: [A-Z0-9/a-z].*[.)]$`).MatchString(last) {
				t.Errorf("usher %s %s: no sentence: %q", strings.Join(args, " "), row.name, last)
			}
		}
	}
	visit(cli.Root(cli.Program{}))
	t.Logf("%d commands", played)
	if played < 15 {
		t.Errorf("only %d commands", played)
	}
}

// end runs a command and returns its exit code and stderr.
func end(t *testing.T, dir, home, server string, args []string) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "usher", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home+"/.config", "XDG_STATE_HOME="+home+"/.local/state", "USHER_SERVER="+server, "TZ=UTC")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	_ = cmd.Run() // the exit code is checked
	return cmd.ProcessState.ExitCode(), errs.String()
}
