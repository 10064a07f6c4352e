package cognito

import (
	"slices"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
)

const testTOTPSecret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

// code returns the code of an authenticator app at the bench's time plus shift.
func (b *bench) code(secret string, shift time.Duration) string {
	return b.codeOf(secret, shift, otp.AlgorithmSHA1)
}

func (b *bench) codeOf(secret string, shift time.Duration, algorithm otp.Algorithm) string {
	b.t.Helper()
	code, err := totp.GenerateCodeCustom(secret, b.clock.now().Add(shift),
		totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: algorithm})
	if err != nil {
		b.t.Fatal(err)
	}
	return code
}

func (b *bench) codeChallenge(username, password string) string {
	b.t.Helper()
	out, failure := b.prove(username, password)
	if failure != "" || out.ChallengeName != softwareTokenMFA {
		b.t.Fatalf("returned %q, challenge %q", failure, out.ChallengeName)
	}
	return out.Session
}

func (b *bench) sendCode(session, username, code string) (*authOutput, string) {
	b.t.Helper()
	return b.answer(softwareTokenMFA, session, params{"USERNAME": username, "SOFTWARE_TOKEN_MFA_CODE": code})
}

func TestTOTPWindow(t *testing.T) {
	for _, c := range []struct {
		name  string
		shift time.Duration
		good  bool
	}{{"now", 0, true}, {"one step back", -30 * time.Second, true}, {"one step ahead", 30 * time.Second, true},
		{"two steps back", -60 * time.Second, false}, {"two steps ahead", 60 * time.Second, false}} {
		b := newBench(t, nil)
		b.addUser(User{Username: "alan", TOTPSecret: testTOTPSecret})
		_, failure := b.sendCode(b.codeChallenge("alan", testPassword), "alan", b.code(testTOTPSecret, c.shift))
		if (failure == "") != c.good {
			t.Errorf("%s: returned %q", c.name, failure)
		}
		if !c.good {
			failsWith(t, failure, "CodeMismatchException", "Invalid code")
		}
	}
}

func TestTOTPCodeIsAcceptedOnce(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "alan", TOTPSecret: testTOTPSecret})
	earlier, code := b.code(testTOTPSecret, -30*time.Second), b.code(testTOTPSecret, 0)
	session := b.codeChallenge("alan", testPassword)
	out, failure := b.sendCode(session, "alan", code)
	if failure != "" || out.AuthenticationResult == nil {
		t.Fatal(failure)
	}
	_, failure = b.sendCode(session, "alan", b.code(testTOTPSecret, 30*time.Second))
	failsWith(t, failure, "NotAuthorizedException", "can only be used once")
	for name, used := range map[string]string{"the same code": code, "an older code": earlier} {
		_, failure := b.sendCode(b.codeChallenge("alan", testPassword), "alan", used)
		if failure != "ExpiredCodeException: Your software token has already been used once." {
			t.Errorf("%s: returned %q", name, failure)
		}
	}
	b.clock.advance(30 * time.Second)
	if _, failure := b.sendCode(b.codeChallenge("alan", testPassword), "alan", b.code(testTOTPSecret, 0)); failure != "" {
		t.Errorf("the next code: %s", failure)
	}
}

func TestTOTPSessionEndsAfterTooManyTries(t *testing.T) {
	for tries, want := range map[int]string{0: "", 1: "Invalid session for the user, session can only be used once."} {
		b := newBench(t, func(c *Config) { c.SessionTries = tries })
		b.addUser(User{Username: "alan", TOTPSecret: testTOTPSecret})
		session := b.codeChallenge("alan", testPassword)
		_, failure := b.sendCode(session, "alan", "000000")
		failsWith(t, failure, "CodeMismatchException", "")
		_, failure = b.sendCode(session, "alan", b.code(testTOTPSecret, 0))
		if want == "" && failure != "" {
			t.Errorf("after one wrong code: %s", failure)
		}
		if want != "" {
			failsWith(t, failure, "NotAuthorizedException", want)
		}
	}
	b := newBench(t, nil)
	b.addUser(User{Username: "alan", TOTPSecret: testTOTPSecret})
	session := b.codeChallenge("alan", testPassword)
	for range 3 {
		b.sendCode(session, "alan", "000000")
	}
	_, failure := b.sendCode(session, "alan", b.code(testTOTPSecret, 0))
	failsWith(t, failure, "NotAuthorizedException", "can only be used once")
	session = b.codeChallenge("alan", testPassword)
	b.clock.advance(3 * time.Minute)
	_, failure = b.sendCode(session, "alan", b.code(testTOTPSecret, 0))
	failsWith(t, failure, "NotAuthorizedException", "session is expired")
}

