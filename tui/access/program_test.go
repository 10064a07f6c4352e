package access_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/colorprofile"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/session"
	"usher/tui"
	"usher/tui/linear"
	"usher/tui/signin"
	"usher/tui/tuitest"
)

// now is the time of the server and the page in every test.
func now() time.Time { return time.Date(2026, 11, 23, 14, 10, 0, 0, time.UTC) }

// rule is a grant of the fake. Path is bucket/key; a folder ends in "/".
type rule struct {
	group, path   string
	deny          bool
	early, over   bool
	until, reason string
}

func (r rule) wire() api.Grant {
	bucket, key, _ := strings.Cut(r.path, "/")
	g := api.Grant{Group: r.group, Bucket: bucket, Effect: "allow", Reason: r.reason}
	if r.deny {
		g.Effect = "deny"
	}
	if key == "" || strings.HasSuffix(key, "/") {
		g.Prefix = &key
	} else {
		g.Object = key
	}
	day := func(s string) *time.Time {
		at, err := time.Parse(time.DateOnly, s)
		if err != nil {
			panic(err)
		}
		return &at
	}
	switch {
	case r.early:
		g.NotBefore = day("2027-01-01")
	case r.over:
		g.Expires = day("2026-10-31")
	case r.until != "":
		g.Expires = day(r.until)
	}
	g.Text = g.Effect + " " + r.group
	if g.NotBefore != nil {
		g.Text += " from " + g.NotBefore.Format(time.RFC3339)
	}
	if g.Expires != nil {
		g.Text += " until " + g.Expires.Format(time.RFC3339)
	}
	if g.Prefix == nil {
		g.Text += " object"
	}
	g.Text += " " + r.path
	return g
}

func (r rule) reaches(path string) bool {
	return r.path == path || strings.HasSuffix(r.path, "/") && strings.HasPrefix(path, r.path)
}

func (r rule) awake() bool { return !r.early && !r.over }

// account is a person of the fake.
type account struct {
	name     string
	groups   []string
	disabled bool
}

// adminServer computes responses from rules and accounts, like the backend, and
// records the queries.
type adminServer struct {
	mu            sync.Mutex
	rules         []rule
	people        []account
	problem       string
	delay         time.Duration
	ignoresCancel bool // continues after the caller canceled
	fail          error
	asked         []string
	wishes        []wish
	page          int  // requests on a page; 0: 50
	fixed         bool // the grants are a file
}

func (o *adminServer) do(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
}

// queries returns all queries so far.
func (o *adminServer) queries() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.asked)
}

func (o *adminServer) begin(ctx context.Context, query string) error {
	o.mu.Lock()
	o.asked = append(o.asked, query)
	d, fail, ignoresCancel := o.delay, o.fail, o.ignoresCancel
	o.mu.Unlock()
	if ignoresCancel {
		ctx = context.WithoutCancel(ctx)
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return ctx.Err()
	}
	return fail
}

func (o *adminServer) find(name string) (account, error) {
	for _, a := range o.people {
		if a.name == name {
			return a, nil
		}
	}
	return account{}, &api.Error{Code: api.NotFound, RequestID: "r-01JD9X5C8M"}
}

