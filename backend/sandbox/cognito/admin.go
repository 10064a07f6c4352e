package cognito

import (
	"encoding/base64"
	"slices"
	"time"
)

// The owner's calls on accounts. serveAPI has verified their signature.

type adminInput struct{ UserPoolId, Username string }

// userShape is the API's form of an account. Times are seconds since 1970.
type userShape struct {
	Username             string
	Attributes           []attribute
	UserCreateDate       float64
	UserLastModifiedDate float64
	Enabled              bool
	UserStatus           string
}

func (u *user) shape() userShape {
	return userShape{Username: u.Username, Attributes: u.attributes(), UserCreateDate: seconds(u.Created),
		UserLastModifiedDate: seconds(u.Modified), Enabled: !u.Disabled, UserStatus: u.Status}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func (p *Pool) checkPool(id string) error {
	switch id {
	case p.cfg.PoolID:
		return nil
	case "":
		return missing("userPoolId")
	default:
		return notFound("User pool " + quoteID(id) + " does not exist.")
	}
}

// withNamed runs f under the lock with the account that an owner's call names.
func (p *Pool) withNamed(in adminInput, f func(*user) error) error {
	if err := p.checkPool(in.UserPoolId); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u, err := p.adminUser(in.Username)
	if err != nil {
		return err
	}
	return f(u)
}

type adminCreateUserInput struct {
	UserPoolId, Username, TemporaryPassword, MessageAction string
	UserAttributes                                         []attribute
}

// adminCreateUser creates an account that must change its password. Without a
// TemporaryPassword, the pool generates one and mails it to the account's
// address.
func (p *Pool) adminCreateUser(now time.Time, in *adminCreateUserInput) (any, error) {
	if err := p.checkPool(in.UserPoolId); err != nil {
		return nil, err
	}
	if in.Username == "" {
		return nil, missing("username")
	}
	password := in.TemporaryPassword
	if password == "" {
		password = "Aa1!" + base64.RawURLEncoding.EncodeToString(p.random(16))
	}
	var attributes [][2]string
	for _, a := range in.UserAttributes {
		attributes = append(attributes, [2]string{a.Name, a.Value})
	}
	var invitation Mail
	defer func() { // runs after the lock is released
		if invitation.To != "" {
			p.send(invitation)
		}
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	var u *user
	var err error
	if in.MessageAction == "RESEND" {
		u, err = p.invitedAgain(now, in.Username, password)
	} else {
		u, err = p.createUser(now, in.Username, password, true, attributes)
	}
	if err != nil {
		return nil, err
	}
	if to := u.Attributes["email"]; to != "" && in.MessageAction != "SUPPRESS" {
		invitation = Mail{Time: now.UTC(), To: to, Username: u.Username, Password: password}
	}
	return struct{ User userShape }{u.shape()}, nil
}

// invitedAgain sets another temporary password on an account that has never
// signed in. The caller holds p.mu.
func (p *Pool) invitedAgain(now time.Time, username, password string) (*user, error) {
	u, err := p.adminUser(username)
	if err != nil {
		return nil, err
	}
	if u.Status != statusForceChange {
		return nil, &Error{Code: "UnsupportedUserStateException", Message: "Resend not possible. User status is not FORCE_CHANGE_PASSWORD"}
	}
	return u, p.setPassword(now, u, password, true)
}

func (p *Pool) adminDeleteUser(_ time.Time, in *adminInput) (any, error) {
	return nil, p.withNamed(*in, func(u *user) error {
		for origin, s := range p.signIns {
			if s.Sub == u.Sub {
				p.forget(origin, s)
			}
		}
		delete(p.users, u.Username)
		p.changed++
		return nil
	})
}

func (p *Pool) adminGetUser(_ time.Time, in *adminInput) (any, error) {
	var out struct {
		Username             string
		UserAttributes       []attribute
		UserCreateDate       float64
		UserLastModifiedDate float64
		Enabled              bool
		UserStatus           string
		UserMFASettingList   []string `json:",omitempty"`
		PreferredMfaSetting  string   `json:",omitempty"`
	}
	err := p.withNamed(*in, func(u *user) error {
		s := u.shape()
		out.Username, out.UserAttributes, out.Enabled, out.UserStatus = s.Username, s.Attributes, s.Enabled, s.UserStatus
		out.UserCreateDate, out.UserLastModifiedDate = s.UserCreateDate, s.UserLastModifiedDate
		out.UserMFASettingList, out.PreferredMfaSetting = u.mfa()
		return nil
	})
	return out, err
}

type adminSetUserPasswordInput struct {
	UserPoolId, Username, Password string
	Permanent                      bool
}

func (p *Pool) adminSetUserPassword(now time.Time, in *adminSetUserPasswordInput) (any, error) {
	if in.Password == "" {
		return nil, missing("password")
	}
	return nil, p.withNamed(adminInput{in.UserPoolId, in.Username}, func(u *user) error {
		return p.setPassword(now, u, in.Password, !in.Permanent)
	})
}

// adminDisableUser disables an account and revokes all its tokens permanently.
//
// SPEC: token-revocation: tokens revoked by disabling "don't become active if
// you enable the user account again".
func (p *Pool) adminDisableUser(now time.Time, in *adminInput) (any, error) {
	return nil, p.withNamed(*in, func(u *user) error {
		u.Disabled = true
		p.revokeAll(u)
		p.touch(now, u)
		return nil
	})
}

func (p *Pool) adminEnableUser(now time.Time, in *adminInput) (any, error) {
	return nil, p.withNamed(*in, func(u *user) error {
		u.Disabled = false
		p.touch(now, u)
		return nil
	})
}

func (p *Pool) adminUserGlobalSignOut(_ time.Time, in *adminInput) (any, error) {
	return nil, p.withNamed(*in, func(u *user) error {
		p.revokeAll(u)
		return nil
	})
}

type listUsersInput struct {
	UserPoolId, Filter, PaginationToken string
	AttributesToGet                     []string
	Limit                               *int
}

func (p *Pool) listUsers(_ time.Time, in *listUsersInput) (any, error) {
	if err := p.checkPool(in.UserPoolId); err != nil {
		return nil, err
	}
	matches, err := parseFilter(in.Filter)
	if err != nil {
		return nil, err
	}
	out := struct {
		Users           []userShape
		PaginationToken string `json:",omitempty"`
	}{Users: []userShape{}}
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for _, u := range p.users {
		if matches(u) {
			names = append(names, u.Username)
		}
	}
	slices.Sort(names)
	names, out.PaginationToken, err = page("ListUsers", names, in.Limit, in.PaginationToken)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		shape := p.users[name].shape()
		if len(in.AttributesToGet) > 0 {
			shape.Attributes = slices.DeleteFunc(shape.Attributes, func(a attribute) bool {
				return !slices.Contains(in.AttributesToGet, a.Name)
			})
		}
		out.Users = append(out.Users, shape)
	}
	return out, nil
}
