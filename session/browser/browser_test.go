package browser_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"usher/session/browser"
)

const address = "https://sign-in.example.com/oauth2/authorize?a=b&c=d"

func TestOpen(t *testing.T) {
	for name, row := range map[string]struct {
		os      string
		env     map[string]string
		missing []string // programs that cannot be started
		want    string   // "" for ErrNone
	}{
		"desktop":        {"linux", map[string]string{"DISPLAY": ":0"}, nil, "xdg-open " + address},
		"wayland":        {"linux", map[string]string{"WAYLAND_DISPLAY": "wayland-0"}, nil, "xdg-open " + address},
		"no display":     {"linux", nil, nil, ""},
		"chosen":         {"linux", map[string]string{"BROWSER": "firefox -P work %s", "DISPLAY": ":0"}, nil, "firefox -P work " + address},
		"chosen, plain":  {"darwin", map[string]string{"BROWSER": "lynx"}, nil, "lynx " + address},
		"a list":         {"linux", map[string]string{"BROWSER": "a:b --new=%s"}, []string{"a"}, "b --new=" + address},
		"chosen is gone": {"linux", map[string]string{"BROWSER": "a", "DISPLAY": ":0"}, []string{"a"}, "xdg-open " + address},
		"WSL":            {"linux", map[string]string{"WSL_DISTRO_NAME": "Debian", "DISPLAY": ":0"}, nil, "wslview " + address},
		"WSL, old":       {"linux", map[string]string{"WSL_INTEROP": "/run/x", "DISPLAY": ":0"}, []string{"wslview"}, "xdg-open " + address},
		"mac":            {"darwin", nil, nil, "open " + address},
		"windows":        {"windows", nil, nil, "rundll32 url.dll,FileProtocolHandler " + address},
		"none at all":    {"linux", map[string]string{"DISPLAY": ":0"}, []string{"xdg-open"}, ""},
	} {
		var got string
		err := browser.System{
			OS: row.os, Getenv: func(name string) string { return row.env[name] },
			Start: func(name string, args ...string) error {
				if slices.Contains(row.missing, name) {
					return fmt.Errorf("%s: not found", name)
				}
				got = strings.Join(append([]string{name}, args...), " ")
				return nil
			},
		}.Open(address)
		if got != row.want || (row.want == "") != errors.Is(err, browser.ErrNone) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, row.want)
		}
	}
}

// A program that does not exist is an error, not a wait.
func TestRealStart(t *testing.T) {
	s := browser.Real("linux", func(name string) string {
		if name == "BROWSER" {
			return "usher-no-such-browser"
		}
		return ""
	})
	if err := s.Open(address); !errors.Is(err, browser.ErrNone) {
		t.Errorf("%v", err)
	}
}

func ExampleSystem_Open() {
	s := browser.System{OS: "darwin", Getenv: func(string) string { return "" }, Start: func(name string, args ...string) error {
		fmt.Println(name, args)
		return nil
	}}
	fmt.Println(s.Open("https://example.com"))
	// Output:
	// open [https://example.com]
	// <nil>
}

func TestTunnel(t *testing.T) {
	for connection, want := range map[string]string{
		"192.0.2.1 50000 192.0.2.2 22":   "ssh -N -L 17851:127.0.0.1:17851 ada@192.0.2.2",
		"192.0.2.1 50000 192.0.2.2 2222": "ssh -N -L 17851:127.0.0.1:17851 -p 2222 ada@192.0.2.2",
		"":                               "ssh -N -L 17851:127.0.0.1:17851 ada@THIS-HOST",
	} {
		getenv := func(name string) string { return map[string]string{"SSH_CONNECTION": connection, "USER": "ada"}[name] }
		if got := browser.Tunnel(getenv, 17851); got != want || browser.Remote(getenv) != (connection != "") {
			t.Errorf("%q: %q, want %q", connection, got, want)
		}
	}
}
