package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/download"
)

// depot is a storage and a backend for get, with real connections to an S3 that
// serves the test's objects.
type depot struct {
	*httptest.Server
	mu       sync.Mutex
	objects  map[string]string // by key
	archived map[string]bool
	denied   map[string]bool
	onGet    func(rw http.ResponseWriter, r *http.Request) (done bool)
	release  error // of every release
	list     error // of every listing
	onList   func(prefix string)
	released int  // objects
	pages    bool // listings have the URLs that they are requested with
	pageURLs int  // URLs in the pages of listings
}

func newDepot(t *testing.T) *depot {
	s := &depot{objects: map[string]string{}, archived: map[string]bool{}, denied: map[string]bool{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *depot) etag(key string) string { return fmt.Sprintf(`"e-%x"`, s.objects[key]) }

func (s *depot) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.onGet != nil && s.onGet(rw, r) {
		return
	}
	key := strings.TrimPrefix(r.URL.Path, "/lab/")
	rw.Header().Set("ETag", s.etag(key))
	http.ServeContent(rw, r, "", time.Time{}, strings.NewReader(s.objects[key]))
}

func (s *depot) Release(_ context.Context, req api.ReleaseRequest) (out api.ReleaseResponse, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.release != nil {
		return out, s.release
	}
	s.released += len(req.Objects)
	return s.items(req), nil
}

// items returns the URLs of objects.
func (s *depot) items(req api.ReleaseRequest) (out api.ReleaseResponse) {
	for _, o := range req.Objects {
		content, ok := s.objects[o.Key]
		switch {
		case !ok || s.denied[o.Key]:
			out.Items = append(out.Items, api.ReleaseItem{Error: &api.ItemError{Code: api.NotFound}})
			continue
		case s.archived[o.Key]:
			out.Items = append(out.Items, api.ReleaseItem{Error: &api.ItemError{Code: api.ObjectArchived}})
			continue
		}
		size := int64(len(content))
		out.Items = append(out.Items, api.ReleaseItem{Event: "ev", Life: 60, ETag: s.etag(o.Key), Size: &size,
			URL: s.URL + (&url.URL{Path: "/lab/" + o.Key}).EscapedPath() + "?X-Amz-Expires=60&X-Amz-Signature=5"})
	}
	return out
}

func (s *depot) Complete(context.Context, api.CompleteRequest) error { return nil }

func (s *depot) List(_ context.Context, req api.ListRequest) (out api.ListResponse, err error) {
	if s.onList != nil {
		s.onList(req.Prefix)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list != nil {
		return out, s.list
	}
	seen := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if strings.Contains(key, "\x00") && strings.HasPrefix(key, req.Prefix) {
			out.Omitted++
			continue
		}
		name, ok := strings.CutPrefix(key, req.Prefix)
		if !ok || name <= req.Start && req.Start != "" {
			continue
		}
		if folder, _, deep := strings.Cut(name, "/"); deep && !req.Recursive {
			if !seen[folder] {
				seen[folder] = true
				out.Entries = append(out.Entries, api.Entry{Name: folder + "/", Kind: api.KindFolder})
			}
			continue
		}
		out.Entries = append(out.Entries, api.Entry{Name: name, Kind: api.KindObject, Size: int64(len(s.objects[key])), ETag: s.etag(key), Archived: s.archived[key]})
	}
	for i := 0; s.pages && i < min(len(out.Entries), req.URLs); i++ {
		if e := &out.Entries[i]; !strings.HasSuffix(e.Name, "/") {
			s.pageURLs++
			e.Release = &s.items(api.ReleaseRequest{Objects: []api.ReleaseObject{{Bucket: req.Bucket, Key: req.Prefix + e.Name}}}).Items[0]
		}
	}
	return out, nil
}

// run runs usher get. It returns the output, the exit code and the engine's last
// snapshot.
func (s *depot) run(t *testing.T, asJSON bool, flags func(*get), paths ...string) (out, errs string, exit int, last download.Snapshot) {
	t.Helper()
	var o, e strings.Builder
	a := &app{Program: Program{Out: &o, Err: &e, Now: time.Now, Getenv: func(string) string { return "" }}, json: asJSON}
	g := &get{app: a}
	if flags != nil {
		flags(g)
	}
	targets, err := g.paths.targets(paths)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = g.fetchWith(ctx, download.Config{Releaser: s, Lister: s, S3Hosts: []string{s.Listener.Addr().String()}, AllowHTTP: true,
		Timeouts: download.Timeouts{BackoffMin: time.Millisecond, BackoffMax: time.Millisecond}}, targets, &last)
	exit = a.finish(ctx, err)
	return o.String(), e.String(), exit, last
}

// jsonLines parses the output of --json.
func jsonLines(t *testing.T, out string) (all []fetched) {
	t.Helper()
	for scan := bufio.NewScanner(strings.NewReader(out)); scan.Scan(); {
		var line struct {
			fetched
			Error *failure `json:"error"`
		}
		if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", scan.Text(), err)
		}
		line.fetched.Error = line.Error
		all = append(all, line.fetched)
	}
	return all
}

