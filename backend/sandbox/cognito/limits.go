package cognito

import (
	"time"

	"golang.org/x/time/rate"
)

// Quotas are requests per second, each with a burst of one second; 0 means no
// limit. A call beyond a quota is refused with TooManyRequestsException.
type Quotas struct {
	UserAuthentication int // InitiateAuth, GetTokensFromRefreshToken; RespondToAuthChallenge has three times as many
	UserRead           int // GetUser, AdminGetUser
	UserResourceRead   int // AdminListGroupsForUser
	UserList           int // ListUsers, ListUsersInGroup; not adjustable in AWS
	UserUpdate         int // disable, enable, sign out, group membership
	UserToken          int // RevokeToken
	PersonRead         int // GetUser for one person
}

// quota names a token bucket of the rate limiter.
type quota string

const (
	noQuota         quota = ""
	quotaSignIn     quota = "UserAuthentication"
	quotaChallenge  quota = "UserAuthentication responses"
	quotaRead       quota = "UserRead"
	quotaResource   quota = "UserResourceRead"
	quotaList       quota = "UserList"
	quotaUpdate     quota = "UserUpdate"
	quotaToken      quota = "UserToken"
	quotaPersonRead quota = "PersonRead"
)

func (q Quotas) perSecond(which quota) int {
	switch which {
	case quotaSignIn:
		return q.UserAuthentication
	case quotaChallenge:
		return 3 * q.UserAuthentication
	case quotaRead:
		return q.UserRead
	case quotaResource:
		return q.UserResourceRead
	case quotaList:
		return q.UserList
	case quotaUpdate:
		return q.UserUpdate
	case quotaToken:
		return q.UserToken
	case quotaPersonRead:
		return q.PersonRead
	default:
		return 0
	}
}

// admit takes one token from a quota's bucket. owner is a username for a quota
// per person, otherwise "". The caller holds p.mu.
func (p *Pool) admit(now time.Time, which quota, owner string) error {
	perSecond := p.cfg.Quotas.perSecond(which)
	if perSecond == 0 {
		return nil
	}
	key := string(which) + " " + owner
	b := p.buckets[key]
	if b == nil {
		b = rate.NewLimiter(rate.Limit(perSecond), perSecond)
		p.buckets[key] = b
	}
	if !b.AllowN(now, 1) {
		return &Error{Code: "TooManyRequestsException", Message: "Rate exceeded"}
	}
	return nil
}

// lockout counts the failures of one person with one factor.
//
// SPEC: authentication.md, "Lockout behavior for failed sign-in attempts":
// after the nth failure, n ≥ 5, the account is locked for 2^(n-5) seconds, to
// about 15 minutes; attempts while locked change nothing; a success or 15
// minutes without an attempt resets the count. user-pool-settings-mfa: the same
// for MFA codes.
type lockout struct {
	failures    int
	until, last time.Time
}

const (
	lockoutAfter = 5
	lockoutMax   = 15 * time.Minute
)

// factor selects one of a person's failure counts.
type factor string

const (
	factorPassword factor = "password "
	factorCode     factor = "code "
	factorReset    factor = "reset "
)

// locked returns an error while a lockout is in force. It also records the time
// of the attempt. The caller holds p.mu.
func (p *Pool) locked(now time.Time, f factor, username string) error {
	l := p.lockouts[string(f)+username]
	if l == nil {
		return nil
	}
	if now.Sub(l.last) >= lockoutMax && !now.Before(l.until) {
		delete(p.lockouts, string(f)+username)
		return nil
	}
	l.last = now
	if now.Before(l.until) {
		return notAuthorized("Password attempts exceeded")
	}
	return nil
}

// failed counts a failed attempt. The caller holds p.mu.
func (p *Pool) failed(now time.Time, f factor, username string) {
	key := string(f) + username
	l := p.lockouts[key]
	if l == nil {
		l = &lockout{}
		p.lockouts[key] = l
	}
	l.failures++
	l.last = now
	if l.failures >= lockoutAfter {
		l.until = now.Add(min(time.Second<<min(l.failures-lockoutAfter, 10), lockoutMax))
	}
}

// succeeded resets a person's failure counts. The caller holds p.mu.
func (p *Pool) succeeded(username string) {
	delete(p.lockouts, string(factorPassword)+username)
	delete(p.lockouts, string(factorCode)+username)
}