func TestTOTPGuessingLocks(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "alan", TOTPSecret: testTOTPSecret})
	var failure string
	session := ""
	for n := range 5 {
		if n%3 == 0 {
			session = b.codeChallenge("alan", testPassword)
		}
		_, failure = b.sendCode(session, "alan", "000000")
	}
	failsWith(t, failure, "CodeMismatchException", "")
	_, failure = b.sendCode(session, "alan", b.code(testTOTPSecret, 0))
	failsWith(t, failure, "NotAuthorizedException", "attempts exceeded")
	b.clock.advance(time.Second)
	if _, failure = b.sendCode(session, "alan", b.code(testTOTPSecret, 0)); failure != "" {
		t.Errorf("after the lock: %s", failure)
	}
}

func TestSettingUpTOTPWhileSignedIn(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	access := b.signIn("ada", testPassword).AccessToken
	var made struct{ SecretCode, Session string }
	b.mustCall("AssociateSoftwareToken", softwareTokenInput{AccessToken: access}, &made)
	if len(made.SecretCode) < 32 || made.Session != "" {
		t.Errorf("secret %d long, session %q", len(made.SecretCode), made.Session)
	}
	verify := func(code string) string {
		return b.call("VerifySoftwareToken", softwareTokenInput{AccessToken: access, UserCode: code}, nil)
	}
	failsWith(t, verify(b.codeOf(made.SecretCode, 0, otp.AlgorithmSHA256)), "EnableSoftwareTokenMFAException", "Code mismatch")
	preference := map[string]any{"AccessToken": access, "SoftwareTokenMfaSettings": map[string]bool{"Enabled": true, "PreferredMfa": true}}
	failsWith(t, b.call("SetUserMFAPreference", preference, nil), "InvalidParameterException", "not verified")
	if failure := verify(b.code(made.SecretCode, 0)); failure != "" {
		t.Fatal(failure)
	}
	b.signIn("ada", testPassword) // verified, but not preferred yet
	b.mustCall("SetUserMFAPreference", preference, nil)
	session := b.codeChallenge("ada", testPassword)
	_, failure := b.sendCode(session, "ada", b.code(made.SecretCode, 0))
	failsWith(t, failure, "ExpiredCodeException", "") // VerifySoftwareToken used this code
	if _, failure := b.sendCode(session, "ada", b.code(made.SecretCode, 30*time.Second)); failure != "" {
		t.Error(failure)
	}
	preference["SoftwareTokenMfaSettings"] = map[string]bool{"Enabled": false}
	b.mustCall("SetUserMFAPreference", preference, nil)
	b.signIn("ada", testPassword)
}