// ending is one result of a transfer.
type ending struct {
	name  string
	state download.State
	paths []string
	flags func(*get)
	arm   func(t *testing.T, s *depot, dir string)
	exit  int
	text  string // part of the line
}

func endings() []ending {
	folder, file := []string{"lab/d/"}, []string{"lab/d/a"}
	lie := func(rw http.ResponseWriter, _ *http.Request) bool {
		rw.Header().Set("ETag", `"e-6f6e65"`)
		rw.Header().Set("X-Amz-Checksum-Crc32", "AAAAAA==")
		_, _ = rw.Write([]byte("one"))
		return true
	}
	there := func(t *testing.T, path, content string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return []ending{
		{"fetched", download.Done, folder, nil, nil, 0, "a"},
		{"left as it is", download.Skipped, folder, func(g *get) { g.skip = true },
			func(t *testing.T, _ *depot, dir string) { there(t, dir+"/d/a", "other") }, 0, "left as it is"},
		{"another file is there", download.Failed, folder, nil,
			func(t *testing.T, _ *depot, dir string) { there(t, dir+"/d/a", "other") }, api.ExitDisk, "is here already"},
		{"archived", download.Failed, folder, nil,
			func(_ *testing.T, s *depot, _ string) { s.archived["d/a"] = true }, api.ExitNotFound, "archived"},
		{"archived, by its own path", download.Failed, file, nil,
			func(_ *testing.T, s *depot, _ string) { s.archived["d/a"] = true }, api.ExitNotFound, "archived"},
		{"a marker behind a link", download.Failed, folder, nil, func(t *testing.T, s *depot, dir string) {
			s.objects = map[string]string{"d/a/": ""}
			if err := os.MkdirAll(dir+"/d", 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(t.TempDir(), dir+"/d/a"); err != nil {
				t.Fatal(err)
			}
		}, api.ExitDisk, "link"},
		{"changed", download.Failed, folder, nil, func(_ *testing.T, s *depot, _ string) {
			s.onGet = func(rw http.ResponseWriter, _ *http.Request) bool { rw.WriteHeader(412); return true }
		}, api.ExitIntegrity, "changed"},
		{"corrupt", download.Failed, folder, nil,
			func(_ *testing.T, s *depot, _ string) { s.onGet = lie }, api.ExitIntegrity, "does not match"},
		{"refused", download.Denied, folder, nil,
			func(_ *testing.T, s *depot, _ string) { s.denied["d/a"] = true }, api.ExitNotFound, "nothing here"},
		{"refused, by its own path", download.Denied, file, nil,
			func(_ *testing.T, s *depot, _ string) { s.denied["d/a"] = true }, api.ExitNotFound, "nothing here"},
		{"given up for now", download.Paused, folder, nil,
			func(_ *testing.T, s *depot, _ string) { s.release = &api.Error{Code: api.AuditUnavailable} }, api.ExitUnavailable, "could not record"},
		{"a folder that cannot be listed", download.Failed, folder, nil,
			func(_ *testing.T, s *depot, _ string) { s.list = &api.Error{Code: api.StorageUnavailable} }, api.ExitUnavailable, "storage"},
		{"a folder that is not there", download.Denied, folder, nil,
			func(_ *testing.T, s *depot, _ string) { s.list = &api.Error{Code: api.NotFound} }, api.ExitNotFound, "nothing here"},
	}
}

// notEnds are the states that are not results of a transfer of get, with the
// reason.
var notEnds = map[download.State]string{
	download.Waiting: "get waits for it", download.Running: "get waits for it", download.Verifying: "get waits for it",
	download.WaitingNetwork: "get waits for it",
	download.WaitingSignIn:  "the command's error shows it, TestReportUnfinished",
	download.Cancelled:      "no flag of get cancels one file; Ctrl-C ends the command, script interrupt",
}

// For every result, the line, the line of JSON, the count in the snapshot and the
// exit code agree. A state without a row fails the test.
func TestEnds(t *testing.T) {
	played := map[download.State]bool{}
	for _, row := range endings() {
		played[row.state] = true
		t.Run(row.name, func(t *testing.T) {
			for _, asJSON := range []bool{false, true} {
				s, dir := newDepot(t), t.TempDir()
				s.objects["d/a"] = "one"
				if row.arm != nil {
					row.arm(t, s, dir)
				}
				out, errs, exit, last := s.run(t, asJSON, func(g *get) {
					g.dest = dir + "/"
					if row.flags != nil {
						row.flags(g)
					}
				}, row.paths...)
				if exit != row.exit {
					t.Errorf("json %v: exit %d, want %d\n%s%s", asJSON, exit, row.exit, out, errs)
				}
				if !asJSON {
					if n := strings.Count(out+errs, row.text); n == 0 {
						t.Errorf("no line has %q:\n%s%s", row.text, out, errs)
					}
					continue
				}
				all := jsonLines(t, out)
				if len(all) != 1 || all[0].State != row.state.String() || (all[0].Error != nil) != (row.exit != 0) {
					t.Fatalf("lines of JSON: %s", out)
				}
				if e := all[0].Error; e != nil && !strings.Contains(e.Message, row.text) && !strings.Contains(all[0].State, row.text) {
					t.Errorf("the line of JSON does not have %q: %s", row.text, out)
				}
				if got := len(all) - last.FilesDone - last.FilesFailed; last.Files > 0 && row.state != download.Paused && got != 0 {
					t.Errorf("%d lines, and the snapshot counts %d done and %d failed", len(all), last.FilesDone, last.FilesFailed)
				}
			}
		})
	}
	for s := download.State(0); s.String() != "unknown"; s++ {
		if !played[s] && notEnds[s] == "" {
			t.Errorf("no row has the state %v", s)
		}
	}
}

// A failure of the first pattern, whose files end before the second pattern is
// listed, is a failure of one of all files.
func TestEndsOfPatterns(t *testing.T) {
	s, dir := newDepot(t), t.TempDir()
	s.objects = map[string]string{"d/a": "one", "e/b": "two", "e/c": "three"}
	s.denied["d/a"] = true
	s.onList = func(prefix string) {
		if prefix == "e/" {
			time.Sleep(200 * time.Millisecond)
		}
	}
	out, errs, exit, last := s.run(t, false, func(g *get) { g.dest = dir }, "lab/d/*", "lab/e/*")
	if exit != api.ExitNotFound || last.Files != 3 || last.FilesDone != 2 || last.FilesFailed != 1 || !strings.Contains(errs, "1 of 3 files failed") {
		t.Errorf("exit %d, %d files, %d done, %d failed\n%s%s", exit, last.Files, last.FilesDone, last.FilesFailed, out, errs)
	}
	s.onList = nil
	if out, errs, exit, last := s.run(t, false, func(g *get) { g.dest = dir + "/one" }, "lab/e/b"); exit != 0 || last.Files != 1 || errs != "" {
		t.Errorf("one file: exit %d, %d files\n%s%s", exit, last.Files, out, errs)
	}
}

// A folder with several results has a line for each, and the causes decide the
// exit code.
func TestEndsOfAFolder(t *testing.T) {
	for _, row := range []struct {
		name             string
		archived, denied []string
		exit             int
	}{
		{"all archived", []string{"d/a", "d/b", "d/c"}, nil, api.ExitNotFound},
		{"one archived", []string{"d/b"}, nil, api.ExitNotFound},
		{"archived and refused", []string{"d/a"}, []string{"d/b"}, api.ExitNotFound},
		{"archived and another file there", []string{"d/b"}, nil, api.ExitMixed},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, dir := newDepot(t), t.TempDir()
			s.objects = map[string]string{"d/a": "one", "d/b": "two", "d/c": "three"}
			for _, k := range row.archived {
				s.archived[k] = true
			}
			for _, k := range row.denied {
				s.denied[k] = true
			}
			if row.exit == api.ExitMixed {
				if err := os.MkdirAll(dir+"/d", 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(dir+"/d/c", []byte("other"), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if _, errs, exit, _ := s.run(t, true, func(g *get) { g.dest, g.dryRun = dir, true }, "lab/d/"); exit != api.ExitNotFound {
				t.Errorf("exit %d of a dry run\n%s", exit, errs)
			}
			out, errs, exit, last := s.run(t, true, func(g *get) { g.dest = dir }, "lab/d/")
			var paths []string
			for _, line := range jsonLines(t, out) {
				paths = append(paths, line.Path)
			}
			sort.Strings(paths)
			if exit != row.exit || strings.Join(paths, " ") != "lab/d/a lab/d/b lab/d/c" || last.Files != 3 {
				t.Errorf("exit %d, want %d, %d files\n%s%s", exit, row.exit, last.Files, out, errs)
			}
		})
	}
}

// A file that was downloaded before it was archived counts as here.
func TestArchivedButHere(t *testing.T) {
	s, dir := newDepot(t), t.TempDir()
	s.objects["d/a"] = "one"
	if _, errs, exit, _ := s.run(t, false, func(g *get) { g.dest = dir }, "lab/d/"); exit != 0 {
		t.Fatal(errs)
	}
	s.archived["d/a"] = true
	out, errs, exit, _ := s.run(t, true, func(g *get) { g.dest = dir }, "lab/d/")
	if all := jsonLines(t, out); exit != 0 || len(all) != 1 || all[0].State != "skipped" {
		t.Errorf("exit %d\n%s%s", exit, out, errs)
	}
}

// A destination that cannot be written causes one line and no release, for a
// folder, a pattern and several paths.
func TestOneLineForAll(t *testing.T) {
	for _, paths := range [][]string{{"lab/d/"}, {"lab/d/*"}, {"lab/d/1", "lab/d/2", "lab/d/3"}} {
		s, dir := newDepot(t), t.TempDir()
		for i := range 500 {
			s.objects[fmt.Sprintf("d/%d", i)] = "content"
		}
		if err := os.WriteFile(dir+"/file", nil, 0o666); err != nil {
			t.Fatal(err)
		}
		out, errs, exit, _ := s.run(t, false, func(g *get) { g.dest = dir + "/file/below" }, paths...)
		if exit != api.ExitDisk || s.released != 0 || strings.Count(out+errs, "\n") != 1 || !strings.Contains(errs, "/file") {
			t.Errorf("%q: exit %d, %d released\n%s%s", paths, exit, s.released, out, errs)
		}
	}
}

// Names that are no valid keys are counted once, in the folders that the command
// shows, and end get with exit code 1.
func TestOmittedNames(t *testing.T) {
	const all = "3 names in lab/d/ are not valid object keys and are left out. Tell your administrator."
	for _, row := range []struct {
		name  string
		path  string
		dry   bool
		exit  int
		count string
	}{
		{"a folder", "lab/d/", false, api.ExitMixed, all},
		{"a dry run", "lab/d/", true, api.ExitMixed, all},
		{"a pattern", "lab/d/**", false, api.ExitMixed, all},
		{"one name", "lab/e/", false, api.ExitMixed, "1 name in lab/e/ is not a valid object key and is left out."},
		{"a file next to such names", "lab/d/a", false, api.ExitOK, ""},
		{"another folder", "lab/f/", false, api.ExitOK, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, dir := newDepot(t), t.TempDir()
			s.objects = map[string]string{"d/a": "one", "d/x\x00": "", "d/y\x00": "", "d/z\x00": "", "e/a": "one", "e/\x00": "", "f/a": "one"}
			flags := func(g *get) { g.dest, g.dryRun = dir, row.dry }
			_, errs, exit, _ := s.run(t, false, flags, row.path)
			if exit != row.exit || strings.Count(errs, "left out") != min(len(row.count), 1) || !strings.Contains(errs, row.count) {
				t.Errorf("exit %d\n%s", exit, errs)
			}
			_, errs, exit, _ = s.run(t, true, flags, row.path)
			if exit != row.exit || row.count != "" && !strings.Contains(errs, `"code":"names_omitted"`) {
				t.Errorf("JSON: exit %d\n%s", exit, errs)
			}
		})
	}
	s, dir := newDepot(t), t.TempDir()
	s.objects = map[string]string{"d/x\x00": ""}
	if _, errs, exit, _ := s.run(t, false, func(g *get) { g.dest = dir }, "lab/d/"); exit != api.ExitMixed || strings.Contains(errs, "no files") {
		t.Errorf("only such names: exit %d\n%s", exit, errs)
	}
	s.objects, s.archived["d/b"] = map[string]string{"d/b": "two", "d/x\x00": ""}, true
	if _, errs, exit, _ := s.run(t, false, func(g *get) { g.dest = dir }, "lab/d/"); exit != api.ExitNotFound || strings.Count(errs, "left out") != 1 {
		t.Errorf("with a failed file: exit %d\n%s", exit, errs)
	}
}