// Explain sorts the rules by their effect on a person's access to an object.
func (o *adminServer) Explain(ctx context.Context, in api.ExplainRequest) (api.ExplainResponse, error) {
	path := in.Bucket + "/" + in.Key
	if err := o.begin(ctx, "explain "+in.User+" "+path); err != nil {
		return api.ExplainResponse{}, err
	}
	who, err := o.find(in.User)
	if err != nil {
		return api.ExplainResponse{}, err
	}
	out := api.ExplainResponse{User: in.User, Groups: who.groups}
	for _, r := range o.rules {
		mine, g := slices.Contains(who.groups, r.group), r.wire()
		switch {
		case mine && r.reaches(path) && !r.awake():
			out.Asleep = append(out.Asleep, g)
		case mine && r.reaches(path) && r.deny:
			out.Denies = append(out.Denies, g)
		case mine && r.reaches(path):
			out.Allows = append(out.Allows, g)
		case mine && g.Bucket == in.Bucket && !r.deny && r.awake():
			out.Nearest = append(out.Nearest, g)
		case !mine && r.reaches(path) && !r.deny && r.awake():
			out.Others = append(out.Others, g)
		}
	}
	out.Allowed = len(out.Allows) > 0 && len(out.Denies) == 0
	if len(out.Allows) > 0 {
		out.Nearest = nil
	}
	if len(out.Allows)+len(out.Denies) > 0 {
		out.Others = nil
		return out, nil
	}
	if i := strings.LastIndexByte(in.Key, '/'); i >= 0 { // else the object itself
		path = in.Bucket + "/" + in.Key[:i+1]
	}
	for _, g := range who.groups {
		out.Missing = append(out.Missing, rule{group: g, path: path}.wire())
	}
	return out, nil
}

// Who lists the groups and people with access to a path.
func (o *adminServer) Who(ctx context.Context, in api.WhoRequest) (api.WhoResponse, error) {
	path := in.Bucket + "/" + in.Key
	if err := o.begin(ctx, "who "+path); err != nil {
		return api.WhoResponse{}, err
	}
	folder := strings.HasSuffix(path, "/")
	var out api.WhoResponse
	reach := func(groups []string) (any, whole bool, grants []api.Grant) {
		denied, cut := false, false
		for _, r := range o.rules {
			covers, below := r.reaches(path), folder && strings.HasPrefix(r.path, path)
			if !slices.Contains(groups, r.group) || !r.awake() || !covers && !below {
				continue
			}
			grants = append(grants, r.wire())
			if r.deny {
				denied, cut = denied || covers, true
				continue
			}
			any, whole = true, whole || covers
		}
		return any && !denied, whole && !cut, grants
	}
	var names []string
	for _, r := range o.rules {
		if any, whole, by := reach([]string{r.group}); any && !slices.Contains(names, r.group) {
			names = append(names, r.group)
			out.Groups = append(out.Groups, api.GroupAccess{Group: r.group, Whole: whole, Grants: by})
		}
	}
	for _, a := range o.people {
		if any, whole, _ := reach(a.groups); any {
			by := slices.DeleteFunc(slices.Clone(a.groups), func(g string) bool { return !slices.Contains(names, g) })
			out.People = append(out.People, api.PersonAccess{Username: a.name, Enabled: !a.disabled, Whole: whole, Groups: by})
		}
	}
	return out, nil
}

// Can lists the allows of a person that no other one covers and no denial
// hides, with the denials below them.
func (o *adminServer) Can(ctx context.Context, in api.CanRequest) (api.CanResponse, error) {
	if err := o.begin(ctx, "can "+in.User); err != nil {
		return api.CanResponse{}, err
	}
	who, err := o.find(in.User)
	if err != nil {
		return api.CanResponse{}, err
	}
	out := api.CanResponse{User: in.User, Groups: who.groups}
	for _, r := range o.rules {
		mine := func(x rule) bool { return x.awake() && slices.Contains(who.groups, x.group) }
		hides := func(x rule) bool { return mine(x) && x.reaches(r.path) && (x.deny || x.path != r.path) }
		if r.deny || !mine(r) || slices.ContainsFunc(o.rules, hides) {
			continue
		}
		root := api.Root{Grant: r.wire()}
		for _, d := range o.rules {
			if d.deny && slices.Contains(who.groups, d.group) && r.reaches(d.path) {
				root.Except = append(root.Except, d.wire())
			}
		}
		out.Roots = append(out.Roots, root)
	}
	slices.SortStableFunc(out.Roots, func(a, b api.Root) int { return strings.Compare(rootPath(a), rootPath(b)) })
	return out, nil
}

func rootPath(r api.Root) string {
	if r.Grant.Prefix != nil {
		return r.Grant.Bucket + "/" + *r.Grant.Prefix
	}
	return r.Grant.Bucket + "/" + r.Grant.Object
}

