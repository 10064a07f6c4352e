package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Faults of one system alone are found there, in the program and in its tests.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":           "module m\n\ngo 1.26.0\n",
		"main.go":          "package main\n\nfunc main() { run() }\n",
		"run_unix.go":      "//go:build unix\n\npackage main\n\nimport \"syscall\"\n\nfunc run() { _ = syscall.Mkfifo(\"x\", 0) }\n",
		"run_windows.go":   "package main\n\nimport \"os\"\n\nfunc run() { n := 1; n = n; os.Exit(n) }\n",
		"main_test.go":     "package main\n\nimport \"testing\"\n\nfunc TestRun(t *testing.T) { run() }\n",
		"x_darwin_test.go": "package main\n\nvar _ int = \"\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for system, want := range map[string]string{"linux": "", "windows": "self-assignment", "darwin": "cannot use"} {
		faults, checked, err := check(dir, system, "amd64")
		if err != nil || checked < 2 {
			t.Fatalf("%s: %d packages, %v", system, checked, err)
		}
		if got := strings.Join(faults, "\n"); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q instead of %q", system, got, want)
		}
	}
}
