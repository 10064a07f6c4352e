package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// shells returns the shells of this machine that must run docs/install.sh.
func shells(t *testing.T) (all [][]string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the script is for Linux and macOS")
	}
	for _, shell := range [][]string{{"sh"}, {"bash", "--posix"}, {"busybox", "sh"}} {
		if _, err := exec.LookPath(shell[0]); err == nil {
			all = append(all, shell)
		}
	}
	return all
}

// installer runs docs/install.sh with folders of its own.
type installer struct {
	t         *testing.T
	shell     []string
	home, tmp string
	script    string // "": docs/install.sh
}

func (i installer) run(args ...string) (string, int) {
	i.t.Helper()
	script, err := filepath.Abs(cmp.Or(i.script, filepath.Join(root, "docs", "install.sh")))
	if err != nil {
		i.t.Fatal(err)
	}
	argv := slices.Concat(i.shell, []string{script}, args)
	cmd := exec.CommandContext(i.t.Context(), argv[0], argv[1:]...)
	cmd.Env = []string{"HOME=" + i.home, "TMPDIR=" + i.tmp, "PATH=" + os.Getenv("PATH")}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // the exit code is part of the test
	if left, err := os.ReadDir(i.tmp); err != nil || len(left) > 0 {
		i.t.Errorf("install.sh %q leaves %v in the temporary folder: %v", args, left, err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// content returns each path below a folder with the sum of its file.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, info := strings.TrimPrefix(path, dir), fs.FileInfo(nil)
		if info, err = d.Info(); err != nil {
			return err
		}
		all[name] = info.Mode().String()
		if info.Mode().IsRegular() {
			body, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			all[name] += fmt.Sprintf(" %x", sha256.Sum256(body))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func same(t *testing.T, about string, before, after map[string]string) {
	t.Helper()
	for name := range maps.Keys(after) {
		if before[name] != after[name] {
			t.Errorf("%s: %s is left or changed", about, name)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			t.Errorf("%s: %s is gone", about, name)
		}
	}
}

// copied returns a copy of a release, which a test can damage.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// The script installs, updates and removes. Only the person's own files remain.
func TestInstall(t *testing.T) {
	shells := shells(t)
	body := tiny(t)
	first, second := made(t, "1.2.3", map[string][]byte{hostPlatform(): body}), made(t, "1.3.0", map[string][]byte{hostPlatform(): body})
	server := httptest.NewServer(http.FileServer(http.Dir(second.Out)))
	t.Cleanup(server.Close)
	for _, shell := range shells {
		t.Run(shell[0], func(t *testing.T) {
			i := installer{t: t, shell: shell, home: t.TempDir(), tmp: t.TempDir()}
			prefix := filepath.Join(t.TempDir(), "a prefix")
			foreign := filepath.Join(prefix, "share", "man", "man1", "other.1")
			if err := os.MkdirAll(filepath.Dir(foreign), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(foreign, []byte("other"), 0o600); err != nil {
				t.Fatal(err)
			}
			before := content(t, prefix)
			if out, code := i.run("--from", first.Out, "--prefix", prefix); code != 0 || !strings.Contains(out, "is installed in "+prefix+"/bin.") {
				t.Fatalf("%d: %s", code, out)
			}
			out, err := exec.CommandContext(t.Context(), filepath.Join(prefix, "bin", "usher")).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "usher") {
				t.Errorf("the program prints %s: %v", out, err)
			}
			for _, name := range []string{"/share/man/man1/usher-get.1", "/" + bashCompletion, "/share/doc/usher/LICENSE"} {
				if content(t, prefix)[name] == "" {
					t.Errorf("%s is not installed", name)
				}
			}
			// A file of the old version alone is removed by an update.
			if err := os.WriteFile(filepath.Join(prefix, "share", "usher", "old"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			list := filepath.Join(prefix, "share", "usher", "installed")
			if err := os.WriteFile(list, append([]byte("share/usher/old\n../outside\n"), read(t, filepath.Dir(list), "installed")...), 0o600); err != nil {
				t.Fatal(err)
			}
			outside := filepath.Join(filepath.Dir(prefix), "outside")
			if err := os.WriteFile(outside, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, code := i.run("--from="+server.URL+"/", "--prefix="+prefix); code != 0 {
				t.Fatalf("update: %d: %s", code, out)
			}
			if _, err := os.Lstat(filepath.Join(prefix, "share", "usher", "old")); err == nil {
				t.Error("the update keeps a file of the old version")
			}
			if out, code := i.run("--uninstall", "--prefix", prefix); code != 0 || !strings.Contains(out, "usher is removed") {
				t.Errorf("%d: %s", code, out)
			}
			same(t, "uninstall", before, content(t, prefix))
			if _, err := os.Lstat(outside); err != nil {
				t.Errorf("a line of the list removes a file outside of the prefix: %v", err)
			}
			if _, code := i.run("--uninstall", "--prefix", prefix); code != 4 {
				t.Errorf("a second removal ends with %d", code)
			}
			// Without a prefix the place is in HOME, unless root runs the script.
			if os.Getuid() != 0 {
				if out, code := i.run("--from", first.Out); code != 0 {
					t.Fatalf("%d: %s", code, out)
				}
				if out, code := i.run("--uninstall"); code != 0 || len(content(t, i.home)) != 0 {
					t.Errorf("%d: %s%v", code, out, content(t, i.home))
				}
			}
			fresh := filepath.Join(t.TempDir(), "fresh")
			i.run("--from", first.Out, "--prefix", fresh)
			i.run("--uninstall", "--prefix", fresh)
			if _, err := os.Lstat(fresh); err == nil {
				t.Errorf("the prefix that the installation created is left: %v", content(t, fresh))
			}
		})
	}
}

// A release that is damaged, incomplete or unreachable is not installed: an older
// usher stays as it was, and no file is left.
func TestInstallRefuses(t *testing.T) {
	shell := shells(t)[0]
	good := made(t, "1.2.3", map[string][]byte{hostPlatform(): tiny(t)}).Out
	archive := "usher_1.2.3_" + hostPlatform() + ".tar.gz"
	body, sums := read(t, good, archive), string(read(t, good, "SHA256SUMS"))
	edit := func(name string, to []byte) string {
		dir := copied(t, good)
		var err error
		if file := filepath.Join(dir, name); to == nil {
			err = os.Remove(file)
		} else {
			err = os.WriteFile(file, to, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	flipped := slices.Clone(body)
	flipped[len(flipped)/2] ^= 1
	var others, withoutSum []string
	for line := range strings.Lines(sums) {
		if strings.Contains(line, archive) {
			_, rest, _ := strings.Cut(line, "  ")
			others = append(others, strings.Repeat("0", 64)+"  "+rest)
			withoutSum = append(withoutSum, "  "+rest)
			continue
		}
		others, withoutSum = append(others, line), append(withoutSum, line)
	}
	packed := func(body []byte) string { // an archive with a right sum
		dir := edit(archive, body)
		if err := os.WriteFile(filepath.Join(dir, "SHA256SUMS"), fmt.Appendf(nil, "%x  %s\n", sha256.Sum256(body), archive), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	short := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "SHA256SUMS") {
			_, _ = w.Write([]byte(sums)) // a broken connection is part of the test
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body[:len(body)/2])
	}))
	t.Cleanup(short.Close)
	noProgram, err := release{Version: "1.2.3"}.tar(strings.TrimSuffix(archive, ".tar.gz"), []file{{"share/doc/usher/LICENSE", 0o644, nil}})
	if err != nil {
		t.Fatal(err)
	}
	blocked := t.TempDir() // a file at the place of a folder
	if err := os.WriteFile(filepath.Join(blocked, "share"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		args []string
		code int
	}{
		{"a changed archive", []string{"--from", edit(archive, flipped)}, 5},
		{"a truncated archive", []string{"--from", edit(archive, body[:len(body)-1])}, 5},
		{"an empty archive", []string{"--from", edit(archive, []byte{})}, 5},
		{"another sum", []string{"--from", edit("SHA256SUMS", []byte(strings.Join(others, "")))}, 5},
		{"a line without its sum", []string{"--from", edit("SHA256SUMS", []byte(strings.Join(withoutSum, "")))}, 5},
		{"a sum too short", []string{"--from", edit("SHA256SUMS", []byte(strings.ReplaceAll(sums, "  ", "  x")))}, 5},
		{"empty sums", []string{"--from", edit("SHA256SUMS", []byte{})}, 5},
		{"two sums", []string{"--from", edit("SHA256SUMS", []byte(strings.Join(others, "")+sums))}, 5},
		{"no sums", []string{"--from", edit("SHA256SUMS", nil)}, 5},
		{"no archive", []string{"--from", edit(archive, nil)}, 5},
		{"no gzip", []string{"--from", packed([]byte("no archive"))}, 5},
		{"a cut gzip", []string{"--from", packed(body[:len(body)/2])}, 5},
		{"no program", []string{"--from", packed(noProgram)}, 5},
		{"no server", []string{"--from", closed.URL}, 6},
		{"half a response", []string{"--from", short.URL}, 6},
		{"plain http", []string{"--from", "http://files.example.com/usher"}, 64},
		{"http of a host that begins like this machine", []string{"--from", "http://127.0.0.1.example.com/usher"}, 64},
		{"ftp", []string{"--from", "ftp://files.example.com/usher"}, 64},
		{"no folder", []string{"--from", filepath.Join(good, "absent")}, 64},
		{"no value", []string{"--from"}, 64},
		{"nothing", nil, 64},
		{"both", []string{"--from", good, "--uninstall"}, 64},
		{"an unknown flag", []string{"--from", good, "--force"}, 64},
	} {
		t.Run(row.name, func(t *testing.T) {
			i := installer{t: t, shell: shell, home: t.TempDir(), tmp: t.TempDir()}
			for _, old := range []bool{false, true} {
				prefix := t.TempDir()
				if old {
					if err := os.MkdirAll(filepath.Join(prefix, "bin"), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(filepath.Join(prefix, "bin", "usher"), []byte("the old one"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				before := content(t, prefix)
				out, code := i.run(append(slices.Clone(row.args), "--prefix="+prefix)...)
				if row.name == "no value" {
					out, code = i.run(row.args...)
				}
				if code != row.code || !strings.Contains(out, "install.sh: ") {
					t.Errorf("exit code %d instead of %d: %s", code, row.code, out)
				}
				same(t, "a refused installation", before, content(t, prefix))
			}
		})
	}
	i := installer{t: t, shell: shell, home: t.TempDir(), tmp: t.TempDir()}
	before := content(t, blocked)
	if out, code := i.run("--from", good, "--prefix", blocked); code != 7 {
		t.Errorf("a file in place of a folder: %d: %s", code, out)
	}
	same(t, "a blocked installation", before, content(t, blocked))
	// Control: without the comparison, an archive with another sum is installed.
	const guard = `[ "$got" = "$want" ] ||`
	text := string(read(t, filepath.Join(root, "docs"), "install.sh"))
	if strings.Count(text, guard) != 1 {
		t.Fatalf("install.sh has no %s", guard)
	}
	i.script = filepath.Join(t.TempDir(), "install.sh")
	if err := os.WriteFile(i.script, []byte(strings.Replace(text, guard, "true ||", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := i.run("--from", edit("SHA256SUMS", []byte(strings.Join(others, ""))), "--prefix", t.TempDir()); code != 0 {
		t.Errorf("the test does not depend on the comparison: %d: %s", code, out)
	}
}
