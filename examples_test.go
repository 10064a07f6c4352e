package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/client/cli"
)

// example is one line that a reader can type.
type example struct{ from, line string }

// examples returns the lines of the help of every command, of the README and of the
// documents.
func examples(t *testing.T) (all []example) {
	t.Helper()
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, line := range joined(c.Example) {
			all = append(all, example{c.CommandPath() + " --help", line})
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(cli.Root(cli.Program{}))
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(files, "README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```").FindAllStringSubmatch(string(text), -1) {
			for _, line := range joined(block[1]) {
				all = append(all, example{name, line})
			}
		}
		for _, cell := range regexp.MustCompile("(?m)^\\| .* \\| (`usher .*) \\|$").FindAllStringSubmatch(string(text), -1) {
			for _, code := range regexp.MustCompile("`(usher [^`]+)`").FindAllStringSubmatch(cell[1], -1) {
				if len(code[0]) == len(cell[1]) || strings.ContainsAny(code[1], ":/'-") { // in a sentence, a command without arguments is a name
					all = append(all, example{name, strings.ReplaceAll(code[1], `\|`, "|")})
				}
			}
		}
	}
	return all
}

// called matches a line that runs usher.
var called = regexp.MustCompile(`^([A-Z_]+=\S+ |\(echo.*\| )*usher( |$)|^[^#]*(\||&&) usher `)

