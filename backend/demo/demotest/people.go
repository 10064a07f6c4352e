//go:build !nosandbox

package demotest

import (
	"testing"
	"time"

	"usher/backend/sandbox/cognito"
)

// AddPerson adds a person to the pool and signs them in. It is safe for
// concurrent use.
func (d *Demo) AddPerson(t testing.TB, username string, groups ...string) Actor {
	t.Helper()
	return d.AddPersonAt(t, time.Now, username, groups...)
}

// AddPersonAt is AddPerson for a client with the clock now.
func (d *Demo) AddPersonAt(t testing.TB, now func() time.Time, username string, groups ...string) Actor {
	t.Helper()
	if _, err := d.Sandbox.Pool.AddUser(cognito.User{Username: username, Groups: groups, Password: addedPassword}); err != nil {
		t.Errorf("adding %s: %v", username, err)
		return Actor{}
	}
	return d.signIn(t, username, now)
}
