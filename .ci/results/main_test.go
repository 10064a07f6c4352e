package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// module writes a module with a passing, a failing and a broken package.
func module(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":            "module example\n\ngo 1.26\n",
		"good/good.go":      "package good\n",
		"good/good_test.go": "package good\n\nimport \"testing\"\n\nfunc TestFine(t *testing.T) { t.Log(\"AUTHZ cases=7\") }\n",
		"bad/bad.go":        "package bad\n",
		"bad/bad_test.go":   "package bad\n\nimport \"testing\"\n\nfunc TestFine(t *testing.T) {}\n\nfunc TestWrong(t *testing.T) { t.Error(\"one is not two\") }\n",
		"broken/broken.go":  "package broken\n\nvar x int = \"text\"\n",
		"broken/b_test.go":  "package broken\n",
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func results(t *testing.T, packages ...string) (file, out string, err error) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "events")
	var b strings.Builder
	err = run(file, append([]string{"go", "test", "-C", module(t), "-json"}, packages...), &b)
	return file, b.String(), err
}

// A passing package is one line. Its figures are in the file.
func TestPassingPackage(t *testing.T) {
	file, out, err := results(t, "./good")
	if err != nil || !strings.HasPrefix(out, "ok  \texample/good\t") || strings.Count(out, "\n") != 1 {
		t.Errorf("%v\n%s", err, out)
	}
	if raw, err := os.ReadFile(file); err != nil || !strings.Contains(string(raw), "AUTHZ cases=7") {
		t.Errorf("%v, the file has\n%s", err, raw)
	}
}

// The output of a failing package has the failure, and the exit code is that of go test.
func TestFailingPackage(t *testing.T) {
	_, out, err := results(t, "./...")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("the error is %v", err)
	}
	for _, want := range []string{"ok  \texample/good\t", "--- FAIL: TestWrong", "one is not two", "FAIL\texample/bad", "cannot use \"text\"", "FAIL\texample/broken"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "=== RUN") || strings.Contains(out, "--- PASS") {
		t.Errorf("lines of -v are printed:\n%s", out)
	}
}
