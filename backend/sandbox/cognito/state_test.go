package cognito

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// restart starts a second pool on the state file of the first.
func (b *bench) restart(change func(*Config)) (*bench, error) {
	b.t.Helper()
	config := b.pool.cfg
	config.BaseURL = ""
	if change != nil {
		change(&config)
	}
	p, err := New(config)
	if err != nil {
		return nil, err
	}
	again := serve(b.t, p)
	again.clock = b.clock
	return again, nil
}

func TestStateOutlivesTheProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pool.json")
	b := newBench(t, func(c *Config) { c.StateFile = file })
	sub := b.addUser(User{Username: "ada", Email: "ada@example.com", Groups: []string{"finance-team"}})
	b.addUser(User{Username: "alan", TOTPSecret: testTOTPSecret})
	b.addUser(User{Username: "grace"})
	b.mustCall("AdminDisableUser", adminInput{testPool, "grace"}, nil)
	first := b.signIn("ada", testPassword)
	second, _ := b.renew(first.RefreshToken)
	ended := b.signIn("ada", testPassword)
	b.mustCall("RevokeToken", revokeTokenInput{ended.RefreshToken, testClient}, nil)
	code := b.code(testTOTPSecret, 0)
	if _, failure := b.sendCode(b.codeChallenge("alan", testPassword), "alan", code); failure != "" {
		t.Fatal(failure)
	}
	_, unknown := b.start("mallory")

	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the state file has mode %v", info.Mode())
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string]string{"a password": testPassword, "a refresh token": second.RefreshToken, "an access token": second.AccessToken} {
		if strings.Contains(string(raw), secret) {
			t.Errorf("the state file contains %s", name)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
		t.Errorf("beside the state file: %v, %v", left, err)
	}

	b, err = b.restart(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.alive(second.AccessToken); got != "" {
		t.Errorf("an access token from before: %s", got)
	}
	if got := b.alive(ended.AccessToken); !strings.Contains(got, "revoked") {
		t.Errorf("a revoked token from before: %q", got)
	}
	if _, failure := b.renew(second.RefreshToken); failure != "" {
		t.Errorf("a refresh token from before: %s", failure)
	}
	b.clock.advance(10 * time.Second)
	_, failure := b.renew(first.RefreshToken)
	failsWith(t, failure, "RefreshTokenReuseException", "")
	claims, _ := b.claims(b.signIn("ada", testPassword).AccessToken)
	if claims["sub"] != sub || claims["cognito:groups"] == nil || claims["iss"] != b.pool.Issuer() {
		t.Errorf("claims are %v", claims)
	}
	_, failure = b.sendCode(b.codeChallenge("alan", testPassword), "alan", code)
	failsWith(t, failure, "ExpiredCodeException", "") // used before the restart
	_, failure = b.tryStart("grace")
	failsWith(t, failure, "NotAuthorizedException", "User is disabled.")
	if _, again := b.start("mallory"); again.ChallengeParameters["SALT"] != unknown.ChallengeParameters["SALT"] {
		t.Error("the simulated salt changed, which distinguishes unknown usernames from known ones")
	}
}

func TestInvalidStateFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pool.json")
	b := newBench(t, func(c *Config) { c.StateFile = file })
	b.addUser(User{Username: "ada"})
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(body []byte, mode fs.FileMode) func() error {
		return func() error {
			return errors.Join(os.RemoveAll(file), os.WriteFile(file, body, mode), os.Chmod(file, mode))
		}
	}
	cases := map[string]struct {
		spoil func() error
		want  string
	}{
		"truncated":       {write(good[:len(good)/2], 0o600), "not a state file"},
		"empty":           {write(nil, 0o600), "not a state file"},
		"another pool's":  {write([]byte(strings.Replace(string(good), testPool, testRegion+"_Other", 1)), 0o600), "version or pool"},
		"a later version": {write([]byte(strings.Replace(string(good), `"version":1`, `"version":2`, 1)), 0o600), "version or pool"},
		"an empty entry":  {write([]byte(strings.Replace(string(good), `"users":[`, `"users":[null,`, 1)), 0o600), "entry is empty"},
		"a directory":     {func() error { return errors.Join(os.RemoveAll(file), os.Mkdir(file, 0o700)) }, "not a regular file"},
	}
	if runtime.GOOS != "windows" {
		cases["readable by others"] = struct {
			spoil func() error
			want  string
		}{write(good, 0o644), "must be 0600"}
		cases["a link"] = struct {
			spoil func() error
			want  string
		}{func() error {
			real := filepath.Join(dir, "real")
			return errors.Join(os.RemoveAll(file), os.WriteFile(real, good, 0o600), os.Symlink(real, file))
		}, "not a regular file"}
	}
	for name, c := range cases {
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		if _, err := b.restart(nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", name, err, c.want)
		}
	}
	if err := write(good, 0o600)(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.restart(nil); err != nil {
		t.Errorf("the valid file: %v", err)
	}
}

func TestUnsavedChangeIsNotAcknowledged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, func(c *Config) { c.StateFile = filepath.Join(dir, "pool.json") })
	b.addUser(User{Username: "ada"})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	status, body := b.post("CreateGroup", groupInput{UserPoolId: testPool, GroupName: "g"}, true)
	if status != 500 || !strings.Contains(string(body), "InternalErrorException") || strings.Contains(string(body), dir) {
		t.Errorf("returned %d %s", status, body)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b.mustCall("CreateGroup", groupInput{UserPoolId: testPool, GroupName: "h"}, nil)
	again, err := b.restart(nil)
	if err != nil || again.pool.groups["g"] == nil || again.pool.groups["h"] == nil {
		t.Errorf("the next save does not include the unsaved change: %v", err)
	}
}

