package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// SIGHUP reloads the server and never ends it; SIGTERM ends it cleanly.
func TestServeReloadsOnHangup(t *testing.T) {
	program, err := exec.LookPath("usher")
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "usher.yaml")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure := func(organisation string) {
		write(config, fmt.Sprintf("organisation: %s\nlisten: %s\npublic_url: https://files.example.com\ntls: {proxy: true}\nregion: eu-west-1\n"+
			"user_pool_id: eu-west-1_AbCdEfGhI\nclient_id: 1example23456789\ngrants: grants.yaml\naudit: audit.db\n", organisation, address))
	}
	configure("First")
	write(filepath.Join(dir, "grants.yaml"), "grants: []\n")
	cmd := exec.CommandContext(t.Context(), program, "serve", "--config", config)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y", "AWS_EC2_METADATA_DISABLED=true")
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	await := func(words string) string {
		t.Helper()
		deadline := time.After(20 * time.Second)
		for {
			select {
			case line, ok := <-lines:
				if !ok {
					t.Fatalf("the server ended before %q", words)
				}
				if strings.Contains(line, words) {
					return line
				}
			case <-deadline:
				t.Fatalf("no line with %q", words)
			}
		}
	}
	await(`"listening"`)
	organisation := func() string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/v1/config", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "files.example.com"
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		text, err := bufio.NewReader(res.Body).ReadString('}')
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, name := range []string{"Second", "Third"} {
		configure(name)
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if line := await(`"reloaded"`); !strings.Contains(line, `"changed":["organisation"]`) {
			t.Errorf("the log has %s", line)
		}
		if got := organisation(); !strings.Contains(got, name) {
			t.Errorf("after the reload: %s", got)
		}
	}
	write(config, "listen: [")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await("configuration refused")
	if got := organisation(); !strings.Contains(got, "Third") {
		t.Errorf("after a bad configuration: %s", got)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range lines {
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}
