package ledger_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/client/ledger"
)

func open(t *testing.T, state, dir string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(state, ledger.Pair{Server: "https://files.example.com", Path: "lab/d/", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, l *ledger.Ledger, dir, name string) {
	t.Helper()
	info, err := os.Lstat(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	l.Put(name, ledger.Entry{Key: "d/" + name, ETag: `"e"`, Mark: ledger.MarkOf(info)})
}

// Only the files of the ledger that are unchanged are removed.
func TestRemove(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, dir string)
		stays  string // a file that stays; "": the removal succeeds
	}{
		"unchanged": {func(*testing.T, string) {}, ""},
		"absent":    {func(t *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, "a", "x")) }, ""},
		"written":   {func(t *testing.T, dir string) { write(t, filepath.Join(dir, "a", "x"), "other") }, "a/x"},
		"same size and time": {func(t *testing.T, dir string) {
			path := filepath.Join(dir, "a", "x")
			info, _ := os.Lstat(path)
			_ = os.Remove(path)
			write(t, filepath.Join(dir, "a", "y"), "takes the inode")
			write(t, path, "1")
			_ = os.Chtimes(path, time.Time{}, info.ModTime())
		}, "a/x"},
		"a link": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "other"), "1")
			_ = os.Remove(filepath.Join(dir, "a", "x"))
			if err := os.Symlink("../other", filepath.Join(dir, "a", "x")); err != nil {
				t.Skip(err)
			}
		}, "other"},
		"a link above": {func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("b", filepath.Join(dir, "a")); err != nil {
				t.Skip(err)
			}
		}, "b/x"},
		"a folder": {func(t *testing.T, dir string) {
			_ = os.Remove(filepath.Join(dir, "a", "x"))
			write(t, filepath.Join(dir, "a", "x", "mine"), "1")
		}, "a/x/mine"},
	} {
		t.Run(name, func(t *testing.T) {
			state, dir := t.TempDir(), t.TempDir()
			l := open(t, state, dir)
			write(t, filepath.Join(dir, "a", "x"), "1")
			l.Made("a")
			put(t, l, dir, filepath.Join("a", "x"))
			c.change(t, dir)
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = root.Close() }()
			err = l.Remove(root, filepath.Join("a", "x"))
			if c.stays == "" {
				if err != nil {
					t.Error(err)
				}
				if _, err := os.Lstat(filepath.Join(dir, "a")); err == nil {
					t.Error("the empty folder is still there")
				}
			} else if _, serr := os.Stat(filepath.Join(dir, c.stays)); serr != nil || !errors.Is(err, ledger.ErrForeign) {
				t.Errorf("%v, %v", err, serr)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A ledger is read again, up to a line that is not whole, and one process has it.
func TestReopen(t *testing.T) {
	state, dir := t.TempDir(), t.TempDir()
	l := open(t, state, dir)
	for _, name := range []string{"a", "b", "c"} {
		write(t, filepath.Join(dir, name), name)
		put(t, l, dir, name)
	}
	if _, err := ledger.Open(state, ledger.Pair{Server: "https://files.example.com", Path: "lab/d/", Dir: dir}); !errors.Is(err, ledger.ErrBusy) {
		t.Errorf("a second one: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(state, "sync", "*.jsonl"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], whole[:len(whole)-3], 0o600); err != nil {
		t.Fatal(err)
	}
	l = open(t, state, dir)
	defer func() { _ = l.Close() }()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	for name, want := range map[string]bool{"a": true, "b": true, "c": false, "d": false} {
		if got := l.Unchanged(root, name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if err := l.Remove(root, "c"); !errors.Is(err, ledger.ErrForeign) {
		t.Errorf("a file whose line is lost: %v", err)
	}
}

// A ledger of other folders is refused. A line that no sync has written ends the
// ledger: the files of the lines after it count as foreign.
func TestDamagedLedger(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"empty":         {"", nil},
		"no JSON":       {"garbage\n", nil},
		"a long line":   {strings.Repeat("x", 2<<20), nil},
		"other folders": {`{"pair":{"server":"x","path":"y","dir":"z"}}` + "\n", ledger.ErrDamaged},
		"no folders":    {"{}\n", ledger.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			state, dir := t.TempDir(), t.TempDir()
			if err := open(t, state, dir).Close(); err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join(state, "sync", "*.jsonl"))
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			write(t, files[0], c.text)
			l, err := ledger.Open(state, ledger.Pair{Server: "https://files.example.com", Path: "lab/d/", Dir: dir})
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if err == nil {
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func ExampleLedger_Remove() {
	state, _ := os.MkdirTemp("", "usher-example-")
	defer func() { _ = os.RemoveAll(state) }()
	dir := filepath.Join(state, "reports")
	_ = os.Mkdir(dir, 0o700)
	_ = os.WriteFile(filepath.Join(dir, "mine.txt"), nil, 0o600)
	l, err := ledger.Open(state, ledger.Pair{Server: "https://files.example.com", Path: "lab/d/", Dir: dir})
	if err != nil {
		panic(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Remove(root, "mine.txt"))
	// Output: the file is not one that a sync put here, or has changed since
}
