package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const root = "../../.."

// scratch is a folder for the whole run.
var scratch string

// built builds usher for this machine, once for all tests.
var built = sync.OnceValues(func() (string, error) {
	file := filepath.Join(scratch, "usher")
	ldflags, err := exec.Command("make", "-s", "-C", root, "ldflags").Output() // of a release
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-C", root, "-ldflags", strings.TrimSpace(string(ldflags)), "-o", file, ".")
	cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return file, nil
})

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "usher-package-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(scratch) // a folder below the temporary one
	os.Exit(code)
}

func usher(t *testing.T) string {
	t.Helper()
	file, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// tiny is a program with the facts of the linker, and quick to compress.
func tiny(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	source := map[string]string{"go.mod": "module tiny\n\ngo 1.26.0\n", "main.go": "package main\n\nfunc main() { println(\"usher 1.2.3\") }\n"}
	for name, text := range source {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", "tiny", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	body, err := os.ReadFile(filepath.Join(dir, "tiny"))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// made returns a release of the given programs.
func made(t *testing.T, version string, programs map[string][]byte) release {
	t.Helper()
	tree, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r := release{
		Version: version, Date: time.Date(2026, 11, 28, 12, 0, 1, 0, time.UTC), Tree: tree,
		Programs: filepath.Join(dir, "programs"), Host: usher(t), Out: filepath.Join(dir, "release"),
	}
	for platform, body := range programs {
		system, _, _ := strings.Cut(platform, "_")
		file := filepath.Join(r.Programs, platform, program(system))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.check(); err != nil {
		t.Fatal(err)
	}
	if err := r.pack(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// allPlatforms returns one program for each platform of a release.
func allPlatforms(body []byte) map[string][]byte {
	return map[string][]byte{
		"linux_amd64": body, "linux_arm64": body, "darwin_amd64": body, "darwin_arm64": body, "windows_amd64": body, "windows_arm64": body,
	}
}

// Two releases of the same programs have the same bytes: archives, packages, SBOMs
// and sums. The time, the umask, the zone and the place of the files do not matter.
// USHER_SOAK builds all programs twice, in two clones with empty caches.
func TestReleaseIsReproducible(t *testing.T) {
	if os.Getenv("USHER_SOAK") != "" {
		first, second := whole(t), whole(t)
		compare(t, first, second, 22)
		boms, err := filepath.Glob(filepath.Join(first, "*.cdx.json"))
		if err != nil || len(boms) != 8 {
			t.Errorf("%d SBOMs: %v", len(boms), err)
		}
		for _, name := range boms {
			if !bytes.Contains(read(t, first, filepath.Base(name)), []byte(head(t))) {
				t.Errorf("%s has no commit", name)
			}
		}
		return
	}
	body := tiny(t)
	first := made(t, "1.2.3", allPlatforms(body))
	t.Setenv("TZ", "Pacific/Auckland")
	t.Setenv("LANG", "de_DE.UTF-8")
	t.Setenv("SOURCE_DATE_EPOCH", "1")
	second := made(t, "1.2.3", allPlatforms(body))
	compare(t, first.Out, second.Out, 18)
	// Control: another date gives other archives.
	third := second
	third.Date, third.Out = third.Date.Add(time.Hour), filepath.Join(t.TempDir(), "release")
	if err := third.pack(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"usher_1.2.3_linux_amd64.tar.gz", "usher_1.2.3_windows_amd64.zip", "usher_1.2.3_amd64.deb", "usher-1.2.3-1.x86_64.rpm"} {
		if bytes.Equal(read(t, third.Out, name), read(t, second.Out, name)) {
			t.Errorf("%s does not have the date of the commit", name)
		}
	}
}

// head returns the commit of this tree.
func head(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "-C", root, "rev-parse", "HEAD").Output()
	if err != nil {
		t.Skip("without git there is no commit")
	}
	return strings.TrimSpace(string(out))
}

// A program of a release shows its commit, the time of the commit, Go and the system,
// also if it was built in a linked worktree, where Go stores no commit.
func TestVersionOfAReleasedProgram(t *testing.T) {
	seconds, err := exec.CommandContext(t.Context(), "git", "-C", root, "log", "-1", "--format=%ct").Output()
	if err != nil {
		t.Skip("without git there is no commit")
	}
	version, err := exec.CommandContext(t.Context(), filepath.Join(root, ".ci", "version")).Output()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), usher(t), "version", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Version, Commit, Go, Platform string
		Date                          time.Time
		Modified                      *bool
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if got.Commit != head(t) || fmt.Sprintf("%d\n", got.Date.Unix()) != string(seconds) || got.Go != runtime.Version() ||
		got.Platform != runtime.GOOS+"/"+runtime.GOARCH || got.Modified == nil || got.Version+"\n" != string(version) {
		t.Errorf("usher version --json: %s", out)
	}
}

// whole returns the release of make release in a fresh clone with an empty cache.
func whole(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	clone := filepath.Join(dir, "usher")
	for _, args := range [][]string{{"git", "clone", "-q", root, clone}, {"make", "-C", clone, "release"}} {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "GOCACHE="+filepath.Join(dir, "cache"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	return filepath.Join(clone, "bin", "release")
}

func compare(t *testing.T, one, other string, files int) {
	t.Helper()
	entries, err := os.ReadDir(one)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != files {
		t.Errorf("the release has %d files instead of %d: %v", len(entries), files, entries)
	}
	for _, e := range entries {
		if !bytes.Equal(read(t, one, e.Name()), read(t, other, e.Name())) {
			t.Errorf("two builds of %s differ", e.Name())
		}
	}
	if !bytes.Equal(read(t, one, "SHA256SUMS"), read(t, other, "SHA256SUMS")) {
		t.Error("the sums differ")
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// Archives have the program, its manual pages, completions, license and documents.
func TestArchives(t *testing.T) {
	r := made(t, "1.2.3-rc.1", map[string][]byte{"linux_arm64": tiny(t), "windows_amd64": tiny(t)})
	modes := map[string]map[string]os.FileMode{"tar": {}, "zip": {}}
	z, err := gzip.NewReader(bytes.NewReader(read(t, r.Out, "usher_1.2.3-rc.1_linux_arm64.tar.gz")))
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(z); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(r.Date) || h.Uid != 0 || h.Gid != 0 {
			t.Errorf("%s: %v, %d:%d", h.Name, h.ModTime, h.Uid, h.Gid)
		}
		modes["tar"][strings.TrimPrefix(h.Name, "usher_1.2.3-rc.1_linux_arm64/")] = os.FileMode(h.Mode)
	}
	body := read(t, r.Out, "usher_1.2.3-rc.1_windows_amd64.zip")
	archive, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.File {
		modes["zip"][strings.TrimPrefix(f.Name, "usher_1.2.3-rc.1_windows_amd64/")] = f.Mode()
	}
	for form, program := range map[string]string{"tar": "bin/usher", "zip": "bin/usher.exe"} {
		if modes[form][program] != 0o755 {
			t.Errorf("the %s has %s with mode %v", form, program, modes[form][program])
		}
		for _, name := range []string{
			"share/man/man1/usher.1", "share/man/man1/usher-get.1", bashCompletion, zshCompletion, "share/fish/vendor_completions.d/usher.fish", "share/usher/usher.ps1",
			"share/doc/usher/LICENSE", "share/doc/usher/README.md", "share/doc/usher/CHANGELOG.md", "share/doc/usher/docs/serve.md",
		} {
			if modes[form][name] != 0o644 {
				t.Errorf("the %s has %s with mode %v", form, name, modes[form][name])
			}
		}
	}
}

// An SBOM names the modules of the program, and satisfies the schema of CycloneDX.
func TestSBOM(t *testing.T) {
	r := release{Version: "1.2.3", Date: time.Unix(1_700_000_000, 0).UTC()}
	body, err := os.ReadFile(usher(t))
	if err != nil {
		t.Fatal(err)
	}
	bom, err := r.sbom(body)
	if err != nil {
		t.Fatal(err)
	}
	schema := bomSchema(t)
	var value any
	if err := json.Unmarshal(bom, &value); err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("the SBOM breaks the schema: %v", err)
	}
	listed, err := exec.CommandContext(t.Context(), "go", "version", "-m", usher(t)).Output()
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for line := range strings.Lines(string(listed)) {
		if fields := strings.Fields(line); len(fields) >= 3 && fields[0] == "dep" {
			checked++
			if want := `"name": "` + fields[1] + `",` + "\n" + `      "version": "` + fields[2] + `"`; !bytes.Contains(bom, []byte(want)) {
				t.Errorf("the SBOM has no %s %s", fields[1], fields[2])
			}
		}
	}
	if checked < 40 || !bytes.Contains(bom, []byte(`"name": "std"`)) {
		t.Errorf("only %d modules were checked", checked)
	}
	// Control: the schema refuses a component without a name.
	value.(map[string]any)["components"] = []any{map[string]any{"type": "library"}}
	if err := schema.Validate(value); err == nil {
		t.Error("the schema accepts a component without a name")
	}
}

// bomSchema returns the schema of CycloneDX 1.6, from the files of its library.
func bomSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	for name, file := range map[string]string{"bom-1.6.schema.json": "", "spdx.schema.json": "", "jsf-0.82.schema.json": "jsf-0.82.schemax.json"} {
		if file == "" {
			file = name
		}
		body := read(t, filepath.Join(strings.TrimSpace(string(dir)), "schema"), file)
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if err := c.AddResource("http://cyclonedx.org/schema/"+name, doc); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// A release is refused without its facts, or over another one.
func TestReleaseIsRefused(t *testing.T) {
	good := release{Version: "1.2.3", Date: time.Unix(1, 0), Tree: ".", Programs: ".", Host: "usher", Out: "out"}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*release){
		"no version":    func(r *release) { r.Version = "" },
		"v in front":    func(r *release) { r.Version = "v1.2.3" },
		"a space":       func(r *release) { r.Version = "1.2.3 4" },
		"a folder":      func(r *release) { r.Version = "1.2.3-../x" },
		"no date":       func(r *release) { r.Date = time.Unix(0, 0) },
		"no programs":   func(r *release) { r.Programs = "" },
		"no tree":       func(r *release) { r.Tree = "" },
		"no out folder": func(r *release) { r.Out = "" },
	} {
		r := good
		change(&r)
		if err := r.check(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "kept"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good.Out = full
	if err := good.pack(t.Context()); err == nil {
		t.Error("a folder with files is accepted")
	}
}

// hostPlatform is the platform of this machine.
func hostPlatform() string { return runtime.GOOS + "_" + runtime.GOARCH }
