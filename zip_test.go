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
// account is its hash. The whole build is played with USHER_SOAK.
func TestProgramIsReproducible(t *testing.T) {
	dir := t.TempDir()
	goTool := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
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
			goTool("build", "-trimpath", "-ldflags", "-s -w", "-tags", "nosandbox,lambda.norpc", "-o", bootstrap, ".")
		} else if err := os.WriteFile(bootstrap, bytes.Repeat([]byte("usher"), 100_000), 0o600); err != nil {
			t.Fatal(err)
		}
		old := time.Unix(int64(1_000_000_000+i), 0)
		if err := os.Chtimes(bootstrap, old, old); err != nil {
			t.Fatal(err)
		}
		goTool("run", "./.ci/zip", filepath.Join(at, "lambda.zip"), bootstrap)
		var err error
		if made[i], err = os.ReadFile(filepath.Join(at, "lambda.zip")); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(made[0], made[1]) || len(made[0]) == 0 {
		t.Errorf("zips of %d and %d bytes differ", len(made[0]), len(made[1]))
	}
}
