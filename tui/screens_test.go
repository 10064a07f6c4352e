package tui_test

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/colorprofile"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/session"
	"usher/tui"
	"usher/tui/pane"
	"usher/tui/reader"
	"usher/tui/signin"
	"usher/tui/tuitest"
)

var goldens = tuitest.NewGoldens()

func TestMain(m *testing.M) { os.Exit(goldens.Main(m)) }

// program is the whole program with fakes.
type program struct {
	*tuitest.Screen
	server *tuitest.Server
	engine *tuitest.Engine
	deps   tui.Deps
	model  *tui.Model
	text   string      // of every file, if it is not ""
	opened pane.Target // the last file in the reader

	versions map[string]string // texts by version ID, for a comparison

	browser awaited // of withBrowser
}

func newProgram(change func(*program)) *program {
	w := &program{server: tuitest.Reports(tuitest.NewServer("alice.moreau", "finance-readers", "audit-team", "everyone"))}
	w.engine = &tuitest.Engine{Now: time.Now, Speed: 24_100_000}
	pool := tuitest.Pool{"ada": {Password: "Analytical-42", First: session.Done}, "alan": {Password: "Bombe-1940", First: session.NeedCode},
		"new": {Password: "Temporary-1", First: session.NeedNewPassword}}
	w.deps = tui.Deps{
		Backend: w.server, Transfers: w.engine, Now: tuitest.Epoch, Server: "files.example.com", Version: "1.0.0",
		NewSignIn:    func() (signin.Flow, error) { return pool.Flow(), nil },
		SignedIn:     func(context.Context, session.Step) error { return nil },
		SignOut:      func(context.Context) error { return nil },
		Lock:         func(context.Context) error { return nil },
		Organisation: safetext.New("Example Ltd"),
		DownloadDir:  "/home/alice/usher", Home: "/home/alice", Zone: time.FixedZone("", 3600),
		FreeSpace: func(string) (int64, error) { return 41_600_000_000, nil },
		Pages: []tui.Page{tui.ReadPage("files.example.com", func(on pane.Target) reader.File { return w.file(on) }),
			tui.DiffPage("files.example.com", func(on pane.Target) reader.Version { return w.version(on) })},
		Links:      w.server.Links,
		History:    past,
		HasSession: true, Theme: "dark", Start: tuitest.At("company-reports/annual/audited/"),
	}
	if change != nil {
		change(w)
	}
	return w
}

// file returns the contents of every file.
func (w *program) file(on pane.Target) *tuitest.File {
	w.opened = on
	text := "name,amount\nrent,1200\n\x1b[2Jgone,1\n"
	if w.text != "" {
		text = w.text
	}
	return tuitest.NewFile([]byte(text))
}

// version returns the contents of a version of every file. Each version has a text of its
// own, and the same time as in the list of versions.
func (w *program) version(on pane.Target) *tuitest.File {
	if w.versions == nil {
		w.versions = map[string]string{
			"UIORUnfndfhnw89493jJFJ.rmSpXd3dIbrH": "name,amount\nrent,1200\ngone,1\nkept,5\n",
			"3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY":   "name,amount\nrent,1250\nkept,5\nnew,7\n\x1b[2J\n",
			"v0":                                  "text 0\n",
			"v1":                                  "text 1\n",
		}
	}
	f := tuitest.NewFile([]byte(w.versions[on.Version.Raw()]))
	f.At = time.Date(2019, 3, 16, 10, 2, 0, 0, time.UTC)
	if strings.HasPrefix(on.Version.Raw(), "U") {
		f.At = f.At.AddDate(0, -1, 0)
	}
	return f
}

func (w *program) open(t testing.TB, width, height int, p colorprofile.Profile, env ...string) {
	t.Helper()
	m, err := tui.New(w.deps)
	if err != nil {
		t.Fatal(err)
	}
	w.model = m
	w.Screen = tuitest.Open(t, width, height, p, m, env...)
}

// scene is a golden screen: a change of the program, and the pressed keys.
type scene struct {
	name   string
	change func(*program)
	play   func(*testing.T, *program)
}

