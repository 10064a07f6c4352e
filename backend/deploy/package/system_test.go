package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// installedSystem is a package manager with a root folder of its own.
type installedSystem struct {
	t    *testing.T
	root string
}

func (s installedSystem) run(args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), args[0], args[1:]...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

// files returns the tree without the database of the package manager.
func (s installedSystem) files(database string) map[string]string {
	all := content(s.t, s.root)
	for name := range all {
		if strings.HasPrefix(name, database) {
			delete(all, name)
		}
	}
	return all
}

// shell copies a shell with its libraries, so that the scripts of a package run in
// the root of the system.
func (s installedSystem) shell() {
	s.t.Helper()
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		s.t.Fatal(err)
	}
	names := map[string]string{"/bin/sh": sh}
	for _, word := range strings.Fields(s.run("ldd", sh)) {
		if filepath.IsAbs(word) {
			names[word] = word
		}
	}
	for to, from := range names {
		body, err := os.ReadFile(from)
		if err != nil {
			s.t.Fatal(err)
		}
		at := filepath.Join(s.root, to)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(at, body, 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
}

// newSystem returns an empty root. Package managers need a real or a mapped root.
func newSystem(t *testing.T, manager string) installedSystem {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("packages are for Linux")
	}
	if _, err := exec.LookPath(manager); err != nil {
		t.Skipf("%s is not installed", manager)
	}
	if os.Getuid() != 0 {
		t.Skip("an installation into another root needs root: unshare -r go test")
	}
	s := installedSystem{t, t.TempDir()}
	s.shell()
	// A system has these folders, with files of other packages.
	for _, dir := range []string{"usr/bin", "usr/share/man/man1", "usr/share/doc", "usr/lib/systemd/system", "var/lib", "var/tmp", "etc"} {
		if err := os.MkdirAll(filepath.Join(s.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.root, dir, "other"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// packages makes the packages of this machine's architecture, once for each test.
func packages(t *testing.T) release {
	t.Helper()
	body, err := os.ReadFile(usher(t))
	if err != nil {
		t.Fatal(err)
	}
	return made(t, "1.2.3-rc.1", map[string][]byte{hostPlatform(): body})
}

// The deb and the rpm are installed into a root of their own, used and removed. The
// tree is the same before and after.
func TestPackages(t *testing.T) {
	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	made := packages(t)
	for _, row := range []struct {
		manager, database, file string
		install, remove         func(s installedSystem, file string)
		own                     []string // files in this form of package alone
	}{
		{
			"dpkg", "/var/lib/dpkg", "usher_1.2.3~rc.1_" + runtime.GOARCH + ".deb",
			func(s installedSystem, file string) {
				if err := os.MkdirAll(filepath.Join(s.root, "var/lib/dpkg/updates"), 0o755); err != nil {
					s.t.Fatal(err)
				}
				for _, name := range []string{"status", "available"} {
					if err := os.WriteFile(filepath.Join(s.root, "var/lib/dpkg", name), nil, 0o600); err != nil {
						s.t.Fatal(err)
					}
				}
				s.run("dpkg", "--root="+s.root, "--force-bad-path", "--log=/dev/null", "-i", file)
				if got := s.run("dpkg", "--root="+s.root, "-s", "usher"); !strings.Contains(got, "Status: install ok installed") || !strings.Contains(got, "Version: 1.2.3~rc.1\n") {
					s.t.Error(got)
				}
			},
			func(s installedSystem, _ string) {
				s.run("dpkg", "--root="+s.root, "--force-bad-path", "--log=/dev/null", "-P", "usher")
			},
			[]string{"/usr/share/zsh/vendor-completions/_usher", "/usr/share/doc/usher/copyright"},
		},
		{
			"rpm", "/var/lib/rpm", "usher-1.2.3~rc.1-1." + machine + ".rpm",
			func(s installedSystem, file string) {
				s.run("rpm", "--root", s.root, "--dbpath", "/var/lib/rpm", "--nosignature", "-i", file)
				if got := s.run("rpm", "--root", s.root, "--dbpath", "/var/lib/rpm", "-V", "usher"); strings.TrimSpace(got) != "" {
					s.t.Error(got)
				}
			},
			func(s installedSystem, _ string) {
				s.run("rpm", "--root", s.root, "--dbpath", "/var/lib/rpm", "-e", "usher")
			},
			[]string{"/usr/share/zsh/site-functions/_usher", "/usr/share/doc/usher/LICENSE"},
		},
	} {
		t.Run(row.manager, func(t *testing.T) {
			s := newSystem(t, row.manager)
			before := s.files(row.database)
			row.install(s, filepath.Join(made.Out, row.file))
			have := s.files(row.database)
			for _, name := range append([]string{
				"/usr/bin/usher", "/usr/share/man/man1/usher.1.gz", "/usr/share/man/man1/usher-get.1.gz", "/" + "usr/" + bashCompletion,
				"/usr/share/fish/vendor_completions.d/usher.fish", unitFile, "/usr/share/doc/usher/README.md", "/usr/share/doc/usher/docs/serve.md",
			}, row.own...) {
				if have[name] == "" {
					t.Errorf("%s is not installed", name)
				}
			}
			s.use()
			row.remove(s, "")
			same(t, "removal of the package", before, s.files(row.database))
		})
	}
}

// use signs in to a demo of the installed program and downloads a file.
func (s installedSystem) use() {
	s.t.Helper()
	home := s.t.TempDir()
	program := filepath.Join(s.root, "usr/bin/usher")
	command := func(stdin string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(s.t.Context(), program, args...)
		cmd.Env, cmd.Dir, cmd.Stdin = []string{"HOME=" + home, "USHER_TZ=UTC"}, home, strings.NewReader(stdin)
		return cmd
	}
	demo := command("", "demo", "--serve", "--json")
	pipe, err := demo.StdoutPipe()
	if err == nil {
		err = demo.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		_ = demo.Process.Signal(os.Interrupt) // the process ends in any case
		_ = demo.Wait()
	}()
	line, err := bufio.NewReader(pipe).ReadBytes('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	var facts struct {
		Server string                                `json:"server"`
		People []struct{ Username, Password string } `json:"people"`
	}
	if err := json.Unmarshal(line, &facts); err != nil {
		s.t.Fatal(err)
	}
	ada := slices.IndexFunc(facts.People, func(p struct{ Username, Password string }) bool { return p.Username == "ada" })
	if ada < 0 {
		s.t.Fatalf("ada is missing: %s", line)
	}
	for _, step := range []struct {
		stdin, want string
		args        []string
	}{
		{"", `"platform":"` + runtime.GOOS + "/" + runtime.GOARCH, []string{"version", "--json"}},
		{"", "Saved as", []string{"configure", "--yes", facts.Server}},
		{facts.People[ada].Password + "\n", "signed in", []string{"login", "--username", "ada", "--password-stdin"}},
		{"", "company-reports/", []string{"ls"}},
	} {
		out, err := command(step.stdin, step.args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), step.want) {
			s.t.Errorf("usher %q: %v: %s", step.args, err, out)
		}
	}
}

// The unit is that of docs/serve.md, and systemd accepts it.
func TestUnit(t *testing.T) {
	unit := string(read(t, ".", "usher.service"))
	doc := string(read(t, filepath.Join(root, "docs"), "serve.md"))
	if !strings.Contains(doc, "```ini\n"+unit+"```\n") {
		t.Error("docs/serve.md has another unit")
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	// The program is not installed on this machine.
	file := filepath.Join(t.TempDir(), "usher.service")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(unit, "/usr/bin/usher", usher(t))), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", file).CombinedOutput(); err != nil || strings.Contains(string(out), "usher.service") {
		t.Errorf("%v: %s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=yes", "--threshold=20", file).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "nrecognized") { // an old systemd has no --offline
		t.Errorf("the exposure is above 2.0: %s", out)
	}
}
