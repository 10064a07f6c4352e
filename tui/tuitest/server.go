// Package tuitest provides fakes for the tests of the screens: a server, a sign-in
// and a transfer engine in memory, and an emulated terminal. Packages servertest and
// enginetest check that the fakes behave like the real parts. The fakes count their
// calls, so that a test can show that Update and View make none.
package tuitest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"usher/backend/api"
	"usher/backend/api/shape"
	"usher/backend/event"
	"usher/tui/pane"
)

// Epoch returns the time at which every test begins.
func Epoch() time.Time { return time.Date(2026, 11, 23, 9, 12, 4, 0, time.UTC) }

// Server is a fake backend with a map from "bucket/key" to objects.
type Server struct {
	Now     func() time.Time
	Me      api.Whoami
	PerPage int           // entries of a page, instead of the request's limit; 0: that limit
	Delay   time.Duration // of each call
	Unsafe  bool          // it lists names that no request can contain, as no backend does

	mu      sync.Mutex
	objects map[string]Object
	fail    error
	hidden  []string // prefixes that the person cannot see
	calls   int
	lists   []string

	searches []string
	released []string
}

// Object is one object of the fake.
type Object struct {
	Size     int64
	Modified time.Time
	Archived bool
	Bare     bool // listed by its name alone, like an object with a grant of its own
}

// NewServer returns an empty server for a person.
func NewServer(user string, groups ...string) *Server {
	return &Server{
		Now:     time.Now,
		Me:      api.Whoami{Person: api.Person{Sub: "sub-" + user, Username: user, Email: user + "@example.com"}, Groups: groups, GrantsVersion: "1", BoundSeconds: 65, SessionStart: Epoch().Add(-41 * time.Minute)},
		objects: make(map[string]Object),
	}
}

// Put adds an object under "bucket/key".
func (s *Server) Put(path string, size int64, modified string) {
	at, _ := time.Parse("2006-01-02 15:04", modified)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[path] = Object{Size: size, Modified: at}
}

// PutBare adds an object that is listed by its name alone.
func (s *Server) PutBare(path string) { s.locked(func() { s.objects[path] = Object{Bare: true} }) }

// Fail makes every call fail with err; nil ends that.
func (s *Server) Fail(err error) { s.locked(func() { s.fail = err }) }

// Slow sets the Delay of a running server.
func (s *Server) Slow(delay time.Duration) { s.locked(func() { s.Delay = delay }) }

// Hide removes all objects that begin with "bucket/prefix".
func (s *Server) Hide(prefix string) { s.locked(func() { s.hidden = append(s.hidden, prefix) }) }

// Grants changes the version of the grants.
func (s *Server) Grants(version string) { s.locked(func() { s.Me.GrantsVersion = version }) }

func (s *Server) locked(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

// Calls returns the number of calls.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Lists returns the listed folders in order. A further page has
// "+" at its end, and a page that starts behind a name has ">" and the name.
func (s *Server) Lists() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lists)
}

func (s *Server) begin(ctx context.Context) error {
	var delay time.Duration
	s.locked(func() { delay = s.Delay })
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	return s.fail
}

