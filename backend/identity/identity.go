// Package identity answers two questions about a request: who does its token
// say the caller is (Verifier, by signature and claims, offline), and what does
// the user pool say about that person now (Directory, live).
//
// A token never widens what the directory says: group claims are not read at
// all. The package leaves what a group may see to grant, and what a refusal
// looks like on the wire to backend.
package identity

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"usher/backend/api/shape"
)

// What can be wrong. Every error of this package wraps exactly one of these.
var (
	ErrToken       = errors.New("the token is not acceptable")
	ErrExpired     = errors.New("the token has expired")
	ErrRevoked     = errors.New("the user pool no longer stands by this session")
	ErrUnavailable = errors.New("the user pool could not be asked")
	ErrBusy        = errors.New("the budget of directory questions is used up")
	// ErrTooLarge is a token over MaxToken, usually of a person in too many groups.
	ErrTooLarge = errors.New("the token is too large")
	// ErrClock is a good token at a time that the pool's own clock contradicts:
	// this machine's clock is wrong, and the person is signed in.
	ErrClock = errors.New("this machine's clock differs from the user pool's")
)

// Claims is what a verified token says. Only Verifier makes a valid one; the
// token itself stays inside, for the directory's question.
type Claims struct {
	Sub      string // who; the only identity
	Username string // the pool's name for Sub, for directory calls and display
	ClientID string
	Session  string // origin_jti: one sign-in, through all its refreshes
	JTI      string
	Issued   time.Time
	Expires  time.Time
	SignedIn time.Time // auth_time, or Issued where absent
	scopes   map[string]bool
	token    secret
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

// Pool names a user pool. Issuer and key address are derived from it and never
// from a setting of an SDK, so that no environment can move the root of trust.
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
	loopbackShape = regexp.MustCompile(`^http://127\.0\.0\.1:[0-9]{1,5}/[A-Za-z0-9_-]{1,60}$`)
)

// Issuer is the exact `iss` that tokens of this pool carry.
// SPEC: Amazon Cognito developer guide, "Verifying a JSON web token".
func (p Pool) Issuer() (string, error) {
	if !shape.Region(p.Region) {
		return "", fmt.Errorf("region %q is not an AWS region", p.Region)
	}
	if !shape.PoolID(p.ID, p.Region) {
		return "", fmt.Errorf("user pool id %q does not belong to region %s", p.ID, p.Region)
	}
	switch {
	case p.LoopbackIssuer != "":
		if !loopbackShape.MatchString(p.LoopbackIssuer) {
			return "", fmt.Errorf("loopback issuer %q is not http://127.0.0.1:PORT/POOL", p.LoopbackIssuer)
		}
		return p.LoopbackIssuer, nil
	case p.AlternateIssuer:
		return "https://issuer-cognito-idp." + p.Region + ".amazonaws.com/" + p.ID, nil
	default:
		return "https://cognito-idp." + p.Region + ".amazonaws.com/" + p.ID, nil
	}
}
