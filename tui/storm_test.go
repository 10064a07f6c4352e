package tui_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/colorprofile"

	"usher/backend/api"
	"usher/client/download"
	"usher/session"
	"usher/tui"
	"usher/tui/keys"
	"usher/tui/linear"
	"usher/tui/signin"
	"usher/tui/tuitest"
)

// storms are the pages of this package for random keys, by context, with the keys to
// each from the first folder.
var storms = map[keys.Context][]string{
	keys.Browser:   {},
	keys.Tree:      {"shift+tab"},
	keys.Details:   {"tab"},
	keys.Sort:      {"s"},
	keys.Copying:   {"y"},
	keys.Marked:    {"a", "M"},
	keys.Sets:      {"a", "M", "w", "x", "enter", "o"},
	keys.Versions:  {"G", "H"},
	keys.Compared:  {"="},
	keys.Transfers: {"t"},
	keys.History:   {"t", "H"},
	keys.Reader:    {"G", "y", "a"},
	keys.Preview:   {"G", "v"},
	keys.Diff:      {"G", "H", "space", "j", "="},
}

// dialogStorms are dialogs over the browser, by the beginning of their title.
var dialogStorms = map[string][]string{
	"Keys in":  {"?"},
	"Commands": {":"},
	"Session":  {"i"},
	"Download": {"D"},
}

// signInStorms are the stages of the sign-in, by the names of package signin, with the
// beginning of the title and the keys to it.
var signInStorms = map[string]struct {
	title string
	open  []string
}{
	"askPassword":  {"Sign in, ", nil},
	"askUser":      {"Sign in with a code", []string{"tab", "tab", "tab", "enter"}},
	"askForgotten": {"Forgot your password", []string{"tab", "tab", "tab", "tab", "enter"}},
	"askNew":       {"Choose a new password", typed("new")},
	"askSetUp":     {"Set up your second factor", typed("setup")},
	"askCode":      {"Enter the code from", typed("code")},
	"askChoice":    {"Choose how to continue", typed("choice")},
	"askEmail":     {"Set up codes by mail", typed("email")},
	"askProof":     {"Enter your password", typed("proof")},
	"askReset":     {"Set a new password", typed("reset")},
	"askRemember":  {"Remember this machine", typed("remember")},
	"askBrowser":   {"Sign in with a browser", []string{"tab", "tab", "enter"}},
	"askNumber":    {"Enter the number", []string{"tab", "tab", "enter"}},
}

// typed is a sign-in with the password "pw".
func typed(user string) []string {
	return append(strings.Split(user, ""), "enter", "p", "w", "enter")
}

// stormProgram is a whole program without a key for the sign-out.
func stormProgram(t testing.TB, change func(*program)) linear.Program {
	w := newProgram(change)
	w.deps.SignOut, w.deps.Mouse = nil, true
	m, err := tui.New(w.deps)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Random keys on each page: no panic, no line wider than the window, no frozen screen.
func TestRandomKeys(t *testing.T) {
	start := tuitest.At("company-reports/annual/audited/")
	fresh := func() linear.Program {
		return stormProgram(t, func(w *program) {
			for _, name := range []string{"a.csv", "b.csv", "c.csv"} {
				w.engine.Add(download.Request{Bucket: "company-reports", Key: "annual/" + name, Size: 1e12})
			}
		})
	}
	tuitest.Storms(t, storms, fresh)
	for title, open := range dialogStorms {
		(&tuitest.Storm{New: fresh, Open: open, Back: tuitest.Plainly(keys.Browser), Start: start,
			At: func(s linear.Scene) bool { return s.Dialog && strings.HasPrefix(s.Title, title) }}).Test(t, "dialog "+title)
	}
	for stage, to := range signInStorms {
		number := stage == "askNumber"
		(&tuitest.Storm{
			New:   func() linear.Program { return stormProgram(t, func(w *program) { everyStage(w, number) }) },
			Open:  to.open,
			Probe: map[bool][]string{true: {}, false: {"tab", "1", "ctrl+u"}}[stage == "askBrowser"],
			At:    func(s linear.Scene) bool { return s.Page == "" && strings.HasPrefix(s.Title, to.title) },
		}).Test(t, stage)
	}
}

// everyStage offers all ways to sign in, and accounts for all steps.
func everyStage(w *program, number bool) {
	w.deps.HasSession = false
	w.deps.Other = []signin.Way{{Way: api.WayDevice, Label: "Sign in with a browser on another device", Begin: func(context.Context, string) (signin.Browser, error) {
		return patient{awaited{}, number}, nil
	}}}
	pool := tuitest.Pool{}
	for name, kind := range map[string]session.StepKind{"new": session.NeedNewPassword, "setup": session.SetUpCode, "code": session.NeedCode, "choice": session.Choose,
		"email": session.NeedEmail, "proof": session.NeedPassword, "reset": session.NeedReset, "remember": session.Done} {
		pool[name] = tuitest.Account{Password: "pw", First: kind, Remember: name == "remember", Attributes: []string{"name"}}
	}
	w.deps.NewSignIn = func() (signin.Flow, error) { return pool.Flow(), nil }
	w.deps.Ways = []api.Way{api.WayPassword, api.WayDevice, api.WayCode}
}

// patient is a browser that comes back with a number at once, or not at all.
type patient struct {
	awaited
	number bool
}

func (p patient) Wait(ctx context.Context) (session.Step, error) {
	if p.number {
		return session.Step{Kind: session.NeedNumber}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	<-ctx.Done()
	return session.Step{}, ctx.Err()
}

// Each page and each stage of the sign-in has a storm.
func TestEveryPageHasAStorm(t *testing.T) {
	names := constants(t)
	for c, pkgs := range readUsage(t).pages {
		for _, pkg := range pkgs {
			file := map[string]string{"audit": "audit", "access": "access"}[pkg]
			if !slices.Contains(stormsIn(t, file), c) {
				t.Errorf("context %s of package %s has no storm", c, pkg)
			}
		}
	}
	if len(names) == 0 {
		t.Fatal("no contexts were found")
	}
	for _, stage := range stages(t) {
		if _, ok := signInStorms[stage]; !ok {
			t.Errorf("stage %s of the sign-in has no storm", stage)
		}
	}
}

// stormsIn returns the contexts in the map storms of a package's test.
func stormsIn(t *testing.T, folder string) (out []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder, "storm_test.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if ok && v.Names[0].Name == "storms" {
			ast.Inspect(v, func(n ast.Node) bool {
				if pair, ok := n.(*ast.KeyValueExpr); ok {
					out = append(out, keyNames(pair.Key)...)
				}
				return true
			})
		}
		return true
	})
	return out
}

// stages returns the stages of the sign-in.
func stages(t *testing.T) (out []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "signin/signin.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "ask") {
			out = append(out, v.Names[0].Name)
		}
		return true
	})
	if len(out) < 10 {
		t.Fatalf("only %q are stages", out)
	}
	return out
}

// A dialog fits into the smallest window, with its keys.
func TestDialogsFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newProgram(func(w *program) { w.deps.DownloadDir = "/home/alice/" + strings.Repeat("reports/", 60) })
		w.open(t, 72, 18, colorprofile.ASCII)
		w.Press("i")
		w.Wait(time.Second)
		if n := strings.Count(w.model.View().Content, "\n") + 1; n > 18 {
			t.Errorf("%d lines", n)
		}
		w.Want(t, "Session", "close")
	})
}
