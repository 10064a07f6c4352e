package demo_test

import (
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// started starts a demo and closes it again. The addresses and keys of the
// closed demo remain readable.
func started(t *testing.T, o demo.Options) (d *demo.Demo, err error) {
	t.Helper()
	o.NewID = event.IDs(rand.Reader)
	if d, err = demo.Start(t.Context(), o); err == nil {
		err = d.Close()
	}
	return d, err
}

func TestPortsAndKeysAreReusedWithTheDirectory(t *testing.T) {
	o := demo.Options{Dir: t.TempDir(), KeepPort: true}
	first, err := started(t, o)
	if err != nil {
		t.Fatal(err)
	}
	second, err := started(t, o)
	if err != nil {
		t.Fatal(err)
	}
	if first.Server != second.Server || !reflect.DeepEqual(first.Facts, second.Facts) {
		t.Errorf("the second start has %s and %+v, want %s and %+v", second.Server, second.Facts, first.Server, first.Facts)
	}
}

func TestGivenPort(t *testing.T) {
	dir := t.TempDir()
	kept, err := started(t, demo.Options{Dir: dir, KeepPort: true})
	if err != nil {
		t.Fatal(err)
	}
	port := portOf(t, kept.Server)
	w, err := started(t, demo.Options{Port: port})
	if err != nil {
		t.Fatal(err)
	}
	for i, address := range []string{w.Server, w.S3Endpoint, w.CognitoEndpoint} {
		if have := portOf(t, address); have != port+i {
			t.Errorf("%s, want port %d", address, port+i)
		}
	}
}

func TestErrorNamesThePortInUse(t *testing.T) {
	for i, part := range []string{"usher's server", "the S3 server", "the sign-in service"} {
		t.Run(part, func(t *testing.T) {
			o := demo.Options{Dir: t.TempDir(), KeepPort: true}
			w, err := started(t, o)
			if err != nil {
				t.Fatal(err)
			}
			inUse := net.JoinHostPort("127.0.0.1", strconv.Itoa(portOf(t, w.Server)+i))
			l, err := net.Listen("tcp", inUse)
			if err != nil {
				t.Fatal(err)
			}
			_, err = started(t, o)
			if err == nil || !strings.Contains(err.Error(), part) || !strings.Contains(err.Error(), inUse) || !strings.Contains(err.Error(), "--port") {
				t.Errorf("%v, want an error that names %s, %s and --port", err, part, inUse)
			}
			_ = l.Close()
			if again, err := started(t, o); err != nil || again.Server != w.Server {
				t.Errorf("with the port free again: %v, want %s", err, w.Server)
			}
		})
	}
}

func TestInvalidPortsAreRefused(t *testing.T) {
	for _, port := range []int{-1, 65534, 70000} {
		if _, err := started(t, demo.Options{Port: port}); err == nil {
			t.Errorf("port %d was accepted", port)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "port.json"), []byte(`{"port":0}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := started(t, demo.Options{Dir: dir, KeepPort: true}); err == nil || !strings.Contains(err.Error(), "port.json") {
		t.Errorf("%v, want an error that names the file", err)
	}
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A second start on a directory shows the changed passwords and authenticators.
func TestPeopleShowTheirPresentState(t *testing.T) {
	dir := t.TempDir()
	w := demotest.Start(t, demo.Options{Dir: dir})
	w.SignIn(t, "katherine")
	w.SignIn(t, "edsger") // chooses a new password
	for _, p := range w.People {
		if p.Username == "katherine" && (!p.SetUpMFA || p.TOTPSecret != "") {
			t.Errorf("at first: %+v, want no authenticator yet", p)
		}
	}
	secret := w.Sandbox.Pool.Account("katherine", "").TOTPSecret
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again := demotest.Start(t, demo.Options{Dir: dir})
	for _, p := range again.People {
		switch p.Username {
		case "katherine":
			if p.SetUpMFA || p.TOTPSecret != secret || secret == "" || p.Password == "" {
				t.Errorf("second start: SetUpMFA %t, secret matches %t, want the secret of the set-up", p.SetUpMFA, p.TOTPSecret == secret)
			}
		case "edsger":
			if p.Temporary || p.Password != "" {
				t.Errorf("second start: temporary %t, password %q, want neither", p.Temporary, p.Password)
			}
		case "ada":
			if p.Password == "" {
				t.Error("ada's unchanged password is not shown")
			}
		}
	}
	again.SignIn(t, "katherine")
}