// Whoami returns Me.
func (s *Server) Whoami(ctx context.Context) (api.Whoami, error) {
	if err := s.begin(ctx); err != nil {
		return api.Whoami{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Me, nil
}

func (s *Server) gone(path string) bool {
	for _, h := range s.hidden {
		if strings.HasPrefix(path, h) {
			return true
		}
	}
	return false
}

// List returns a page of the entries below a prefix.
func (s *Server) List(ctx context.Context, r api.ListRequest) (api.ListResponse, error) {
	if err := s.begin(ctx); err != nil {
		return api.ListResponse{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	label := r.Bucket + "/" + r.Prefix
	if r.Start != "" {
		label += ">" + r.Start
	}
	if r.Cursor != "" {
		label += "+"
	}
	s.lists = append(s.lists, label)
	all, left := s.valid(r.Prefix, s.below(r))
	all = slices.DeleteFunc(all, func(e api.Entry) bool { return r.Start != "" && e.Name <= r.Start })
	if len(all) == 0 && r.Bucket != "" && left == 0 {
		return api.ListResponse{}, &api.Error{Code: api.NotFound, RequestID: "r-01JD9X5C8M"}
	}
	question := fmt.Sprintf("%s/%s %v %q", r.Bucket, r.Prefix, r.Recursive, r.Start)
	from, err := FromCursor(r.Cursor, question)
	if err != nil {
		return api.ListResponse{}, err
	}
	n := api.MaxList
	if r.Limit > 0 {
		n = min(n, r.Limit)
	}
	if s.PerPage > 0 {
		n = s.PerPage
	}
	to := min(len(all), from+n)
	out := api.ListResponse{Entries: all[from:to], Event: "e", GrantsVersion: s.Me.GrantsVersion}
	if to < len(all) {
		out.Cursor = Cursor(to, question)
	} else {
		out.Omitted = left
	}
	return out, nil
}

// valid leaves out and counts the entries that no request can contain.
func (s *Server) valid(prefix string, all []api.Entry) (kept []api.Entry, left int) {
	if s.Unsafe {
		return all, 0
	}
	kept = slices.DeleteFunc(slices.Clone(all), func(e api.Entry) bool { return shape.KeyProblem(prefix+e.Name) != "" })
	return kept, len(all) - len(kept)
}

// Search returns a page of the objects below a prefix that match a query. A page
// scans PerPage names, or all.
func (s *Server) Search(ctx context.Context, r api.SearchRequest) (api.SearchResponse, error) {
	if err := s.begin(ctx); err != nil {
		return api.SearchResponse{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	query := r
	query.Cursor = ""
	question, err := json.Marshal(query)
	if err != nil {
		return api.SearchResponse{}, err
	}
	s.searches = append(s.searches, string(question))
	all, left := s.valid(r.Prefix, s.below(api.ListRequest{Bucket: r.Bucket, Prefix: r.Prefix, Recursive: true}))
	if len(all) == 0 && left == 0 {
		return api.SearchResponse{}, &api.Error{Code: api.NotFound, RequestID: "r-01JD9X5C8M"}
	}
	from, err := FromCursor(r.Cursor, string(question))
	if err != nil {
		return api.SearchResponse{}, err
	}
	to := len(all)
	if s.PerPage > 0 {
		to = min(to, from+s.PerPage)
	}
	out := api.SearchResponse{Scanned: to - from, Event: "e", GrantsVersion: s.Me.GrantsVersion}
	for _, e := range all[from:to] {
		if (r.Text == "" && r.Glob == "" || event.SearchMatches(r.Text, r.Glob, e.Name)) && fits(r, e) {
			out.Entries = append(out.Entries, e)
		}
	}
	if to < len(all) {
		out.Cursor = Cursor(to, string(question))
	} else {
		out.Omitted = left
	}
	return out, nil
}

// fits reports whether size and time of an entry are in the ranges of a search.
func fits(r api.SearchRequest, e api.Entry) bool {
	size, at := r.Size, r.Modified
	switch {
	case (size.Min != nil || size.Max != nil) && e.Unsized(), size.Min != nil && e.Size < *size.Min, size.Max != nil && e.Size > *size.Max,
		at.From != nil && (e.Modified == nil || e.Modified.Before(*at.From)), at.Until != nil && (e.Modified == nil || !e.Modified.Before(*at.Until)):
		return false
	}
	return true
}

// Searches returns the requests of the searches in order, as JSON without cursors.
func (s *Server) Searches() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.searches)
}

// Cursor returns a fake's cursor behind the first n rows of a query. It is invalid
// for any other query.
func Cursor(n int, question string) string { return fmt.Sprintf("%d %q", n, question) }

// FromCursor returns n of a Cursor, 0 without one. For a cursor of another query it
// returns the error of the server.
func FromCursor(cursor, question string) (int, error) {
	n := 0
	if cursor == "" {
		return 0, nil
	}
	if _, err := fmt.Sscan(cursor, &n); err != nil || cursor != Cursor(n, question) {
		return 0, &api.Error{Code: api.BadCursor, RequestID: "r-01JD9X5C8M"}
	}
	return n, nil
}

func (s *Server) below(r api.ListRequest) []api.Entry {
	seen := make(map[string]api.Entry)
	for path, o := range s.objects {
		if s.gone(path) {
			continue
		}
		bucket, key, _ := strings.Cut(path, "/")
		if r.Bucket == "" {
			seen[bucket] = api.Entry{Name: bucket, Kind: api.KindBucket}
			continue
		}
		rest, ok := strings.CutPrefix(key, r.Prefix)
		if bucket != r.Bucket || !ok || rest == "" {
			continue
		}
		if i := strings.IndexByte(rest, '/'); i >= 0 && !r.Recursive {
			seen[rest[:i+1]] = api.Entry{Name: rest[:i+1], Kind: api.KindFolder}
			continue
		}
		if o.Bare {
			seen[rest] = api.Entry{Name: rest, Kind: api.KindObject}
			continue
		}
		at := o.Modified
		seen[rest] = api.Entry{Name: rest, Kind: api.KindObject, Size: o.Size, Modified: &at, ETag: fmt.Sprintf("%q", etag(path)), Archived: o.Archived}
	}
	out := make([]api.Entry, 0, len(seen))
	for _, e := range seen {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b api.Entry) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func etag(path string) string {
	h := uint64(14695981039346656037)
	for i := range len(path) {
		h = (h ^ uint64(path[i])) * 1099511628211
	}
	return fmt.Sprintf("%016x%016x", h, h*31)
}

// Stat returns the properties of an object.
func (s *Server) Stat(ctx context.Context, r api.StatRequest) (api.StatResponse, error) {
	if err := s.begin(ctx); err != nil {
		return api.StatResponse{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := r.Bucket + "/" + r.Key
	o, ok := s.objects[path]
	if !ok || s.gone(path) {
		return api.StatResponse{}, &api.Error{Code: api.NotFound, RequestID: "r-01JD9X5C8M"}
	}
	return api.StatResponse{Event: "e", Size: o.Size, Modified: o.Modified, ETag: fmt.Sprintf("%q", etag(path)), Version: "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY",
		ContentType: "application/pdf", Grant: "finance-team reads company-reports/annual/",
		Checksum: &api.Checksum{Algorithm: "CRC64NVME", Type: "FULL_OBJECT", Value: "n0yCQ+arB30="}}, nil
}

// At returns the target of a valid path.
func At(path string) pane.Target {
	where, err := api.ParsePath(path)
	if err != nil {
		panic(err)
	}
	return pane.At(where)
}

// ErrNetwork is the client's error for an unreachable server.
var ErrNetwork error = api.Misspoken("files.example.com", "no connection", nil)

// Reports adds the folders of the golden screens to a server.
func Reports(s *Server) *Server {
	const a = "company-reports/annual/audited/"
	for _, f := range []struct {
		name string
		size int64
		at   string
	}{
		{"2025-annual-report.pdf", 4_213_904, "2026-03-14 09:12"},
		{"2025-annual-report-appendix-b-related-party-disclosures.pdf", 812_000, "2026-03-14 09:12"},
		{"2025-auditor-opinion-signed.pdf", 391_000, "2026-03-12 17:40"},
		{"2025-consolidated-ledger.parquet", 1_020_000_000, "2026-03-11 22:03"},
		{"2025-consolidated-ledger.parquet.sha256", 98, "2026-03-11 22:03"},
		{"2025-financial-statements.xlsx", 2_840_000, "2026-03-10 14:26"},
		{"2025-management-letter.docx", 118_000, "2026-03-09 08:55"},
		{"2025-notes-to-accounts.pdf", 1_370_000, "2026-03-10 14:26"},
		{"2023-財務諸表-日本語版.pdf", 4_050_000, "2024-04-02 11:20"},
		{"letters-to-shareholders/2025.pdf", 100, "2026-01-01 00:00"},
		{"restated/2019.pdf", 100, "2026-01-01 00:00"},
		{"working-papers/a.csv", 100, "2026-01-01 00:00"},
		{"working-papers/2024/b.csv", 100, "2026-01-01 00:00"},
	} {
		s.Put(a+f.name, f.size, f.at)
	}
	for year := 2018; year <= 2024; year++ {
		for _, n := range []string{"annual-report.pdf", "auditor-opinion-signed.pdf", "consolidated-ledger.parquet"} {
			s.Put(fmt.Sprintf("%s%d-%s", a, year, n), int64(300_000+year*1000), fmt.Sprintf("%d-03-16 10:02", year+1))
		}
	}
	for _, p := range []string{"company-reports/annual/archive/1999.pdf", "company-reports/annual/drafts/x.docx", "company-reports/quarterly/2025-q1/q1.csv",
		"company-reports/quarterly/2025-q2/q2.csv", "company-reports/tax/2025.pdf", "engineering-builds/nightly/usher.tar.gz", "site-surveys/north/raw-0041.tif"} {
		s.Put(p, 120_000, "2026-02-01 08:00")
	}
	return s
}