// joined returns the lines of a script, without comments, and with continued lines
// in one.
func joined(script string) (lines []string) {
	script = strings.ReplaceAll(script, "\\\n", "")
	script = regexp.MustCompile(`\|\n`).ReplaceAllString(script, "| ")
	for line := range strings.Lines(script) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
		line, _, _ = strings.Cut(line, " # ")
		if line = strings.TrimSpace(line); called.MatchString(line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// notHere are examples that need another place than a demo, with the reason. Their
// flags are checked.
var notHere = []struct{ begins, reason string }{
	{"usher demo", "serves until it is stopped"},
	{"usher serve", "needs a configuration of AWS"},
	{"go run", "serves until it is stopped"},
	{"AWS_ACCESS_KEY_ID", "needs an S3 server"},
	{"usher login --username robot", "needs an account of its own"},
	{"usher login", "needs a terminal"},
	{"(echo", "needs a code"},
	{"usher configure https://files.example.com#", "needs the pin of a server"},
	{"usher access explain --request", "needs the id of a request in the log"},
	{"usher access request --withdraw", "needs the id of a request for access"},
	{"usher access approve", "needs the id of a request for access"},
	{"usher access decline", "needs the id of a request for access"},
	{"usher marks show", "needs a set of marks"},
	{"usher diff", "ends with exit code 1 for versions that differ"},
	{"usher audit policy 5", "needs a version of the grants in the log"},
	{"usher audit policy --file", "needs a copy of the log"},
	{"usher audit verify", "needs the files of a server; docs of the log are tested with it"},
	{"usher audit backup", "needs the files of a server"},
	{"usher audit --file evidence.tar --screen", "needs a terminal"},
	{"usher audit reindex", "needs tables"},
	{"usher audit restart", "needs a stopped server"},
	{"usher audit witness", "serves until it is stopped"},
	{"usher audit reconcile", "needs the access logs of AWS"},
	{"usher audit by who --s3", "needs the access logs of AWS"},
	{"zcat", "needs the access logs of AWS"},
	{"sudo", "needs a server"},
	{"usher grants apply", "the demo has its grants in a file"},
	{"usher grants add", "the demo has its grants in a file"},
	{"usher grants remove", "the demo has its grants in a file"},
	{"usher man | man", "needs man(1)"},
	{"USHER_SERVER=", "needs a terminal"},
	{"usher deploy", "needs an account of AWS"},
	{"usher users", "needs an account of AWS"},
	{"usher company-reports", "opens the browser"},
	{"usher builds", "opens the browser"},
}

// Every example of the help, the README and the documents works for an account of
// the demo. An example that can't run here is a valid command line.
func TestExamplesRun(t *testing.T) {
	t.Parallel()
	w := demotest.Start(t, demo.Options{})
	homes := map[string]string{}
	for _, name := range []string{"alan", "margaret", "grace"} {
		home := t.TempDir()
		homes[name] = home
		c := commands{t: t, home: home, server: w.Server}
		args := []string{"login", "--username", name, "--password-stdin"}
		for _, p := range w.People {
			if p.Username != name {
				continue
			}
			stdin := p.Password + "\n"
			if p.TOTPSecret != "" {
				stdin, args = stdin+demotest.Code(t, p.TOTPSecret)+"\n", append(args, "--code-stdin")
			}
			if out, errs := c.run(stdin, args...); !strings.Contains(errs, "signed in") {
				t.Fatal(out, errs)
			}
		}
	}
	ran, checked := 0, 0
	dir := t.TempDir() // examples of one command use each other's files
	grants, err := os.ReadFile(w.GrantsFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "new.yaml"), grants, 0o600); err != nil {
		t.Fatal(err)
	}
	if exit, text := end(t, dir, homes["grace"], w.Server, []string{"audit", "export", "-o", "evidence.tar"}); exit != 0 {
		t.Fatal(text)
	}
	all := examples(t)
	slices.SortStableFunc(all, func(a, b example) int { // a sign-out ends the sessions of all copies
		return strings.Count(a.line, "logout") - strings.Count(b.line, "logout")
	})
	for _, e := range all {
		if reason := elsewhere(e.line); reason != "" {
			checked++
			if err := parses(e.line); err != nil {
				t.Errorf("%s: %s: %v", e.from, e.line, err)
			}
			continue
		}
		if testing.Short() { // make test runs them
			continue
		}
		ran++
		if problem := tryExample(t, e.line, w.Server, dir, homes); problem != "" {
			t.Errorf("%s: %s: no account can run it: %s", e.from, e.line, problem)
		}
	}
	t.Logf("%d examples ran, %d are valid command lines", ran, checked)
}

func elsewhere(line string) string {
	for _, row := range notHere {
		if strings.HasPrefix(line, row.begins) || line == "usher" {
			return row.reason
		}
	}
	return ""
}

// likely returns the people of the examples, with the one first that most likely may run
// a line: an auditor reads the log, and an admin has the grants.
func likely(line string) []string {
	switch {
	case strings.Contains(line, "usher audit"):
		return []string{"grace", "alan", "margaret"}
	case strings.Contains(line, "usher access") || strings.Contains(line, "usher grants"):
		return []string{"margaret", "alan", "grace"}
	}
	return []string{"alan", "margaret", "grace"}
}

// tryExample runs a line as each person until one may. It returns the failures.
func tryExample(t *testing.T, line, server, dir string, homes map[string]string) string {
	t.Helper()
	line = strings.ReplaceAll(line, "usher configure https://files.example.com", "usher configure --yes "+server)
	line = strings.ReplaceAll(line, "usher configure --yes --profile work https://files.example.com", "usher configure --yes --profile work "+server)
	problem := ""
	for _, name := range likely(line) {
		home := t.TempDir() // a sign-out of an example ends only its copy
		if out, err := exec.CommandContext(t.Context(), "cp", "-a", homes[name]+"/.", home).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", "set -e\n"+line)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home+"/.config", "XDG_STATE_HOME="+home+"/.local/state", "USHER_SERVER="+server, "TZ=UTC")
		out, err := cmd.CombinedOutput()
		if err == nil {
			return ""
		}
		problem += fmt.Sprintf("%s: %v: %.200s\n", name, err, out)
	}
	return problem
}

// parses checks the command and the flags of a line.
func parses(line string) error {
	words := strings.Fields(strings.NewReplacer(`"`, "", "'", "").Replace(line))
	for i, w := range words {
		if w != "usher" {
			continue
		}
		root := cli.Root(cli.Program{})
		end := len(words)
		for j := i + 1; j < len(words); j++ {
			if words[j] == "|" || words[j] == "<" || words[j] == ">" || words[j] == "&&" {
				end = j
				break
			}
		}
		c, rest, err := root.Find(words[i+1 : end])
		if err != nil {
			return err
		}
		return c.ParseFlags(rest)
	}
	return nil
}