// awaited is a browser on another device that does not come back.
type awaited struct{ end chan struct{} }

func (awaited) Show() signin.Shown {
	return signin.Shown{Address: "https://files.example.com/d", Code: "BCDF-GHJK", QR: "HTTPS://FILES.EXAMPLE.COM/D/BCDFGHJK"}
}

func (a awaited) Wait(context.Context) (session.Step, error) {
	<-a.end
	return session.Step{}, context.Canceled
}

func (awaited) Number(context.Context, string) (session.Step, error) {
	return session.Step{}, session.ErrDeviceNumber
}
func (awaited) Close() {}

// withBrowser offers a sign-in on another device.
func withBrowser(w *program) {
	signedOut(w)
	w.browser = awaited{make(chan struct{})}
	w.deps.Other = []signin.Way{{Way: api.WayDevice, Label: "Sign in with a browser on another device", Begin: func(context.Context, string) (signin.Browser, error) {
		return w.browser, nil
	}}}
}

func signedOut(w *program) {
	w.deps.HasSession = false
	w.deps.Demo = []signin.Account{
		{User: "ada", Password: "Analytical-42", About: "finance-team"},
		{User: "alan", Password: "Bombe-1940", About: "engineering, second factor", Code: func() string { return "123456" }},
		{User: "new", Password: "Temporary-1", About: "has to choose a password"},
	}
}

func press(names ...string) func(*testing.T, *program) {
	return func(_ *testing.T, w *program) {
		w.Press(names...)
		w.Wait(time.Second)
	}
}

func signIn(user, password string) func(*program) {
	return func(w *program) {
		w.Type(user)
		w.Press("enter")
		w.Type(password)
		w.Press("enter")
		w.Wait(500 * time.Millisecond)
	}
}

