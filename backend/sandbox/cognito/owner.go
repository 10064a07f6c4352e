package cognito

import (
	"fmt"
	"slices"
	"time"
)

// The owner's calls on the pool, its client and its groups.

func (p *Pool) getGroup(_ time.Time, in *groupInput) (any, error) {
	return p.withGroup(in, func(*group) {})
}

func (p *Pool) updateGroup(now time.Time, in *groupInput) (any, error) {
	if in.Precedence != nil && *in.Precedence < 0 {
		return nil, invalidParameter("1 validation error detected: Value at 'precedence' failed to satisfy constraint: " +
			"Member must have value greater than or equal to 0")
	}
	return p.withGroup(in, func(g *group) {
		if in.Description != nil {
			g.Description = *in.Description
		}
		if in.Precedence != nil {
			g.Precedence = in.Precedence
		}
		g.Modified = now
		p.changed++
	})
}

// withGroup answers with the group that a call names, after f.
func (p *Pool) withGroup(in *groupInput, f func(*group)) (any, error) {
	if err := p.checkPool(in.UserPoolId); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.checkGroup(in.GroupName); err != nil {
		return nil, err
	}
	g := p.groups[in.GroupName]
	f(g)
	return struct{ Group groupShape }{p.groupShape(g)}, nil
}

// deleteGroup leaves its members without it.
func (p *Pool) deleteGroup(now time.Time, in *groupInput) (any, error) {
	_, err := p.withGroup(in, func(g *group) {
		for _, u := range p.users {
			if slices.Contains(u.Groups, g.Name) {
				u.leave(g.Name)
				p.touch(now, u)
			}
		}
		delete(p.groups, g.Name)
		p.changed++
	})
	return nil, err
}

type listPoolsInput struct {
	NextToken  string
	MaxResults *int
}

// checkMaxResults holds MaxResults, which these calls require, to 1..60.
func checkMaxResults(n *int, required bool) error {
	switch {
	case n == nil && required:
		return missing("maxResults")
	case n != nil && (*n < 1 || *n > maxPage):
		return invalidParameter("1 validation error detected: Value at 'maxResults' failed to satisfy constraint: " +
			"Member must have value between 1 and 60")
	}
	return nil
}

