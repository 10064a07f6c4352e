//go:build unix && !nosandbox

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/sandbox"
	"usher/session"
)

const image = "usher-appliance-2026.11.img"

// limited writes the rate limit of downloads into the configuration of a home.
func (s *terminal) limited(rate string) {
	s.t.Helper()
	dir := filepath.Join(s.home(), "config", "usher")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte("limit: "+rate+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// Somebody leaves: the account is disabled during a download. The screen shows the end
// of the session, the part stays a part, and the log has the attempt.
func TestSceneSomebodyLeaves(t *testing.T) {
	longScenes(t, func(t *testing.T, at stage) {
		now := &shifted{}
		w := demotest.Start(t, demo.Options{Now: now.Now})
		s, downloads := at.open(t, w, "logout") // the home exists before the configuration
		s.ends()
		s.limited("1M")
		s = at.again(s, "builds/images/")
		s.alanSignsIn(w)
		s.shows("usher-appliance")
		s.keys("/", image, "enter")
		s.shows("3 in all")
		s.keys("d")
		target := filepath.Join(downloads, "builds", "images")
		s.until("a part", func(string) bool { return len(parts(target)) > 0 })
		if _, err := w.Admin().AdminDisableUser(t.Context(), &cognitoidentityprovider.AdminDisableUserInput{UserPoolId: aws.String(w.UserPoolID), Username: aws.String("alan")}); err != nil {
			t.Fatal(err)
		}
		now.Pass(31 * time.Second)
		s.keys("ctrl+r")
		s.shows("Your sign-in has ended", "1 ", "automatically")
		if _, err := os.Stat(filepath.Join(target, image)); err == nil {
			t.Error("the download ended before the account was disabled")
		}
		s.answers("Your sign-in has ended", "q")
		if s.ends(); len(parts(target)) == 0 {
			t.Error("the part is gone")
		}
		if denied := s.runs("ls", "builds/"); denied.code != 3 {
			t.Errorf("after the end: %+v", denied)
		}
		if got := w.Events(t, "who:alan -outcome:allowed"); len(got) == 0 {
			t.Error("no attempt after the end is in the log")
		}
	})
}

// served starts `usher demo --serve` as a process, which a signal can halt.
func served(t *testing.T) (*demotest.Demo, *os.Process) {
	t.Helper()
	cmd, _ := usher(t, nil, "demo", "--serve", "--json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	var ready struct {
		Server   string
		Region   string
		Pool     string `json:"user_pool_id"`
		Endpoint string `json:"cognito_endpoint"`
		Key      string `json:"s3_access_key"`
		Secret   string `json:"s3_secret_key"`
		People   []struct {
			Username, Password string
			TOTP               string `json:"totp_secret"`
		}
	}
	if err := json.NewDecoder(out).Decode(&ready); err != nil {
		t.Fatal(err)
	}
	facts := sandbox.Facts{Region: ready.Region, UserPoolID: ready.Pool, CognitoEndpoint: ready.Endpoint, S3AccessKey: ready.Key, S3SecretKey: ready.Secret}
	for _, p := range ready.People {
		facts.People = append(facts.People, sandbox.Person{Username: p.Username, Password: p.Password, TOTPSecret: p.TOTP})
	}
	config, err := session.Discover(t.Context(), ready.Server)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := session.NewProfile("demo", ready.Server, config)
	if err != nil {
		t.Fatal(err)
	}
	return &demotest.Demo{Demo: &demo.Demo{Facts: facts, Server: ready.Server}, Profile: profile}, cmd.Process
}

// parts returns the partial files of the image.
func parts(target string) []string {
	found, err := filepath.Glob(filepath.Join(target, ".usher-*"))
	if err != nil {
		return nil
	}
	return found
}

// The train: the link drops during a download, the sign-in ends meanwhile, and later
// the program is killed. The download waits, requires the sign-in, and goes on from
// the bytes that it has.
func TestSceneTrain(t *testing.T) {
	if os.Getenv("USHER_SCENES") != "all" {
		t.Skip("half a minute; TestSceneKilledAndResumed is the short form")
	}
	scenes(t, func(t *testing.T, at stage) {
		w, server := served(t)
		s, downloads := at.open(t, w, "logout")
		s.ends()
		s.limited("2M")
		s = at.again(s, "builds/images/")
		s.alanSignsIn(w)
		s.shows("usher-appliance")
		s.keys("/", image)
		s.shows("3 in all")
		s.keys("enter", "d")
		target := filepath.Join(downloads, "builds", "images")
		s.until("a part", func(string) bool { return len(parts(target)) > 0 })
		if err := server.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		s.shows("no data for")
		s.keys("t")
		s.until("the state of a link without data", func(screen string) bool {
			return strings.Contains(screen, "stalled") || strings.Contains(screen, "waiting for the network")
		})
		s.shows("Can't reach", "next try in", "ctrl+r now")
		if err := server.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		s.hides("Can't reach")
		if _, err := w.Admin().AdminUserGlobalSignOut(t.Context(), &cognitoidentityprovider.AdminUserGlobalSignOutInput{UserPoolId: aws.String(w.UserPoolID), Username: aws.String("alan")}); err != nil {
			t.Fatal(err)
		}
		s.keys("esc")
		s.until("the end of the session", func(screen string) bool {
			if !strings.Contains(screen, "Your sign-in has ended") {
				s.keys("ctrl+r")
			}
			return strings.Contains(screen, "Your sign-in has ended")
		})
		s.answers("Your sign-in has ended", "enter")
		s.shows("Sign in", "Password")
		s.keys("\x1b[Z", "\x15")                           // back to the field of the user name, which is kept
		s.alanSignsInAt(w, time.Now().Add(31*time.Second)) // a code works once; the next one is accepted too
		s.hides("Password")
		if _, err := os.Stat(filepath.Join(target, image)); err == nil {
			t.Fatal("the download ended before the kill")
		}
		s.kill()
		s.limited("1G")
		s = at.again(s)
		s.shows("Unfinished transfers")
		s.answers("Unfinished transfers", "enter")
		s.until("the end of the download", func(string) bool {
			_, err := os.Stat(filepath.Join(target, image))
			return err == nil
		})
		s.shows("verified")
		if left := parts(target); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		if got := w.Events(t, "who:alan action:download"); len(got) < 2 {
			t.Errorf("%d releases in the log", len(got))
		}
	})
}
