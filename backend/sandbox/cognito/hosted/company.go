package hosted

import (
	"crypto/subtle"
	"errors"
	"net/url"
	"strings"
	"sync"

	"usher/backend/sandbox/cognito"
)

// Employee is a person in a company's directory.
type Employee struct {
	Username string // also of the account in the pool
	Password string
	Email    string
	Groups   []string
	NoGroups bool // the assertion has no groups at all
}

// Company is an external identity provider of the pool. It is safe for
// concurrent use.
type Company struct {
	Name string // of the provider in the pool
	// Inbound is the pool's inbound federation trigger: it returns the attributes
	// to map. nil means a pool without the trigger, which maps the groups
	// themselves.
	Inbound func(assertion map[string]string) (map[string]string, error)

	mu     sync.Mutex
	people map[string]Employee
	locked error // the identity provider's own failure
}

var errCompany = errors.New("incorrect user name or password")

// Put adds or replaces a person.
func (c *Company) Put(e Employee) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.people == nil {
		c.people = map[string]Employee{}
	}
	c.people[e.Username] = e
}

// Fail makes each sign-in fail with the provider's own error text; "" ends that.
func (c *Company) Fail(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.locked = nil
	if text != "" {
		c.locked = &refusal{code: "invalid_request", text: text}
	}
}

// check returns the person of a user name and a password.
func (c *Company) check(username, password string) (Employee, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.people[username]
	if c.locked != nil {
		return Employee{}, c.locked
	}
	if !ok || subtle.ConstantTimeCompare([]byte(e.Password), []byte(password)) != 1 {
		return Employee{}, errCompany
	}
	return e, nil
}

// assertion returns a person's attributes as Cognito flattens them.
//
// SPEC: cognito-user-pools-specifying-attribute-mapping: several values are one
// string in square brackets, each in URL form encoding.
func (e Employee) assertion() map[string]string {
	out := map[string]string{"sub": e.Username, "email": e.Email, "email_verified": "true"}
	if !e.NoGroups {
		encoded := make([]string, len(e.Groups))
		for i, g := range e.Groups {
			encoded[i] = url.QueryEscape(g)
		}
		out["groups"] = "[" + strings.Join(encoded, ",") + "]"
	}
	return out
}

// federate runs the trigger and the attribute mapping for a person.
//
// SPEC: user-pool-lambda-inbound-federation: an empty response keeps all
// attributes of the provider; an attribute that is not in the response is
// dropped.
func (c *Company) federate(pool *cognito.Pool, e Employee) (cognito.Authenticated, error) {
	attributes := e.assertion()
	source := "groups" // of the mapping for the groups attribute
	if c.Inbound != nil {
		mapped, err := c.Inbound(attributes)
		if err != nil {
			return cognito.Authenticated{}, &refusal{code: "invalid_request", text: "InboundFederation failed with error"}
		}
		if len(mapped) > 0 {
			attributes, source = mapped, cognito.GroupsAttribute
		}
	}
	out := map[string]string{}
	for to, from := range map[string]string{"email": "email", "email_verified": "email_verified", cognito.GroupsAttribute: source} {
		if v, ok := attributes[from]; ok {
			out[to] = v
		}
	}
	return pool.Federate(c.Name, e.Username, out)
}
