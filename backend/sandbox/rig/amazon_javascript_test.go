package rig

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http/httptest"
	"os/exec"
	"slices"
	"testing"
	"time"

	"usher/backend/sandbox"
	"usher/backend/sandbox/cognito"
)

// pool is the JSON description of a user pool for judge.mjs.
type pool struct {
	Endpoint   string                    `json:"endpoint"`
	Issuer     string                    `json:"issuer"`
	UserPoolID string                    `json:"user_pool_id"`
	ClientID   string                    `json:"client_id"`
	People     map[string]sandbox.Person `json:"people"`
}

const (
	poolID   = region + "_RigPool"
	clientID = "1rig2client3id4"
)

// checks lists the checks of judge.mjs. The test fails if a check is missing here
// or there.
func checks() []string {
	return []string{
		"srp/signs in", "srp/signs in repeatedly", "srp/wrong password", "srp/unknown person", "srp/unknown client",
		"new password/is required and set", "new password/too weak", "new password/wrong temporary one",
		"totp/requires a code", "totp/wrong code", "totp/set up at sign-in", "totp/set up later",
		"refresh/returns new tokens", "refresh/is refused with rotation", "refresh/invented token", "refresh/is refused after a sign-out",
		"global sign-out/ends every session",
		"tokens/person", "tokens/access token", "tokens/ID token", "tokens/types are distinct", "tokens/forged", "tokens/expired",
		"jwks/two RSA keys",
	}
}

// Amazon's clients for JavaScript, amazon-cognito-identity-js and aws-jwt-verify,
// against the sandbox's own pool and three others: one without rotation, one that
// requires TOTP, one with short-lived tokens.
func TestAmazonJavaScript(t *testing.T) {
	t.Parallel()
	judge(t, "judge.mjs", map[string]pool{
		"sandbox": sandboxPool(t),
		"plain":   startPool(t, cognito.Config{}),
		"mfa":     startPool(t, cognito.Config{MFA: cognito.MFARequired}),
		"brief":   startPool(t, cognito.Config{AccessTokenLife: time.Second}),
	}, checks())
}

// judge runs a script against pools.
func judge[P any](t *testing.T, script string, pools map[string]P, want []string) {
	t.Helper()
	report(t, script, runScript(t, script, pools), want)
}

// report plays the verdicts of a program as subtests. The test fails if a check is
// missing in the verdicts or in want.
func report(t *testing.T, program string, verdicts []verdict, want []string) {
	t.Helper()
	for _, v := range verdicts {
		at := slices.Index(want, v.Check)
		if at < 0 {
			t.Errorf("%s has an unexpected or repeated check %q", program, v.Check)
			continue
		}
		want = slices.Delete(want, at, at+1)
		t.Run(v.Check, func(t *testing.T) {
			if !v.OK {
				t.Error(v.Why)
			}
		})
	}
	for _, check := range want {
		t.Errorf("%q was not checked", check)
	}
}

// Negative control: without a pool, no check passes.
func TestJudgeCanFail(t *testing.T) {
	t.Parallel()
	nobody := startPool(t, cognito.Config{})
	nobody.Endpoint = "http://127.0.0.1:1" // a port that no unprivileged program can open
	nobody.Issuer = nobody.Endpoint + "/" + poolID
	verdicts := runScript(t, "judge.mjs", map[string]pool{"sandbox": nobody, "plain": nobody, "mfa": nobody, "brief": nobody})
	if len(verdicts) != len(checks()) {
		t.Errorf("%d of %d checks ran", len(verdicts), len(checks()))
	}
	for _, v := range verdicts {
		if v.OK {
			t.Errorf("%s passes without a pool", v.Check)
		}
	}
}

// verdict is one output line of a judge's script.
type verdict struct {
	Check, Why string
	OK         bool
}

// runScript runs a judge's script in node and returns its verdicts.
func runScript[P any](t *testing.T, script string, pools map[string]P) []verdict {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal(err)
	}
	in, err := json.Marshal(map[string]any{"pools": pools})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, script)
	cmd.Stdin = bytes.NewReader(in) // not in arguments or environment, because it contains secrets
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %v\n%s", script, err, errs.String())
	}
	return lines[verdict](t, string(out))
}

// sandboxPool returns the pool of `usher demo`.
func sandboxPool(t *testing.T) pool {
	t.Helper()
	box, err := sandbox.Start(t.Context(), sandbox.Options{Dir: t.TempDir(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Errorf("closing the sandbox: %v", err)
		}
	})
	p := pool{box.CognitoEndpoint, box.Issuer, box.UserPoolID, box.ClientID, map[string]sandbox.Person{}}
	for _, person := range box.People {
		p.People[person.Username] = person
	}
	return p
}

// serve starts a pool without people. c contains its settings other than the
// defaults.
func serve(t *testing.T, c cognito.Config) (pool, *cognito.Pool) {
	t.Helper()
	c.Region, c.PoolID, c.ClientID, c.Now, c.Rand = region, poolID, clientID, time.Now, rand.Reader
	if c.OwnerKeys == nil {
		c.OwnerKeys = func(string) (string, bool) { return "", false }
	}
	made, err := cognito.New(c)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(made)
	t.Cleanup(server.Close)
	if err := made.SetBaseURL(server.URL); err != nil {
		t.Fatal(err)
	}
	return pool{server.URL, made.Issuer(), poolID, clientID, map[string]sandbox.Person{}}, made
}

// startPool starts a pool with the rig's own people. c contains its settings other
// than the defaults.
func startPool(t *testing.T, c cognito.Config) pool {
	t.Helper()
	p, made := serve(t, c)
	for _, u := range []cognito.User{
		{Username: "ada", Groups: []string{"finance-team"}}, {Username: "grace"}, {Username: "dorothy"},
		{Username: "alan", TOTPSecret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}, {Username: "edsger", Temporary: true},
	} {
		u.Email = u.Username + "@example.com"
		addPerson(t, made, &p, u)
	}
	return p
}

// addPerson adds an account with a random password.
func addPerson(t *testing.T, made *cognito.Pool, p *pool, u cognito.User) {
	t.Helper()
	u.Password = "Rig1-" + rand.Text()[:12]
	if _, err := made.AddUser(u); err != nil {
		t.Fatal(err)
	}
	p.People[u.Username] = sandbox.Person{Username: u.Username, Groups: u.Groups, Password: u.Password, Temporary: u.Temporary, TOTPSecret: u.TOTPSecret}
}
