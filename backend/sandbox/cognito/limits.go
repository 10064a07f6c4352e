package cognito

import (
	"time"

	"golang.org/x/time/rate"
)

// Quotas are requests per second, each with a burst of one second; 0 sets no
// limit. A call beyond one is answered TooManyRequestsException.
type Quotas struct {
	UserAuthentication int // InitiateAuth, GetTokensFromRefreshToken; RespondToAuthChallenge has three times it
	UserRead           int // GetUser, AdminGetUser
	UserResourceRead   int // AdminListGroupsForUser
	UserList           int // ListUsers, ListUsersInGroup; not adjustable in AWS
	UserUpdate         int // disable, enable, sign out, group membership
	UserToken          int // RevokeToken
	PersonRead         int // GetUser for one person
}

// DefaultQuotas are those of a new AWS account in one region.
//
// SPEC: cognito/latest/developerguide/quotas.
func DefaultQuotas() Quotas {
	return Quotas{UserAuthentication: 120, UserRead: 120, UserResourceRead: 50, UserList: 30,
		UserUpdate: 25, UserToken: 120, PersonRead: 10}
}

// quota names a bucket of calls.
type quota string

const (
	noQuota         quota = ""
	quotaSignIn     quota = "UserAuthentication"
	quotaChallenge  quota = "UserAuthentication answers"
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

// admit takes one token of a quota's bucket; whose tells people apart where
// the quota is one person's. It needs p.mu.
func (p *Pool) admit(now time.Time, which quota, whose string) error {
	perSecond := p.cfg.Quotas.perSecond(which)
	if perSecond == 0 {
		return nil
	}
	key := string(which) + " " + whose
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
// minutes without an attempt starts anew. user-pool-settings-mfa: the same for
// MFA codes.
type lockout struct {
	failures    int
	until, last time.Time
}

const (
	lockoutAfter = 5
	lockoutMax   = 15 * time.Minute
)

// factor tells the two counts of a person apart.
type factor string

const (
	factorPassword factor = "password "
	factorCode     factor = "code "
	factorReset    factor = "reset "
)

// locked says whether an attempt may not even be looked at. It needs p.mu.
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

// failed counts a wrong answer. It needs p.mu.
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

// succeeded forgets a person's failures. It needs p.mu.
func (p *Pool) succeeded(username string) {
	delete(p.lockouts, string(factorPassword)+username)
	delete(p.lockouts, string(factorCode)+username)
}
