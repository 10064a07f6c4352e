package replace_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"usher/backend/replace"
)

func ExampleFile() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "state")
	for _, content := range []string{"one", "two"} {
		if err := replace.File(path, []byte(content)); err != nil {
			panic(err)
		}
	}
	got, err := os.ReadFile(path)
	fmt.Println(string(got), err)
	// Output: two <nil>
}

// A failure leaves the old content and no temporary file.
func TestFailure(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o700); err != nil { // a folder cannot be replaced
		t.Fatal(err)
	}
	if err := replace.File(path, []byte("new")); err == nil {
		t.Error("a folder was replaced")
	}
	if err := replace.File(filepath.Join(dir, "none", "state"), nil); err == nil {
		t.Error("stored without a folder")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v (%v)", entries, err)
	}
}

func TestMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := replace.File(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