// Concurrent calls lose no change, and the file contains every acknowledged one.
func TestConcurrentUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pool.json")
	b := newBench(t, func(c *Config) { c.StateFile = file })
	const people = 8
	names := make([]string, people)
	for i := range names {
		names[i] = "person-" + string(rune('a'+i))
		b.addUser(User{Username: names[i]})
	}
	last := make([]string, people)
	var wait sync.WaitGroup
	for i, name := range names {
		wait.Go(func() {
			tokens := b.signIn(name, testPassword)
			for range 5 {
				renewed, failure := b.renew(tokens.RefreshToken)
				if failure != "" {
					t.Errorf("%s: %s", name, failure)
					return
				}
				tokens = renewed
				if got := b.alive(tokens.AccessToken); got != "" {
					t.Errorf("%s: %s", name, got)
				}
			}
			if i%2 == 0 {
				b.mustCall("GlobalSignOut", accessTokenInput{tokens.AccessToken}, nil)
			}
			last[i] = tokens.RefreshToken
		})
	}
	wait.Wait()
	again, err := b.restart(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, token := range last {
		if _, failure := again.renew(token); (failure != "") != (i%2 == 0) {
			t.Errorf("person %d after a restart: %q", i, failure)
		}
	}
}

// Key generation takes a third of a second, so New must not generate keys.
func TestNoKeysBeforeTheFirstUse(t *testing.T) {
	p, err := New(testConfig(time.Now))
	if err != nil {
		t.Fatal(err)
	}
	b := serve(t, p)
	b.clock = &clock{t: time.Now()}
	b.addUser(User{Username: "ada"})
	b.start("ada")
	if access, _ := p.keys.pairs(); access != nil {
		t.Error("keys exist before the first signature")
	}
	if n := len(b.jwks().Keys); n != 2 {
		t.Errorf("%d keys are published at the first request", n)
	}
	first, _ := p.keys.pairs()
	if err := p.Warm(); err != nil {
		t.Fatal(err)
	}
	if second, _ := p.keys.pairs(); second != first {
		t.Error("Warm replaced the keys")
	}
}

func TestExpiredFamiliesAreRemoved(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	for range 20 {
		if _, err := b.pool.SignIn("ada"); err != nil {
			t.Fatal(err)
		}
	}
	b.clock.advance(13 * time.Hour)
	tokens := b.signIn("ada", testPassword)
	b.pool.mu.Lock()
	b.pool.pruneAt = 0
	b.pool.prune(b.clock.now())
	families, hashes := len(b.pool.signIns), len(b.pool.refresh)
	b.pool.mu.Unlock()
	if families != 1 || hashes != 1 {
		t.Errorf("%d families and %d refresh tokens are stored, want those of one sign-in", families, hashes)
	}
	if got := b.alive(tokens.AccessToken); got != "" {
		t.Error(got)
	}
}
