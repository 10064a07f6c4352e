package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Two builds of the program of the functions have the same bytes: its name in the
// account is its hash. With USHER_SOAK the whole program is built twice, in two
// folders with nothing in their caches.
func TestProgramIsReproducible(t *testing.T) {
	dir := t.TempDir()
	run := func(at string, more []string, name string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = at, append(os.Environ(), append(more, "CGO_ENABLED=0")...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}
	var made [2][]byte
	for i := range made {
		at := filepath.Join(dir, string(rune('a'+i)))
		if err := os.Mkdir(at, 0o700); err != nil {
			t.Fatal(err)
		}
		bootstrap := filepath.Join(at, "bootstrap")
		if os.Getenv("USHER_SOAK") != "" {
			from, source := ".", filepath.Join(at, "source")
			if i > 0 { // the commit of this folder can change meanwhile
				from = filepath.Join(dir, "a", "source")
			}
			run(".", nil, "git", "clone", "-q", from, source)
			run(source, []string{"GOCACHE=" + filepath.Join(at, "cache"), "GOOS=linux", "GOARCH=arm64"},
				"go", "build", "-trimpath", "-ldflags", "-s -w", "-tags", "nosandbox,lambda.norpc", "-o", bootstrap, ".")
		} else if err := os.WriteFile(bootstrap, bytes.Repeat([]byte("usher"), 100_000), 0o600); err != nil {
			t.Fatal(err)
		}
		old := time.Unix(int64(1_000_000_000+i), 0)
		if err := os.Chtimes(bootstrap, old, old); err != nil {
			t.Fatal(err)
		}
		run(".", nil, "go", "run", "./.ci/zip", filepath.Join(at, "lambda.zip"), bootstrap)
		var err error
		if made[i], err = os.ReadFile(filepath.Join(at, "lambda.zip")); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(made[0], made[1]) || len(made[0]) == 0 {
		t.Errorf("zips of %d and %d bytes differ", len(made[0]), len(made[1]))
	}
}