// GrantsList returns all rules.
func (o *adminServer) GrantsList(ctx context.Context) (api.GrantsListResponse, error) {
	if err := o.begin(ctx, "grants"); err != nil {
		return api.GrantsListResponse{}, err
	}
	out := api.GrantsListResponse{Version: "41", Problem: o.problem}
	for _, r := range o.rules {
		out.Grants = append(out.Grants, r.wire())
	}
	return out, nil
}

func sample() *adminServer {
	return &adminServer{
		wishes: wishes(),
		rules: []rule{
			{group: "audit-team", path: "company-reports/annual/"},
			{group: "audit-team", path: "company-reports/annual/drafts/", deny: true, reason: "not before they are signed"},
			{group: "contractors", path: "builds/", deny: true},
			{group: "contractors", path: "company-reports/annual/", over: true},
			{group: "engineering", path: "builds/"},
			{group: "external-auditors", path: "company-reports/annual/audited/", until: "2026-12-31", reason: "audit 2026"},
			{group: "external-auditors", path: "company-reports/annual/letter.pdf", reason: "asked for by Grace on 2026-11-02"},
			{group: "finance-team", path: "company-reports/annual/"},
			{group: "finance-team", path: "company-reports/quarterly/"},
			{group: "interns", path: "company-reports/annual/audited/", early: true},
		},
		people: []account{
			{"ada", []string{"finance-team"}, false},
			{"alan", []string{"contractors", "engineering"}, false},
			{"chen.wei", []string{"audit-team"}, false},
			{"edsger", []string{"contractors"}, false},
			{"grace", []string{"external-auditors", "usher-auditors"}, false},
			{"margaret", []string{"audit-team", "finance-team", "usher-admins"}, false},
			{"noor.haddad", []string{"finance-team"}, true},
		},
	}
}

// program is the whole program with the fake server.
type program struct {
	*tuitest.Screen
	adminServer *adminServer
	server      *tuitest.Server
	deps        tui.Deps
	scene       func() linear.Scene
}

func newProgram(change func(*program)) *program {
	w := &program{adminServer: sample(), server: tuitest.Reports(tuitest.NewServer("margaret", "finance-team", "usher-admins"))}
	w.deps = tui.Deps{
		Backend: w.server, Transfers: &tuitest.Engine{Now: time.Now, Speed: 1}, Now: tuitest.Epoch, Server: "files.example.com",
		NewSignIn:   func() (signin.Flow, error) { return tuitest.Pool{}.Flow(), nil },
		SignedIn:    func(context.Context, session.Step) error { return nil },
		DownloadDir: "/home/margaret/usher", Zone: time.FixedZone("", 3600),
		HasSession: true, Theme: "dark", Start: tuitest.At("company-reports/annual/audited/"),
	}
	if change != nil {
		change(w)
	}
	w.deps.Pages = tui.AccessPages(w.adminServer, "files.example.com", safetext.New("usher-admins"), safetext.New("usher-auditors"), now)
	return w
}

func (w *program) open(t testing.TB, width, height int, p colorprofile.Profile) {
	t.Helper()
	m, err := tui.New(w.deps)
	if err != nil {
		t.Fatal(err)
	}
	w.Screen, w.scene = tuitest.Open(t, width, height, p, m), m.Scene
}

// page opens the page on a terminal of 120x40 and waits for it.
func (w *program) page(t testing.TB) {
	t.Helper()
	w.open(t, 120, 40, colorprofile.TrueColor)
	w.Press("X")
	w.Wait(time.Second)
}

// find types a person or a path and sends it.
func (w *program) find(text string) {
	w.Press("/")
	w.Type(text)
	w.Press("enter")
	w.Wait(time.Second)
}

// wantAsked fails unless these were all queries.
func (w *program) wantAsked(t testing.TB, want ...string) {
	t.Helper()
	if got := w.adminServer.queries(); !slices.Equal(got, want) {
		t.Errorf("asked %s\n want %s", fmt.Sprintf("%q", got), fmt.Sprintf("%q", want))
	}
}
