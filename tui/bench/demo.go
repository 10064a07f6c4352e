package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// folder is the folder of the demo that all programs show.
const folder = "datasets/public/sensor-readings/"

const newPassword = "Bench-of-the-browser-1"

// demo is a running demo with a signed-in person.
type demo struct {
	program, home string
	cmd           *exec.Cmd
}

// startDemo runs the demo and signs in a person with access to the folder.
func startDemo(ctx context.Context, program, home string) (*demo, error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	d := &demo{program: program, home: home}
	d.cmd = exec.CommandContext(ctx, program, "demo", "--serve", "--json")
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(syscall.SIGTERM) }
	d.cmd.Env = append(os.Environ(), "HOME="+home)
	d.cmd.Stderr = os.Stderr
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	if err := d.signIn(ctx, bufio.NewReader(out)); err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

func (d *demo) signIn(ctx context.Context, ready *bufio.Reader) error {
	line, err := ready.ReadBytes('\n')
	if err != nil {
		return err
	}
	var facts struct {
		Server string `json:"server"`
		People []struct {
			Username, Password string
			TOTPSecret         string `json:"totp_secret"`
			Temporary          bool
			SetUpMFA           bool `json:"set_up_mfa"`
			MailCodes          bool `json:"mail_codes"`
			SSOOnly            bool `json:"sso_only"`
		}
	}
	if err := json.Unmarshal(line, &facts); err != nil {
		return fmt.Errorf("reading the settings: %w", err)
	}
	// A saved server, as a person has it: its settings are not fetched at each start.
	if out, err := d.command(ctx, "configure", "--yes", facts.Server).CombinedOutput(); err != nil {
		return fmt.Errorf("saving the server: %w: %s", err, out)
	}
	for _, p := range facts.People {
		if p.TOTPSecret != "" || p.SetUpMFA || p.MailCodes || p.SSOOnly {
			continue
		}
		args, secrets := []string{"login", "--username", p.Username, "--password-stdin"}, p.Password+"\n"
		if p.Temporary {
			args, secrets = append(args, "--new-password-stdin"), secrets+newPassword+"\n"
		}
		login := d.command(ctx, args...)
		login.Stdin = strings.NewReader(secrets)
		if out, err := login.CombinedOutput(); err != nil {
			return fmt.Errorf("signing in %s: %w: %s", p.Username, err, out)
		}
		if d.command(ctx, "ls", folder).Run() == nil {
			return nil
		}
	}
	return errors.New("nobody can open " + folder)
}

func (d *demo) env() []string {
	return []string{"HOME=" + d.home, "XDG_CONFIG_HOME=" + d.home + "/config", "XDG_STATE_HOME=" + d.home + "/state"}
}

func (d *demo) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.program, args...)
	cmd.Env = append(os.Environ(), d.env()...)
	return cmd
}

func (d *demo) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	_ = d.cmd.Wait()
}

// candidate is the browser on the folder.
func (d *demo) candidate() candidate {
	return candidate{name: "usher", args: []string{d.program, folder}, key: "j", env: d.env()}
}

// copyNames makes empty files of the same names, sizes and times in dir. It returns the
// start of the first name, and the number of names.
func (d *demo) copyNames(ctx context.Context, dir string) (first string, n int, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", 0, err
	}
	out, err := d.command(ctx, "ls", "--json", folder).Output()
	if err != nil {
		return "", 0, err
	}
	for line := range strings.Lines(string(out)) {
		var e struct {
			Path     string    `json:"path"`
			Size     int64     `json:"size"`
			Modified time.Time `json:"modified"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return "", 0, err
		}
		name := strings.TrimPrefix(e.Path, folder)
		if name == "" || strings.HasSuffix(name, "/") {
			continue
		}
		if first == "" {
			first = name[:min(len(name), 8)]
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return "", 0, err
		}
		if err := errors.Join(os.Truncate(path, e.Size), os.Chtimes(path, e.Modified, e.Modified)); err != nil {
			return "", 0, err
		}
		n++
	}
	if n == 0 {
		return "", 0, errors.New("it has no files")
	}
	return first, n, nil
}
