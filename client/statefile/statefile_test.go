package statefile_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"usher/client/statefile"
)

type folder string

func (f folder) StateFile(name string) string          { return filepath.Join(string(f), name) }
func (f folder) LoadState(name string) ([]byte, error) { return os.ReadFile(f.StateFile(name)) }
func (f folder) SaveState(name string, data []byte) error {
	return os.WriteFile(f.StateFile(name), data, 0o600)
}

type count struct {
	Version int `json:"version"`
	N       int `json:"n"`
}

// Changes at the same time are made one after the other, so none is lost.
func TestChange(t *testing.T) {
	dir := folder(t.TempDir())
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			file := statefile.New(dir, "count", 1, "https://files.example.com", "ada")
			err := file.Change(func() ([]byte, error) {
				c, err := statefile.Read[count](file)
				if err != nil {
					return nil, err
				}
				return statefile.Encode(count{1, c.N + 1})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if c, err := statefile.Read[count](statefile.New(dir, "count", 1, "https://files.example.com", "ada")); err != nil || c.N != 20 {
		t.Errorf("%+v, %v", c, err)
	}
	for _, other := range []statefile.File{
		statefile.New(dir, "count", 1, "https://files.example.com", "grace"),
		statefile.New(dir, "count", 1, "https://other.example.com", "ada"),
		statefile.New(dir, "sum", 1, "https://files.example.com", "ada"),
	} {
		if c, err := statefile.Read[count](other); err != nil || c.N != 0 {
			t.Errorf("the file of another: %+v, %v", c, err)
		}
	}
}

// A damaged file and one of an earlier version are like none; one of a newer program
// is refused.
func TestRead(t *testing.T) {
	dir := folder(t.TempDir())
	file := statefile.New(dir, "count", 2, "https://files.example.com", "ada")
	if err := file.Change(func() ([]byte, error) { return statefile.Encode(count{2, 7}) }); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(string(dir), "*.json"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	for content, want := range map[string]struct {
		n   int
		err error
	}{
		`{"version":2,"n":7}`:   {7, nil},
		`{"version":1,"n":7}`:   {0, nil},
		`{"version":2,"n":"7"}`: {0, nil},
		`{"version":2,"n":7`:    {0, nil},
		``:                      {0, nil},
		`{"version":3,"n":"x"}`: {0, statefile.ErrNewer},
	} {
		if err := os.WriteFile(found[0], []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := statefile.Read[count](file); c.N != want.n || !errors.Is(err, want.err) {
			t.Errorf("%s: %+v, %v", content, c, err)
		}
	}
}
