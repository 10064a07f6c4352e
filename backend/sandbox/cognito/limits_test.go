package cognito

import (
	"strings"
	"testing"
	"time"
)

const exceeded = "NotAuthorizedException: Password attempts exceeded"

// The lockouts are the documented 2^(n-5) seconds, to about 15 minutes.
func TestWrongPasswordsLockForDoublingTimes(t *testing.T) {
	for _, username := range []string{"ada", "nobody"} { // an unknown username is locked too
		b := newBench(t, nil)
		b.addUser(User{Username: "ada"})
		wrong := func() string { _, failure := b.prove(username, "Wrong-horse-7"); return failure }
		for n := 1; n <= 4; n++ {
			if got := wrong(); strings.Contains(got, "exceeded") {
				t.Fatalf("%s locked after %d failures", username, n)
			}
		}
		for n := 5; n <= 17; n++ {
			if got := wrong(); !strings.Contains(got, "Incorrect") {
				t.Fatalf("%s: failure %d returned %q", username, n, got)
			}
			wait := min(time.Second<<(n-5), 15*time.Minute)
			b.clock.advance(wait - time.Millisecond)
			if got := wrong(); got != exceeded {
				t.Fatalf("%s: %v after failure %d returned %q", username, wait-time.Millisecond, n, got)
			}
			b.clock.advance(time.Millisecond)
		}
	}
}

func TestLockoutRefusesTheRightPasswordUntilItsEnd(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	fail := func(times int) {
		for range times {
			b.prove("ada", "Wrong-horse-7")
		}
	}
	fail(5)
	if _, failure := b.prove("ada", testPassword); failure != exceeded {
		t.Errorf("the right password while locked: %q", failure)
	}
	b.clock.advance(time.Second)
	b.signIn("ada", testPassword)
	fail(4) // counted from zero again
	b.signIn("ada", testPassword)
	fail(5)
	b.clock.advance(15 * time.Minute) // without an attempt
	fail(4)
	b.signIn("ada", testPassword)
}

func TestQuotas(t *testing.T) {
	b := newBench(t, func(c *Config) {
		c.Quotas = Quotas{UserRead: 7, UserResourceRead: 5, UserList: 3, UserAuthentication: 4, PersonRead: 2}
	})
	b.addUser(User{Username: "ada"})
	b.addUser(User{Username: "grace"})
	tokens := map[string]string{}
	for _, name := range []string{"ada", "grace"} {
		got, err := b.pool.SignIn(name)
		if err != nil {
			t.Fatal(err)
		}
		tokens[name] = got.Access
	}
	admit := func(times int, operation string, in any) (admitted int) {
		for range times {
			failure := b.call(operation, in, nil)
			switch {
			case failure == "":
				admitted++
			case !strings.HasPrefix(failure, "TooManyRequestsException"):
				t.Fatalf("%s: %s", operation, failure)
			}
		}
		return admitted
	}
	for _, c := range []struct {
		operation string
		in        any
		want      int
	}{
		{"GetUser", accessTokenInput{tokens["ada"]}, 2},   // one person's
		{"GetUser", accessTokenInput{tokens["grace"]}, 2}, // another's
		{"AdminListGroupsForUser", listInput{UserPoolId: testPool, Username: "ada"}, 5},
		{"ListUsers", listUsersInput{UserPoolId: testPool}, 3},
		{"InitiateAuth", initiateAuthInput{AuthFlow: "USER_SRP_AUTH", ClientId: testClient,
			AuthParameters: params{"USERNAME": "ada", "SRP_A": "2"}}, 4},
	} {
		if got := admit(c.want+3, c.operation, c.in); got != c.want {
			t.Errorf("%s: %d admitted, want %d", c.operation, got, c.want)
		}
	}
	b.clock.advance(time.Second)
	if got := admit(10, "AdminGetUser", adminInput{testPool, "ada"}); got != 7 {
		t.Errorf("a second later %d of UserRead are admitted, want 7", got)
	}
	if n := b.pool.Calls()["ListUsers"]; n != 6 {
		t.Errorf("Calls counts %d of ListUsers, want 6 with the refused ones", n)
	}
}
