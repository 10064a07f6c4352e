// Package identity establishes the caller of a request. Verifier checks the
// signature and claims of an access token offline. Directory returns the
// person's current session state and groups from the user pool.
//
// The group claims of a token are never read: groups come from the directory
// alone. The package leaves the rights of a group to grant, and the wire form
// of a refusal to backend.
package identity

import (
	"errors"
	"fmt"
	"time"

	"usher/backend/api/shape"
)

// Every error of this package wraps exactly one of these.
var (
	ErrToken       = errors.New("the token is not acceptable")
	ErrExpired     = errors.New("the token has expired")
	ErrRevoked     = errors.New("the user pool has ended this session")
	ErrUnavailable = errors.New("the user pool could not be reached")
	ErrBusy        = errors.New("the budget of directory queries is used up")
	// ErrTooLarge reports a token over MaxToken. The usual cause is a person in
	// too many groups.
	ErrTooLarge = errors.New("the token is too large")
	// ErrClock reports that this machine's clock is wrong and the token is good.
	// The person is still signed in.
	ErrClock = errors.New("this machine's clock differs from the user pool's")
)

// Claims are the claims of a verified token. Only Verifier makes valid Claims.
// They keep the token itself for the directory's query.
type Claims struct {
	Sub      string // the person's only identity
	Username string // the pool's name for Sub, for directory calls and display
	ClientID string
	Session  string // origin_jti: one sign-in, through all its refreshes
	JTI      string
	Issued   time.Time
	Expires  time.Time
	SignedIn time.Time // auth_time, or Issued where absent
	Browser  bool      // of an app client for browsers: the company can give groups
	// Hint has the groups that the token names. They are as old as the token: they
	// choose data to fetch early, and decide nothing.
	Hint   []string
	scopes map[string]bool
	token  secret
}

// secret keeps a bearer token out of every log and error. It is a pointer,
// because fmt reads the fields of structs but never follows one inside them.
type secret struct{ value *string }

func (s secret) reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Pool names a user pool. The issuer and the address of its keys are derived
// from Pool and never from an SDK setting: no environment variable can move the
// root of trust.
type Pool struct {
	Region, ID string
	// AlternateIssuer selects the pool's other issuer form,
	// https://issuer-cognito-idp.<region>.amazonaws.com/<pool>.
	AlternateIssuer bool
	// LoopbackIssuer replaces the derived issuer for the sandbox and tests. It
	// must be http://127.0.0.1:<port>/<pool id>.
	LoopbackIssuer string
}

var (
	loopbackShape = shape.NewForm(`^http://127\.0\.0\.1:[0-9]{1,5}/[A-Za-z0-9_-]{1,60}$`)
)

// Issuer returns the exact `iss` claim of this pool's tokens.
// SPEC: Amazon Cognito developer guide, "Verifying a JSON web token".
func (p Pool) Issuer() (string, error) {
	if !shape.Region(p.Region) {
		return "", fmt.Errorf("region %q is not an AWS region", p.Region)
	}
	if !shape.PoolID(p.ID, p.Region) {
		return "", fmt.Errorf("user pool id %q does not belong to region %s", p.ID, p.Region)
	}
	issuer, alternate := shape.PoolIssuers(p.Region, p.ID)
	switch {
	case p.LoopbackIssuer != "":
		if !loopbackShape.Matches(p.LoopbackIssuer) {
			return "", fmt.Errorf("loopback issuer %q is not http://127.0.0.1:PORT/POOL", p.LoopbackIssuer)
		}
		return p.LoopbackIssuer, nil
	case p.AlternateIssuer:
		return alternate, nil
	default:
		return issuer, nil
	}
}