func TestMFASetupIsForcedWhereRequired(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MFA = MFARequired })
	b.addUser(User{Username: "newbie", Temporary: true})
	out, _ := b.prove("newbie", testPassword)
	out, failure := b.answer(newPasswordRequired, out.Session, params{"USERNAME": "newbie", "NEW_PASSWORD": "Brand-new-8"})
	if failure != "" || out.ChallengeName != mfaSetup || out.AuthenticationResult != nil {
		t.Fatalf("returned %q, challenge %q", failure, out.ChallengeName)
	}
	if got := out.ChallengeParameters["MFAS_CAN_SETUP"]; got != `["SOFTWARE_TOKEN_MFA"]` {
		t.Errorf("MFAS_CAN_SETUP is %s", got)
	}
	finish := func(session string) (*authOutput, string) {
		return b.answer(mfaSetup, session, params{"USERNAME": "newbie"})
	}
	_, failure = finish(out.Session)
	failsWith(t, failure, "InvalidParameterException", "not set up") // the set-up cannot be skipped

	var made struct{ SecretCode, Session string }
	b.mustCall("AssociateSoftwareToken", softwareTokenInput{Session: out.Session}, &made)
	failsWith(t, b.call("AssociateSoftwareToken", softwareTokenInput{Session: out.Session}, nil), "NotAuthorizedException", "can only be used once")
	failsWith(t, b.call("VerifySoftwareToken", softwareTokenInput{Session: made.Session, UserCode: "000000"}, nil), "EnableSoftwareTokenMFAException", "")
	var verified struct{ Status, Session string }
	b.mustCall("VerifySoftwareToken", softwareTokenInput{Session: made.Session, UserCode: b.code(made.SecretCode, 0)}, &verified)
	if verified.Status != "SUCCESS" || verified.Session == made.Session || verified.Session == "" {
		t.Errorf("status %q, session kept: %v", verified.Status, verified.Session == made.Session)
	}
	_, failure = finish(made.Session)
	failsWith(t, failure, "NotAuthorizedException", "can only be used once")
	out, failure = finish(verified.Session)
	if failure != "" || out.AuthenticationResult == nil {
		t.Fatal(failure)
	}
	out, _ = b.prove("newbie", "Brand-new-8")
	if out.ChallengeName != softwareTokenMFA {
		t.Errorf("the challenge of the next sign-in is %q", out.ChallengeName)
	}
}

func TestPoolWithoutMFA(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MFA = MFAOff })
	b.addUser(User{Username: "alan", TOTPSecret: testTOTPSecret})
	access := b.signIn("alan", testPassword).AccessToken
	failsWith(t, b.call("AssociateSoftwareToken", softwareTokenInput{AccessToken: access}, nil),
		"SoftwareTokenMFANotFoundException", "not been enabled")
}

// SetUpMFA requires a set-up of one account in a pool with optional MFA. CodeNow
// returns its code at each step.
func TestMFASetupOfOneAccount(t *testing.T) {
	var wanted []string
	b := newBench(t, func(c *Config) { c.CodeWanted = func(name string) { wanted = append(wanted, name) } })
	b.addUser(User{Username: "katherine", SetUpMFA: true})
	b.addUser(User{Username: "ada"})
	if b.pool.CodeNow("katherine") != "" || b.pool.CodeNow("nobody") != "" {
		t.Error("an account without an authenticator has a code")
	}
	b.signIn("ada", testPassword) // has nothing to set up
	out, _ := b.prove("katherine", testPassword)
	if out.ChallengeName != mfaSetup {
		t.Fatalf("challenge %q, want %q", out.ChallengeName, mfaSetup)
	}
	var made struct{ SecretCode, Session string }
	b.mustCall("AssociateSoftwareToken", softwareTokenInput{Session: out.Session}, &made)
	code := b.pool.CodeNow("katherine")
	if code != b.code(made.SecretCode, 0) {
		t.Errorf("CodeNow is %q, want the code of the new secret", code)
	}
	var verified struct{ Session string }
	b.mustCall("VerifySoftwareToken", softwareTokenInput{Session: made.Session, UserCode: code}, &verified)
	if _, failure := b.answer(mfaSetup, verified.Session, params{"USERNAME": "katherine"}); failure != "" {
		t.Fatal(failure)
	}
	// The set-up used its code: CodeNow returns the next one.
	session := b.codeChallenge("katherine", testPassword)
	if _, failure := b.sendCode(session, "katherine", b.pool.CodeNow("katherine")); failure != "" {
		t.Error(failure)
	}
	if want := []string{"katherine", "katherine"}; !slices.Equal(wanted, want) {
		t.Errorf("CodeWanted was called for %v, want %v", wanted, want)
	}
	a := b.pool.Account("katherine", testPassword)
	if !a.PasswordMatches || a.Temporary || a.TOTPSecret != made.SecretCode {
		t.Errorf("account %+v, want the password and the new secret", a)
	}
	if b.pool.Account("katherine", "Another-1-password").PasswordMatches {
		t.Error("another password matches the account")
	}
}
