package rig

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMotoServe follows "On DynamoDB" in docs/serve.md, with the released program,
// moto under AWS's host name, versitygw, and the pool of the sandbox.
func TestMotoServe(t *testing.T) {
	endpoint := moto(t)
	if endpoint == "" {
		return // moto has logged it
	}
	p := startProduction(t)
	host := "dynamodb." + region + ".amazonaws.com"
	p.proxy.route(host, p.authority.front(t, host, strings.TrimPrefix(endpoint, "http://")))
	raw, err := os.ReadFile(p.config)
	must(t, err)
	files := "grants: grants.yaml\naudit: audit.db\n"
	if !strings.Contains(string(raw), files) {
		t.Fatalf("the configuration has no %q", files)
	}
	tables := "audit: dynamodb:usher-log\ngrants: dynamodb:usher-grants\nstate: dynamodb:usher-state\n"
	must(t, os.WriteFile(p.config, []byte(strings.Replace(string(raw), files, tables, 1)), 0o600))

	if out, err := p.server(t, "serve", "--config", p.config); err == nil || !strings.Contains(out, "--create-tables") {
		t.Fatalf("a start without tables: %v\n%s", err, out)
	}
	const created = "ready  usher-log\nready  usher-log-index\nready  usher-grants\nready  usher-state\n"
	for range 2 { // existing tables stay
		if out, err := p.server(t, "serve", "--config", p.config, "--create-tables"); err != nil || out != created {
			t.Fatalf("--create-tables: %v\n%s", err, out)
		}
	}
	out, err := p.server(t, "serve", "--config", p.config, "--check")
	if err != nil {
		t.Fatalf("--check: %v\n%s", err, out)
	}
	for _, want := range []string{"ok     log dynamodb:usher-log\n", "ok     grants dynamodb:usher-grants\n", "ok     state dynamodb:usher-state\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("--check has no line %q:\n%s", want, out)
		}
	}
	p.serve()
	p.configure(t)
	for _, name := range []string{"ada", "grace"} {
		p.ok(t, name, p.passwords[name]+"\n", "login", "--username", name, "--password-stdin")
	}
	if out, _, _ := p.run(t, "ada", "", "ls"); strings.Contains(out, reports) {
		t.Errorf("without grants, ada sees %q", out)
	}
	grants := filepath.Join(filepath.Dir(p.config), "grants.yaml") // of the server with files
	p.ok(t, "grace", "", "grants", "apply", grants)
	p.ls(t)
	p.get(t)
	p.ok(t, "grace", "", "grants", "add", "finance-team", reports+"/board/", "--break-glass", "--expires", "2h", "--reason", "incident 7")
	if out := p.ok(t, "ada", "", "ls", reports+"/board/"); !strings.Contains(out, "minutes.txt") {
		t.Errorf("after the emergency access: %q", out)
	}
	for filter, want := range map[string]string{"action:grants-changed": "grace", "action:alarm": "incident 7", "who:ada action:download": "annual/letter.txt"} {
		if out := p.ok(t, "grace", "", append([]string{"audit", "--json"}, strings.Fields(filter)...)...); !strings.Contains(out, want) {
			t.Errorf("%s: no %q in\n%.1000s", filter, want, out)
		}
	}
	if out, err := p.server(t, "audit", "reindex", "--config", p.config); err != nil || !strings.Contains(out, "The index is rebuilt from") {
		t.Errorf("reindex: %v\n%s", err, out)
	}
}

// server runs a command with the environment of the server and returns its output.
func (p *production) server(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.program, args...)
	cmd.Env = p.serverEnv
	out, err := cmd.CombinedOutput()
	return string(out), err
}
