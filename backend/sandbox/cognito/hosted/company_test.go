package hosted_test

import (
	"net/http"
	"strings"
	"testing"

	"usher/backend/sandbox/cognito"
	"usher/backend/sandbox/cognito/hosted"
)

// The forms go through the challenges of the account.
func TestChallenges(t *testing.T) {
	d := newDomain(t)
	if p := d.submit(d.authorize(query()), "username", "ada", "password", "Wrong-1-password"); p.redirect != nil || !strings.Contains(p.body, "Incorrect username or password.") {
		t.Errorf("a wrong password: %d %s", p.status, p.body)
	}
	p := d.submit(d.authorize(query()), "username", "alan", "password", password)
	if p = d.submit(p, "code", "000000"); p.redirect != nil || !strings.Contains(p.body, `name="code"`) {
		t.Fatalf("a wrong code: %d %s", p.status, p.body)
	}
	if p = d.submit(p, "code", d.pool.CodeNow("alan")); p.redirect == nil {
		t.Errorf("a right code: %d %s", p.status, p.body)
	}
	d.newBrowser()
	p = d.submit(d.authorize(query()), "username", "edsger", "password", password)
	if p = d.submit(p, "new_password", "short"); !strings.Contains(p.body, `name="new_password"`) {
		t.Fatalf("a weak password: %d %s", p.status, p.body)
	}
	if p = d.submit(p, "new_password", password+"-New1"); p.redirect == nil {
		t.Errorf("a new password: %d %s", p.status, p.body)
	}
	d.newBrowser()
	p = d.submit(d.authorize(query()), "username", "katherine", "password", password)
	if p = d.submit(p, "code", d.pool.CodeNow("katherine")); p.redirect == nil {
		t.Errorf("a new authenticator: %d %s", p.status, p.body)
	}
}

// barbara has no password in the pool.
func TestCompany(t *testing.T) {
	d := newDomain(t)
	if p := d.submit(d.authorize(query()), "username", "barbara", "password", password); p.redirect != nil || !strings.Contains(p.body, "Incorrect username or password.") {
		t.Errorf("the pool's form: %d %s", p.status, p.body)
	}
	signIn := func() page {
		d.newBrowser()
		return d.submit(d.authorize(query("identity_provider", "Company")), "username", "barbara", "password", password)
	}
	attribute := func() string { return d.pool.Attribute("barbara", cognito.GroupsAttribute) }
	if p := signIn(); p.redirect == nil || p.redirect.Query().Get("code") == "" || attribute() != "[finance-team,a%2Fb]" {
		t.Fatalf("%d %v, groups %q", p.status, p.redirect, attribute())
	}
	// A claim that is no longer sent keeps the old value.
	d.company.Put(hosted.Employee{Username: "barbara", Password: password, NoGroups: true})
	if signIn(); attribute() != "[finance-team,a%2Fb]" {
		t.Errorf("groups %q", attribute())
	}
	// The trigger's attributes replace all of the provider's.
	d.company.Inbound = func(map[string]string) (map[string]string, error) {
		return map[string]string{cognito.GroupsAttribute: "1764345600[]"}, nil
	}
	if signIn(); attribute() != "1764345600[]" {
		t.Errorf("groups %q", attribute())
	}
	d.company.Inbound = func(map[string]string) (map[string]string, error) { return nil, nil }
	d.company.Put(hosted.Employee{Username: "barbara", Password: password, Groups: []string{"x"}})
	if signIn(); attribute() != "[x]" {
		t.Errorf("groups after an empty response %q", attribute())
	}
	d.company.Put(hosted.Employee{Username: "barbara", Password: password, Groups: []string{strings.Repeat("x", 3000)}})
	if p := signIn(); p.redirect == nil || p.redirect.Query().Get("error") != "invalid_request" {
		t.Errorf("a value that is too long: %v", p.redirect)
	}
	d.company.Fail("\x1b[2JCompany Error")
	if p := signIn(); p.redirect == nil || p.redirect.Query().Get("error_description") != "\x1b[2JCompany Error" {
		t.Errorf("the provider's error: %v", p.redirect)
	}
}

// A form of another browser is refused.
func TestForeignForm(t *testing.T) {
	d := newDomain(t)
	p := d.authorize(query())
	d.newBrowser()
	if p := d.submit(p, "username", "ada", "password", password); p.status != http.StatusForbidden {
		t.Errorf("status %d", p.status)
	}
}