func (p *Pool) listUserPools(_ time.Time, in *listPoolsInput) (any, error) {
	if err := checkMaxResults(in.MaxResults, true); err != nil {
		return nil, err
	}
	if in.NextToken != "" {
		return nil, invalidParameter("Invalid pagination token")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := seconds(p.created())
	return map[string]any{"UserPools": []any{map[string]any{
		"Id": p.cfg.PoolID, "Name": p.name, "LambdaConfig": map[string]any{}, "CreationDate": at, "LastModifiedDate": at,
	}}}, nil
}

// created is the time of the oldest account. It needs p.mu.
func (p *Pool) created() time.Time {
	at := p.cfg.Now()
	for _, u := range p.users {
		if u.Created.Before(at) {
			at = u.Created
		}
	}
	return at
}

type clientInput struct {
	UserPoolId, ClientId, NextToken string
	MaxResults                      *int
}

func (p *Pool) clientName() string { return p.name + "-client" }

func (p *Pool) listUserPoolClients(_ time.Time, in *clientInput) (any, error) {
	if err := p.checkPool(in.UserPoolId); err != nil {
		return nil, err
	}
	if err := checkMaxResults(in.MaxResults, false); err != nil {
		return nil, err
	}
	if in.NextToken != "" {
		return nil, invalidParameter("Invalid pagination token")
	}
	return map[string]any{"UserPoolClients": []any{map[string]any{
		"ClientId": p.cfg.ClientID, "UserPoolId": p.cfg.PoolID, "ClientName": p.clientName(),
	}}}, nil
}

func (p *Pool) describeUserPoolClient(_ time.Time, in *clientInput) (any, error) {
	if err := p.checkPool(in.UserPoolId); err != nil {
		return nil, err
	}
	if err := p.checkClient(in.ClientId); err != nil {
		return nil, err
	}
	flows := []string{"ALLOW_USER_SRP_AUTH"}
	if p.cfg.PasswordAuth {
		flows = append(flows, "ALLOW_USER_PASSWORD_AUTH")
	}
	rotation := map[string]any{"Feature": "DISABLED"}
	if p.cfg.Rotation {
		rotation = map[string]any{"Feature": "ENABLED", "RetryGracePeriodSeconds": int(p.cfg.GracePeriod / time.Second)}
	} else {
		flows = append(flows, "ALLOW_REFRESH_TOKEN_AUTH")
	}
	p.mu.Lock()
	at := seconds(p.created())
	p.mu.Unlock()
	return map[string]any{"UserPoolClient": map[string]any{
		"UserPoolId": p.cfg.PoolID, "ClientId": p.cfg.ClientID, "ClientName": p.clientName(),
		"CreationDate": at, "LastModifiedDate": at,
		"ExplicitAuthFlows": flows, "PreventUserExistenceErrors": "ENABLED", "EnableTokenRevocation": true,
		"AccessTokenValidity": int(p.cfg.AccessTokenLife / time.Second), "IdTokenValidity": int(p.cfg.AccessTokenLife / time.Second),
		"RefreshTokenValidity": int(p.cfg.RefreshTokenLife / time.Second),
		"TokenValidityUnits":   map[string]string{"AccessToken": "seconds", "IdToken": "seconds", "RefreshToken": "seconds"},
		"RefreshTokenRotation": rotation, "AuthSessionValidity": max(1, int(p.cfg.SessionLife/time.Minute)),
	}}, nil
}

type mfaConfigInput struct {
	UserPoolId                    string
	MfaConfiguration              MFA
	SoftwareTokenMfaConfiguration *struct{ Enabled bool }
	SmsMfaConfiguration           *struct{}
	EmailMfaConfiguration         *struct{}
}

func (p *Pool) getUserPoolMFAConfig(_ time.Time, in *mfaConfigInput) (any, error) {
	if err := p.checkPool(in.UserPoolId); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mfaConfig(), nil
}

// mfaConfig needs p.mu.
func (p *Pool) mfaConfig() any {
	out := map[string]any{"MfaConfiguration": p.mfa}
	if p.mfa != MFAOff {
		out["SoftwareTokenMfaConfiguration"] = map[string]bool{"Enabled": true}
	}
	return out
}

// setUserPoolMFAConfig changes the rule for the second factor. Authenticator
// apps are the one kind here.
//
// SPEC: API SetUserPoolMfaConfig.
func (p *Pool) setUserPoolMFAConfig(_ time.Time, in *mfaConfigInput) (any, error) {
	if err := p.checkPool(in.UserPoolId); err != nil {
		return nil, err
	}
	if in.SmsMfaConfiguration != nil || in.EmailMfaConfiguration != nil {
		return nil, invalidParameter("This pool sends neither SMS nor e-mail codes; only SoftwareTokenMfaConfiguration can be set.")
	}
	token := in.SoftwareTokenMfaConfiguration
	switch in.MfaConfiguration {
	case "", MFAOff:
	case MFAOptional, MFARequired:
		if token != nil && !token.Enabled {
			return nil, invalidParameter("Invalid MFA configuration given, can't turn on MFA without any MFA method.")
		}
	default:
		return nil, invalidParameter(fmt.Sprintf("1 validation error detected: Value '%s' at 'mfaConfiguration' failed to satisfy constraint: "+
			"Member must satisfy enum value set: [OFF, OPTIONAL, ON]", quoteID(string(in.MfaConfiguration))))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if in.MfaConfiguration != "" {
		p.mfa = in.MfaConfiguration
		p.changed++
	}
	return p.mfaConfig(), nil
}
