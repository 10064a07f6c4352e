package tui_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/colorprofile"

	"usher/backend/api"
	"usher/client/download"
	"usher/session"
	"usher/tui"
	"usher/tui/tuitest"
)

// attack is a text that attacks a terminal. A screen shows its first part as harmless.
const (
	attack   = "\x1b]0;owned\a\x1b[?1049h\u009b2J\u202e"
	harmless = `u{1b}]0;owned`
)

// stringFields calls each for every string in a configuration, at any depth. A
// list gets one element. A field of another kind fails the test.
func stringFields(t *testing.T, c *api.Config, each func(name string, set func(string))) {
	t.Helper()
	value := func() reflect.Value { return reflect.ValueOf(c).Elem() }
	stringsIn(t, value, "Config", each)
}

// stringsIn handles the value that get returns at the time of each change.
func stringsIn(t *testing.T, get func() reflect.Value, name string, each func(string, func(string))) {
	t.Helper()
	switch v := get(); v.Kind() {
	case reflect.String:
		each(name, func(s string) { get().SetString(s) })
	case reflect.Struct:
		for i := range v.NumField() {
			stringsIn(t, func() reflect.Value { return get().Field(i) }, name+"."+v.Type().Field(i).Name, each)
		}
	case reflect.Slice:
		stringsIn(t, func() reflect.Value {
			list := get()
			if list.Len() == 0 {
				list.Set(reflect.MakeSlice(list.Type(), 1, 1))
			}
			return list.Index(0)
		}, name, each)
	case reflect.Int, reflect.Bool:
	case reflect.Uint8: // of signed notes, which are verified before they are shown
	default:
		t.Errorf("%s is a %s, which this test does not handle", name, v.Type())
	}
}

// Every string of the server's configuration is safe on every screen that shows it:
// sign-in, palette, session, and the pages that need a group.
func TestNothingOfTheConfigurationIsRaw(t *testing.T) {
	shown := map[string]bool{}
	var config api.Config
	n := 0
	stringFields(t, &config, func(name string, set func(string)) {
		n++
		config = api.Config{}
		set(attack)
		served := config
		for _, in := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				w := configured(t, served, in)
				w.open(t, 120, 40, colorprofile.TrueColor)
				w.Log(&out)
				w.Resize(121, 40) // the first frame came before the log
				screens := w.Text()
				look := func(keys ...string) {
					w.Press(keys...)
					w.Wait(time.Second)
					screens += w.Text()
				}
				if in {
					look("?")
					look("esc", "i")
					look("esc", ":", "a", "u", "d", "i", "t", "space", "l", "o", "g")
					look("esc", "A")
					look("esc", ":", "a", "c", "c", "e", "s", "s", ":")
					look("esc", "X")
				}
				if got := raw(out.String()); got != "" {
					t.Errorf("%s reaches the terminal unescaped: %q", name, got)
				}
				shown[name] = shown[name] || strings.Contains(screens, harmless)
			})
		}
	})
	if n < 10 {
		t.Errorf("only %d strings of api.Config were tried", n)
	}
	for _, name := range []string{"Config.Organisation", "Config.AuditorsGroup", "Config.AdminsGroup"} {
		if !shown[name] {
			t.Errorf("no screen shows %s, so this test proves nothing", name)
		}
	}
}

// raw returns a part of the attack that reached the terminal, or "".
func raw(out string) string {
	for _, part := range []string{"\x1b]0;owned", "\u009b", "\u202e"} {
		if strings.Contains(out, part) {
			return part
		}
	}
	return ""
}

// configured returns a program that Wire made from a profile with a configuration.
func configured(t *testing.T, c api.Config, in bool) *program {
	t.Helper()
	w := newProgram(nil)
	good, err := session.NewProfile("x", "https://files.example.com", api.Config{
		Organisation: "Example Ltd", Region: "eu-west-1", UserPoolID: "eu-west-1_x", ClientID: "c",
		Issuer: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_x", S3Hosts: []string{"s3.example.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := session.Open(session.Folders{Config: t.TempDir(), State: t.TempDir()}, good, session.Options{Now: time.Now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	owner, err := download.NewPerUser("", func(string) (*download.Engine, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	d := tui.Wire(wired{Server: w.server}, s, owner, tui.Environment{
		Profile: session.Profile{Name: "x", Server: good.Server, Config: c}, Downloads: "/home/alice/usher", Random: rand.Reader, Now: tuitest.Epoch, Getenv: func(string) string { return "" },
	})
	d.Transfers, d.FreeSpace, d.HasSession, d.Theme = w.engine, w.deps.FreeSpace, in, "dark"
	w.deps = d
	return w
}

// wired is a server for Wire. It refuses the queries of auditors and admins.
type wired struct {
	*tuitest.Server
	refused
}

// refused returns the server's error for callers without the group.
type refused struct{}

func (refused) err() error { return &api.Error{Code: api.NotFound, RequestID: "r-01JD9X5C8M"} }

// Ask accepts every request for access.
func (wired) Ask(context.Context, api.AskRequest) (api.AskResponse, error) {
	return api.AskResponse{Days: 30}, nil
}

// Asked has no earlier requests.
func (wired) Asked(context.Context) (out api.AskedResponse, err error) { return out, nil }

// Withdraw finds no request.
func (w wired) Withdraw(context.Context, api.WithdrawRequest) (out api.WithdrawResponse, err error) {
	return out, w.err()
}

func (r refused) Asking(context.Context, api.AskingRequest) (out api.AskingResponse, err error) {
	return out, r.err()
}

func (r refused) Answer(context.Context, api.AnswerRequest) (out api.AnswerResponse, err error) {
	return out, r.err()
}

func (r refused) AuditQuery(context.Context, api.AuditQueryRequest) (out api.AuditQueryResponse, err error) {
	return out, r.err()
}

func (r refused) AuditSummary(context.Context, api.AuditSummaryRequest) (out api.AuditSummaryResponse, err error) {
	return out, r.err()
}

func (r refused) AuditBy(context.Context, api.AuditByRequest) (out api.AuditByResponse, err error) {
	return out, r.err()
}

func (r refused) AuditExport(context.Context, api.AuditExportRequest) (out api.AuditExportResponse, err error) {
	return out, r.err()
}

func (r refused) Checkpoint(context.Context, api.CheckpointRequest) (out api.CheckpointResponse, err error) {
	return out, r.err()
}

func (r refused) Explain(context.Context, api.ExplainRequest) (out api.ExplainResponse, err error) {
	return out, r.err()
}

func (r refused) Who(context.Context, api.WhoRequest) (out api.WhoResponse, err error) {
	return out, r.err()
}

func (r refused) Can(context.Context, api.CanRequest) (out api.CanResponse, err error) {
	return out, r.err()
}

func (r refused) GrantsList(context.Context) (out api.GrantsListResponse, err error) {
	return out, r.err()
}

func (refused) Signout(context.Context, string) error { return nil }
