package places_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/client/places"
	"usher/session"
)

var epoch = time.Date(2026, 11, 23, 9, 12, 4, 0, time.UTC)

func folders(t *testing.T) session.Folders {
	t.Helper()
	return session.Folders{State: filepath.Join(t.TempDir(), "state")}
}

func path(s string) *string { return &s }

// file returns the only file with places in a folder.
func file(t *testing.T, f session.Folders) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(f.State, "places-*.json"))
	if err != nil || len(found) != 1 {
		t.Fatalf("files %q, %v", found, err)
	}
	return found[0]
}

func TestStore(t *testing.T) {
	f := folders(t)
	s := places.New(f, "https://files.example.com", "sub-1")
	if got := s.Load(); !reflect.DeepEqual(got, places.State{}) {
		t.Errorf("without a file: %+v", got)
	}
	for _, c := range []places.Change{
		{},
		{Last: path("builds/"), Folders: []places.Folder{{Path: "builds/", Visits: 1, At: epoch}, {Path: "datasets/a\x1b[2J/", Row: "b\u202e.csv", Visits: 1, At: epoch}}},
		{Folders: []places.Folder{{Path: "builds/", Row: "nightly/", Visits: 2, At: epoch.Add(time.Hour)}}, Order: &places.Order{By: "size", Reverse: true, Hidden: true}},
		{Bookmarks: map[string]string{"a": "builds/", "b": "builds/nightly/"}, Filters: []string{"x", "y"}},
		{Bookmarks: map[string]string{"a": ""}, Filters: []string{"x"}},
	} {
		if err := s.Save(c); err != nil {
			t.Fatal(err)
		}
	}
	want := places.State{
		Last:    "builds/",
		Folders: []places.Folder{{Path: "datasets/a\x1b[2J/", Row: "b\u202e.csv", Visits: 1, At: epoch}, {Path: "builds/", Row: "nightly/", Visits: 3, At: epoch.Add(time.Hour)}},
		Order:   places.Order{By: "size", Reverse: true, Hidden: true}, Bookmarks: map[string]string{"b": "builds/nightly/"}, Filters: []string{"y", "x"},
	}
	if got := s.Load(); !reflect.DeepEqual(got, want) {
		t.Errorf("stored\n%+v, want\n%+v", got, want)
	}
	if info, err := os.Stat(file(t, f)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// The places of a person are not those of another one, or of another server.
func TestOwnPlaces(t *testing.T) {
	f := folders(t)
	if err := places.New(f, "https://a", "sub-1").Save(places.Change{Last: path("secret/")}); err != nil {
		t.Fatal(err)
	}
	for _, other := range []places.Store{places.New(f, "https://a", "sub-2"), places.New(f, "https://b", "sub-1"), places.New(f, "https://a\x00sub-1", "")} {
		if got := other.Load(); got.Last != "" {
			t.Errorf("another person has %+v", got)
		}
	}
}

// A damaged or foreign file is empty. The next change replaces it, except that of a
// newer program.
func TestDamagedFile(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "no JSON": "{", "other type": `[1]`, "wrong member": `{"version":1,"last":7}`, "older": `{"version":0,"last":"builds/"}`,
		"invalid": `{"version":1,"last":"../x","folders":[{"path":"a b/"},{"path":"builds/x"},{"path":"builds/","visits":-1}],"order":{"by":"\u001b[2J","then":"A b"},
			"bookmarks":{"A":"builds/","ab":"builds/","c":"BUILDS/"},"filters":["","a\u0007"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			f := folders(t)
			s := places.New(f, "https://a", "sub-1")
			if err := s.Save(places.Change{Last: path("builds/")}); err != nil {
				t.Fatal(err)
			}
			at := file(t, f)
			if err := os.WriteFile(at, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := s.Load(); got.Last != "" || len(got.Folders)+len(got.Bookmarks)+len(got.Filters) > 0 || got.Order.By != "" || got.Order.Then != "" {
				t.Errorf("the file gives %+v", got)
			}
			if err := s.Save(places.Change{Last: path("datasets/")}); err != nil || s.Load().Last != "datasets/" {
				t.Errorf("not stored: %v, %+v", err, s.Load())
			}
			const newer = `{"version":2,"last":{"new":"form"}}`
			if err := os.WriteFile(at, []byte(newer), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := s.Save(places.Change{Last: path("datasets/")}); !errors.Is(err, places.ErrNewer) {
				t.Errorf("the file of a newer program: %v", err)
			}
			if got, err := os.ReadFile(at); err != nil || string(got) != newer {
				t.Errorf("the file of a newer program was replaced: %s", got)
			}
		})
	}
}

// A file is bounded: the oldest folders and filters are left out, bookmarks are not.
func TestBounds(t *testing.T) {
	f := folders(t)
	s := places.New(f, "https://a", "sub-1")
	long := strings.Repeat("x", 900)
	var c places.Change
	for i := range 3 * places.MaxFolders {
		c.Folders = append(c.Folders, places.Folder{Path: fmt.Sprintf("builds/%03d-%s/", i, long), Row: long, Visits: 1, At: epoch})
		c.Filters = append(c.Filters, fmt.Sprint("filter ", i))
	}
	c.Bookmarks = map[string]string{"a": "builds/" + long + "/"}
	if err := s.Save(c); err != nil {
		t.Fatal(err)
	}
	got := s.Load()
	if n := len(got.Folders); n == 0 || n > places.MaxFolders || !strings.HasPrefix(got.Folders[n-1].Path, "builds/599") {
		t.Errorf("%d folders are left", n)
	}
	if n := len(got.Filters); n != places.MaxFilters || got.Filters[n-1] != "filter 599" || len(got.Bookmarks) != 1 {
		t.Errorf("%d filters, %d bookmarks", n, len(got.Bookmarks))
	}
	if info, err := os.Stat(file(t, f)); err != nil || info.Size() > 64<<10 {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
	for i := range 36 {
		mark := string("abcdefghijklmnopqrstuvwxyz0123456789"[i])
		if err := s.Save(places.Change{Bookmarks: map[string]string{mark: "builds/" + strings.Repeat("\x01", 900) + "/"}}); err != nil {
			if !errors.Is(err, places.ErrFull) || i < 5 {
				t.Errorf("after %d bookmarks: %v", i, err)
			}
			return
		}
	}
	t.Error("36 long bookmarks were stored")
}

// Programs that run at the same time keep each other's bookmarks.
func TestTwoPrograms(t *testing.T) {
	f := folders(t)
	if err := places.New(f, "https://a", "sub-1").Save(places.Change{Last: path("")}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			mark := string(rune('a' + i))
			if err := places.New(f, "https://a", "sub-1").Save(places.Change{Bookmarks: map[string]string{mark: "builds/" + mark + "/"}}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := places.New(f, "https://a", "sub-1").Load(); len(got.Bookmarks) != 8 {
		t.Errorf("bookmarks: %v", got.Bookmarks)
	}
}

func TestRanked(t *testing.T) {
	s := places.State{Folders: []places.Folder{
		{Path: "often/", Visits: 40, At: epoch.AddDate(0, -2, 0)},
		{Path: "once/", Visits: 1, At: epoch.AddDate(0, -2, 0)},
		{Path: "today/", Visits: 6, At: epoch.Add(-3 * time.Hour)},
		{Path: "now/", Visits: 1, At: epoch},
	}}
	if got, want := s.Ranked(epoch), []string{"today/", "often/", "now/", "once/"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTheme(t *testing.T) {
	f := folders(t)
	if got := places.LoadTheme(f, "work"); got != "" {
		t.Errorf("without a file: %q", got)
	}
	for _, theme := range []string{"light", "dark"} {
		if err := places.SaveTheme(f, "work", theme); err != nil || places.LoadTheme(f, "work") != theme || places.LoadTheme(f, "other") != "" {
			t.Errorf("%s is not stored: %v", theme, err)
		}
	}
	if err := places.SaveTheme(f, "work", "\x1b[2J"); err != nil || places.LoadTheme(f, "work") != "" {
		t.Errorf("the theme is %q (%v)", places.LoadTheme(f, "work"), err)
	}
}

// The file has names and no other text of the server.
func TestFormat(t *testing.T) {
	f := folders(t)
	if err := places.New(f, "https://a", "sub-1").Save(places.Change{Last: path("builds/")}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file(t, f))
	var got map[string]any
	if err != nil || json.Unmarshal(content, &got) != nil || got["version"] != 1.0 || got["last"] != "builds/" {
		t.Errorf("the file has %s (%v)", content, err)
	}
	if strings.Contains(string(content), "sub-1") || strings.Contains(file(t, f), "sub-1") {
		t.Error("the file names the person")
	}
}
