package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// release is a release to make. All fields but Functions are required.
type release struct {
	Version   string    // as in 1.2.3 or 1.2.3-rc.1
	Commit    string    // its hash, "" if it is not known
	Date      time.Time // of the commit: that of all files
	Tree      string    // root of the source tree: LICENSE, documents, the unit
	Programs  string    // folder with OS_ARCH/usher
	Functions []string  // zips of the functions of usher deploy
	Host      string    // a program for this machine
	Out       string    // a folder that does not exist or is empty
}

// file is one file of an archive or a package. Its name has slashes and is relative
// to the prefix of the installation.
type file struct {
	name string
	mode fs.FileMode
	body []byte
}

var versionForm = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$`)

// check returns an error for a missing or malformed field.
func (r release) check() error {
	switch {
	case !versionForm.MatchString(r.Version):
		return fmt.Errorf("the version %q is not like 1.2.3 or 1.2.3-rc.1", r.Version)
	case r.Date.Unix() <= 0:
		return errors.New("the date of the commit is missing: -date SECONDS")
	case r.Tree == "" || r.Programs == "" || r.Out == "" || r.Host == "":
		return errors.New("-tree, -programs and -out are required")
	}
	return nil
}

// program returns the name of the program on a system.
func program(system string) string {
	if system == "windows" {
		return "usher.exe"
	}
	return "usher"
}

// pack writes all files of the release.
func (r release) pack(ctx context.Context) error {
	if err := os.MkdirAll(r.Out, 0o777); err != nil {
		return err
	}
	if left, err := os.ReadDir(r.Out); err != nil || len(left) > 0 {
		return errors.Join(err, fmt.Errorf("the folder %s is not empty", r.Out))
	}
	shared, err := r.shared(ctx)
	if err != nil {
		return err
	}
	platforms, err := os.ReadDir(r.Programs)
	if err != nil {
		return err
	}
	for _, p := range platforms {
		system, arch, ok := strings.Cut(p.Name(), "_")
		if !ok || !p.IsDir() {
			return fmt.Errorf("%s in %s is not OS_ARCH", p.Name(), r.Programs)
		}
		body, err := os.ReadFile(filepath.Join(r.Programs, p.Name(), program(system)))
		if err != nil {
			return err
		}
		if err := r.platform(system, arch, body, shared); err != nil {
			return fmt.Errorf("%s: %w", p.Name(), err)
		}
	}
	if len(platforms) == 0 {
		return fmt.Errorf("%s has no programs", r.Programs)
	}
	if err := r.functions(); err != nil {
		return err
	}
	script, err := os.ReadFile(filepath.Join(r.Tree, "docs", "install.sh"))
	if err != nil {
		return err
	}
	if err := r.write("install.sh", script); err != nil {
		return err
	}
	return r.sums()
}

// platform writes the files of one program.
func (r release) platform(system, arch string, body []byte, shared []file) error {
	files := slices.Concat(shared, []file{{"bin/" + program(system), 0o755, body}})
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	name := "usher_" + r.Version + "_" + system + "_" + arch
	bom, err := r.sbom(body)
	if err == nil {
		err = r.write(name+".cdx.json", bom)
	}
	if err != nil {
		return err
	}
	var packed []byte
	if system == "windows" {
		name += ".zip"
		packed, err = r.zip(strings.TrimSuffix(name, ".zip"), files)
	} else {
		packed, err = r.tar(name, files)
		name += ".tar.gz"
	}
	if err == nil {
		err = r.write(name, packed)
	}
	if err == nil && system == "linux" {
		err = r.linux(arch, files)
	}
	return err
}

// shared returns the files that all platforms have: manual pages, completions and
// documents.
func (r release) shared(ctx context.Context) (all []file, err error) {
	dir, err := os.MkdirTemp("", "usher-release-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if _, err := r.run(ctx, "man", "--dir", dir); err != nil {
		return nil, err
	}
	for _, from := range []struct{ pattern, to string }{
		{filepath.Join(dir, "*.1"), "share/man/man1"},
		{filepath.Join(r.Tree, "*.md"), "share/doc/usher"},
		{filepath.Join(r.Tree, "LICENSE"), "share/doc/usher"},
		{filepath.Join(r.Tree, "docs", "*.md"), "share/doc/usher/docs"},
		{filepath.Join(r.Tree, "backend", "deploy", "package", "usher.service"), "share/doc/usher"},
	} {
		names, err := filepath.Glob(from.pattern)
		if err != nil || len(names) == 0 {
			return nil, errors.Join(err, fmt.Errorf("there is no %s", from.pattern))
		}
		for _, name := range names {
			body, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			all = append(all, file{path.Join(from.to, filepath.Base(name)), 0o644, body})
		}
	}
	for shell, name := range map[string]string{
		"bash": bashCompletion, "zsh": zshCompletion, "fish": "share/fish/vendor_completions.d/usher.fish", "powershell": "share/usher/usher.ps1",
	} {
		text, err := r.run(ctx, "completion", shell)
		if err != nil {
			return nil, err
		}
		all = append(all, file{name, 0o644, text})
	}
	return all, nil
}

// Completions, below the prefix.
const (
	bashCompletion = "share/bash-completion/completions/usher"
	zshCompletion  = "share/zsh/site-functions/_usher"
)

// run returns the output of the program of this machine. Its environment is empty but
// for the date of manual pages.
func (r release) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, r.Host, args...)
	cmd.Env = []string{"HOME=" + os.DevNull, "SOURCE_DATE_EPOCH=" + strconv.FormatInt(r.Date.Unix(), 10)}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("usher %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}

// write writes a file of the release.
func (r release) write(name string, body []byte) error {
	mode := fs.FileMode(0o644)
	if strings.HasSuffix(name, ".sh") {
		mode = 0o755
	}
	if err := os.WriteFile(filepath.Join(r.Out, name), body, mode); err != nil {
		return err
	}
	fmt.Printf("%-50s %9d bytes\n", name, len(body))
	return nil
}
