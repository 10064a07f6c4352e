package cognito

import (
	"fmt"
	"maps"
	"time"
)

// The owner's calls on the pool and its client.

type describeUserPoolInput struct{ UserPoolId string }

func (p *Pool) describeUserPool(_ time.Time, in *describeUserPoolInput) (any, error) {
	if err := p.checkPool(in.UserPoolId); err != nil {
		return nil, err
	}
	p.mu.Lock()
	people, created, mfa := len(p.users), seconds(p.created()), string(p.mfa)
	p.mu.Unlock()
	return map[string]any{"UserPool": map[string]any{
		"Id": p.cfg.PoolID, "Name": p.name,
		"Arn": fmt.Sprintf("arn:aws:cognito-idp:%s:000000000000:userpool/%s", p.cfg.Region, p.cfg.PoolID),
		"Policies": map[string]any{"PasswordPolicy": map[string]any{
			"MinimumLength": minPasswordLength, "RequireUppercase": true, "RequireLowercase": true,
			"RequireNumbers": true, "RequireSymbols": true,
			"TemporaryPasswordValidityDays": int(temporaryPasswordLife / (24 * time.Hour))}},
		"AdminCreateUserConfig": map[string]any{"AllowAdminCreateUserOnly": true},
		"AliasAttributes":       []string{"email"},
		"MfaConfiguration":      mfa,
		"CreationDate":          created, "LastModifiedDate": created,
		"LambdaConfig": map[string]any{}, "AutoVerifiedAttributes": []string{"email"},
		"AccountRecoverySetting": map[string]any{"RecoveryMechanisms": []any{map[string]any{"Name": "verified_email", "Priority": 1}}},
		"UserPoolTags":           map[string]string{}, "DeletionProtection": "INACTIVE",
		"EstimatedNumberOfUsers": people,
	}}, nil
}

type adminInitiateAuthInput struct{ UserPoolId, ClientId, AuthFlow string }

// adminInitiateAuth refuses every call: the app client enables no admin flow.
//
// SPEC: API AdminInitiateAuth; ExplicitAuthFlows of the client.
func (p *Pool) adminInitiateAuth(_ time.Time, in *adminInitiateAuthInput) (any, error) {
	if err := p.checkPool(in.UserPoolId); err != nil {
		return nil, err
	}
	if err := p.checkClient(in.ClientId); err != nil {
		return nil, err
	}
	if in.AuthFlow == "" {
		return nil, missing("authFlow")
	}
	return nil, invalidParameter("Auth flow not enabled for this client")
}

type listPoolsInput struct {
	NextToken  string
	MaxResults *int
}

// checkMaxResults checks that MaxResults is 1..60, and present if required.
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

// created returns the creation time of the oldest account. The caller holds
// p.mu.
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
	clients := []any{map[string]any{
		"ClientId": p.cfg.ClientID, "UserPoolId": p.cfg.PoolID, "ClientName": p.clientName(),
	}}
	for _, c := range p.cfg.Clients {
		clients = append(clients, map[string]any{"ClientId": c.ID, "UserPoolId": p.cfg.PoolID, "ClientName": c.ID})
	}
	return map[string]any{"UserPoolClients": clients}, nil
}

func (p *Pool) describeUserPoolClient(_ time.Time, in *clientInput) (any, error) {
	if err := p.checkPool(in.UserPoolId); err != nil {
		return nil, err
	}
	if err := p.checkClient(in.ClientId); err != nil {
		return nil, err
	}
	name, flows := p.clientName(), []string{"ALLOW_USER_SRP_AUTH"}
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
	oauth := map[string]any{}
	if c, ok := p.Client(in.ClientId); ok {
		name, flows = c.ID, []string{}
		oauth = map[string]any{"AllowedOAuthFlowsUserPoolClient": true, "AllowedOAuthFlows": []string{"code"},
			"AllowedOAuthScopes": c.Scopes, "CallbackURLs": c.Callbacks, "LogoutURLs": c.Logouts}
	}
	out := map[string]any{
		"UserPoolId": p.cfg.PoolID, "ClientId": in.ClientId, "ClientName": name,
		"CreationDate": at, "LastModifiedDate": at,
		"ExplicitAuthFlows": flows, "PreventUserExistenceErrors": "ENABLED", "EnableTokenRevocation": true,
		"AccessTokenValidity": int(p.cfg.AccessTokenLife / time.Second), "IdTokenValidity": int(p.cfg.AccessTokenLife / time.Second),
		"RefreshTokenValidity": int(p.cfg.RefreshTokenLife / time.Second),
		"TokenValidityUnits":   map[string]string{"AccessToken": "seconds", "IdToken": "seconds", "RefreshToken": "seconds"},
		"RefreshTokenRotation": rotation, "AuthSessionValidity": max(1, int(p.cfg.SessionLife/time.Minute)),
	}
	maps.Copy(out, oauth)
	return map[string]any{"UserPoolClient": out}, nil
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

// mfaConfig requires that the caller holds p.mu.
func (p *Pool) mfaConfig() any {
	out := map[string]any{"MfaConfiguration": p.mfa}
	if p.mfa != MFAOff {
		out["SoftwareTokenMfaConfiguration"] = map[string]bool{"Enabled": true}
	}
	return out
}

// setUserPoolMFAConfig changes the pool's MFA mode. Authenticator apps are the
// only supported factor.
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