func scenes() []scene {
	return []scene{
		{"sign-in", signedOut, nil},
		{"sign-in-wrong", signedOut, func(t *testing.T, w *program) {
			signIn("ada", "wrong")(w)
			w.Want(t, "User name or password is incorrect.")
		}},
		{"sign-in-code", signedOut, func(t *testing.T, w *program) { signIn("alan", "Bombe-1940")(w); w.Want(t, "123456") }},
		{"sign-in-new", signedOut, func(t *testing.T, w *program) { signIn("new", "Temporary-1")(w); w.Want(t, "At least 8") }},
		{"sign-in-device", withBrowser, func(t *testing.T, w *program) {
			w.Press("tab", "tab", "enter")
			w.Want(t, "Waiting for the browser")
			t.Cleanup(func() { close(w.browser.end) })
		}},
		{"sign-in-set-up", signedOut, func(t *testing.T, w *program) {
			signIn("new", "Temporary-1")(w)
			w.Type("Longer-than-8")
			w.Press("enter")
			w.Type("Longer-than-8")
			w.Press("enter")
			w.Wait(500 * time.Millisecond)
			w.Want(t, "JBSW Y3DP")
		}},
		{"browser", nil, press("j", "j", "j", "space", "j", "space")},
		{"filter", nil, func(_ *testing.T, w *program) { w.Press("/"); w.Type("ledger 202"); w.Wait(time.Second) }},
		{"filter-none", nil, func(t *testing.T, w *program) {
			w.Press("/")
			w.Type("ledgr")
			w.Wait(time.Second)
			w.Want(t, `Nothing matches "ledgr".`)
		}},
		{"search-field", nil, func(_ *testing.T, w *program) { w.Press("F"); w.Type("*.csv size:>10"); w.Wait(time.Second) }},
		{"going", nil, func(_ *testing.T, w *program) { w.Press("ctrl+g"); w.Type("a"); w.Press("down"); w.Wait(time.Second) }},
		{"search", nil, func(t *testing.T, w *program) {
			w.Press("F")
			w.Type("ledger modified:<400d")
			w.Press("enter")
			w.Wait(time.Second)
			w.Want(t, "2 found in 34 names")
		}},
		{"details", nil, press("j", "j", "j", "enter")},
		{"copy-menu", nil, press("j", "j", "j", "y")},
		{"copy-links", nil, press("j", "j", "j", "space", "space", "space", "y", "u")},
		{"marks", nil, press("space", "j", "j", "space", "j", "j", "V", "j", "j", "V", "M")},
		{"marks-range", nil, press("j", "j", "j", "V", "j", "j")},
		{"marks-pattern", nil, func(_ *testing.T, w *program) { w.Press("+"); w.Type("*ledger* size:>1M") }},
		{"compared", nil, press("j", "j", "j", "=", "j", "j")},
		{"versions", nil, press("j", "j", "j", "H", "j", "j")},
		{"versions-marked", nil, press("j", "j", "j", "H", "space", "j", "space")},
		{"sizes", nil, press("S", "j", "S", "j")},
		{"reader", nil, press("j", "j", "j", "v")},
		{"buckets", nil, press("~")},
		{"empty", func(w *program) { w.deps.Start = tuitest.At(""); w.server.Hide("") }, func(t *testing.T, w *program) { w.Want(t, "no bucket is open to your groups") }},
		{"loading", func(w *program) { w.server.Delay = 10 * time.Second }, func(t *testing.T, w *program) { w.Want(t, "listing") }},
		{"error", func(w *program) { w.server.Fail(&api.Error{Code: api.AuditUnavailable, RequestID: "r-01JD9X5C8M"}) }, nil},
		{"offline", nil, func(t *testing.T, w *program) {
			w.server.Fail(tuitest.ErrNetwork)
			w.Press("ctrl+r")
			w.Wait(time.Second)
			w.Want(t, "as of 10:12:04")
		}},
		{"hostile", hostile, nil},
		{"ask", nil, press("j", "j", "j", "space", "j", "space", "d")},
		{"running", nil, func(t *testing.T, w *program) {
			w.fetch("2025")
			w.Wait(3 * time.Second)
		}},
		{"help", nil, press("?")},
		{"palette", nil, func(_ *testing.T, w *program) {
			w.Press(":")
			w.Type("down")
			w.Wait(time.Second)
			w.Mask(regexp.MustCompile(` of [0-9]+ +[│|]`)) // TestPaletteOfFolders in tui/help checks the total
		}},
		{"session", nil, press("i")},
		{"session-ended", nil, func(t *testing.T, w *program) {
			w.Press("j", "j", "j", "space")
			w.server.Fail(&api.Error{Code: api.TokenExpired, RequestID: "r-01JD9X5C8M"})
			w.Press("ctrl+r")
			w.Wait(time.Second)
			w.Want(t, "Your sign-in has ended")
		}},
	}
}

func hostile(w *program) {
	w.server.Unsafe = true // the screens do not rely on the server
	w.deps.Start = tuitest.At("datasets/public/hostile/")
	for i, n := range tuitest.HostileNames() {
		w.server.Put("datasets/public/hostile/"+n, int64(i), "2026-01-02 03:04")
	}
}

func TestScreens(t *testing.T) {
	small := tuitest.Size{Name: "60x15", W: 60, H: 15, Profile: colorprofile.TrueColor}
	for _, sc := range slices.Concat(scenes(), readScenes(), diffScenes(), signInScenes(), queueScenes()) {
		sizes := tuitest.Sizes()
		if sc.name == "running" || sc.name == "browser" {
			sizes = append(sizes, small) // all other screens are equal there
		}
		if strings.HasPrefix(sc.name, "sign-in-attributes") {
			sizes = append(sizes, tuitest.Size{Name: "72x18", W: 72, H: 18, Profile: colorprofile.TrueColor})
		}
		goldens.Each(t, sc.name, sizes, func(t *testing.T, sz tuitest.Size) *tuitest.Screen {
			w := newProgram(sc.change)
			w.deps.ASCII = sz.ASCII
			width, height := sz.W, sz.H
			if width < 72 { // the window shrinks at the end
				width, height = 80, 24
			}
			w.open(t, width, height, sz.Profile)
			if sc.play != nil {
				sc.play(t, w)
			}
			if width != sz.W {
				w.Resize(sz.W, sz.H)
			}
			return w.Screen
		})
	}
}
