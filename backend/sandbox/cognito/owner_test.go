package cognito

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	idp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/smithy-go"
)

// wantCode checks the code of an API error; "" means success.
func wantCode(t *testing.T, name string, err error, code string) {
	t.Helper()
	have := ""
	if e := smithy.APIError(nil); errors.As(err, &e) {
		have = e.ErrorCode()
	}
	if have != code {
		t.Errorf("%s: %v, want %q", name, err, code)
	}
}

func TestGroupsThroughTheSDK(t *testing.T) {
	b := newBench(t, nil)
	ctx, pool, name := t.Context(), aws.String(testPool), aws.String("finance-team")
	b.addUser(User{Username: "ada", Groups: []string{"finance-team"}})
	updated := done[idp.UpdateGroupOutput](t)(b.sdk.UpdateGroup(ctx, &idp.UpdateGroupInput{UserPoolId: pool, GroupName: name,
		Description: aws.String("money"), Precedence: aws.Int32(2)}))
	got := done[idp.GetGroupOutput](t)(b.sdk.GetGroup(ctx, &idp.GetGroupInput{UserPoolId: pool, GroupName: name}))
	if *got.Group.Description != "money" || *got.Group.Precedence != 2 || *updated.Group.Description != "money" {
		t.Errorf("got %+v after %+v", got.Group, updated.Group)
	}
	done[idp.UpdateGroupOutput](t)(b.sdk.UpdateGroup(ctx, &idp.UpdateGroupInput{UserPoolId: pool, GroupName: name, Precedence: aws.Int32(3)}))
	if got = done[idp.GetGroupOutput](t)(b.sdk.GetGroup(ctx, &idp.GetGroupInput{UserPoolId: pool, GroupName: name})); *got.Group.Description != "money" {
		t.Errorf("a change of the precedence removed the description: %+v", got.Group)
	}
	done[idp.DeleteGroupOutput](t)(b.sdk.DeleteGroup(ctx, &idp.DeleteGroupInput{UserPoolId: pool, GroupName: name}))
	_, err := b.sdk.GetGroup(ctx, &idp.GetGroupInput{UserPoolId: pool, GroupName: name})
	wantCode(t, "a deleted group", err, "ResourceNotFoundException")
	of := done[idp.AdminListGroupsForUserOutput](t)(b.sdk.AdminListGroupsForUser(ctx, &idp.AdminListGroupsForUserInput{UserPoolId: pool, Username: aws.String("ada")}))
	if len(of.Groups) != 0 {
		t.Errorf("ada is still in %+v", of.Groups)
	}
}

func TestPoolAndClientThroughTheSDK(t *testing.T) {
	b := newBench(t, nil)
	ctx, pool := t.Context(), aws.String(testPool)
	pools := done[idp.ListUserPoolsOutput](t)(b.sdk.ListUserPools(ctx, &idp.ListUserPoolsInput{MaxResults: aws.Int32(10)}))
	if len(pools.UserPools) != 1 || *pools.UserPools[0].Id != testPool || pools.UserPools[0].CreationDate == nil {
		t.Errorf("pools are %+v", pools.UserPools)
	}
	_, err := b.sdk.ListUserPools(ctx, &idp.ListUserPoolsInput{MaxResults: aws.Int32(61)})
	wantCode(t, "61 at once", err, "InvalidParameterException")
	clients := done[idp.ListUserPoolClientsOutput](t)(b.sdk.ListUserPoolClients(ctx, &idp.ListUserPoolClientsInput{UserPoolId: pool}))
	if len(clients.UserPoolClients) != 1 || *clients.UserPoolClients[0].ClientId != testClient {
		t.Errorf("clients are %+v", clients.UserPoolClients)
	}
	client := done[idp.DescribeUserPoolClientOutput](t)(b.sdk.DescribeUserPoolClient(ctx,
		&idp.DescribeUserPoolClientInput{UserPoolId: pool, ClientId: aws.String(testClient)})).UserPoolClient
	if client.ExplicitAuthFlows[0] != types.ExplicitAuthFlowsTypeAllowUserSrpAuth || !*client.EnableTokenRevocation ||
		client.PreventUserExistenceErrors != types.PreventUserExistenceErrorTypesEnabled || *client.AccessTokenValidity != 600 ||
		client.TokenValidityUnits.AccessToken != types.TimeUnitsTypeSeconds || client.RefreshTokenRotation.Feature != types.FeatureTypeEnabled {
		t.Errorf("client is %+v", client)
	}
	_, err = b.sdk.AdminInitiateAuth(ctx, &idp.AdminInitiateAuthInput{UserPoolId: pool, ClientId: aws.String(testClient),
		AuthFlow: types.AuthFlowTypeAdminUserPasswordAuth, AuthParameters: map[string]string{"USERNAME": "ada", "PASSWORD": testPassword}})
	wantCode(t, "a flow that the client lacks", err, "InvalidParameterException")
	_, err = b.sdk.DescribeUserPoolClient(ctx, &idp.DescribeUserPoolClientInput{UserPoolId: pool, ClientId: aws.String("another")})
	wantCode(t, "another client", err, "ResourceNotFoundException")
}

// The pool's MFA mode can be changed at run time. It is part of the state file.
func TestMFAConfigThroughTheSDK(t *testing.T) {
	file := t.TempDir() + "/pool.json"
	b := newBench(t, func(c *Config) { c.StateFile = file })
	b.addUser(User{Username: "ada"})
	ctx, pool := t.Context(), aws.String(testPool)
	rule := func() types.UserPoolMfaType {
		return done[idp.GetUserPoolMfaConfigOutput](t)(b.sdk.GetUserPoolMfaConfig(ctx, &idp.GetUserPoolMfaConfigInput{UserPoolId: pool})).MfaConfiguration
	}
	if have := rule(); have != types.UserPoolMfaTypeOptional {
		t.Errorf("the MFA mode is %s", have)
	}
	b.signIn("ada", testPassword)
	done[idp.SetUserPoolMfaConfigOutput](t)(b.sdk.SetUserPoolMfaConfig(ctx, &idp.SetUserPoolMfaConfigInput{UserPoolId: pool,
		MfaConfiguration: types.UserPoolMfaTypeOn, SoftwareTokenMfaConfiguration: &types.SoftwareTokenMfaConfigType{Enabled: true}}))
	if out, _ := b.prove("ada", testPassword); out.ChallengeName != mfaSetup {
		t.Errorf("with MFA required the challenge is %q, want %s", out.ChallengeName, mfaSetup)
	}
	_, err := b.sdk.SetUserPoolMfaConfig(ctx, &idp.SetUserPoolMfaConfigInput{UserPoolId: pool, MfaConfiguration: "MAYBE"})
	wantCode(t, "an unknown mode", err, "InvalidParameterException")
	_, err = b.sdk.SetUserPoolMfaConfig(ctx, &idp.SetUserPoolMfaConfigInput{UserPoolId: pool,
		MfaConfiguration: types.UserPoolMfaTypeOn, SoftwareTokenMfaConfiguration: &types.SoftwareTokenMfaConfigType{}})
	wantCode(t, "required without a factor", err, "InvalidParameterException")
	again := newBench(t, func(c *Config) { c.StateFile = file })
	if again.pool.mfa != MFARequired {
		t.Errorf("after a restart the MFA mode is %s", again.pool.mfa)
	}
}

func TestAttributesThroughTheSDK(t *testing.T) {
	b := newBench(t, nil)
	ctx, pool, ada := t.Context(), aws.String(testPool), aws.String("ada")
	b.addUser(User{Username: "ada", Email: "ada@example.com"})
	b.addUser(User{Username: "grace", Email: "grace@example.com"})
	update := func(pairs ...string) error {
		in := &idp.AdminUpdateUserAttributesInput{UserPoolId: pool, Username: ada}
		for i := 0; i < len(pairs); i += 2 {
			in.UserAttributes = append(in.UserAttributes, types.AttributeType{Name: aws.String(pairs[i]), Value: aws.String(pairs[i+1])})
		}
		_, err := b.sdk.AdminUpdateUserAttributes(ctx, in)
		return err
	}
	of := func() map[string]string {
		out := done[idp.AdminGetUserOutput](t)(b.sdk.AdminGetUser(ctx, &idp.AdminGetUserInput{UserPoolId: pool, Username: ada}))
		have := map[string]string{}
		for _, a := range out.UserAttributes {
			have[*a.Name] = *a.Value
		}
		return have
	}
	wantCode(t, "a name", update("name", "Ada Lovelace"), "")
	wantCode(t, "a new address", update("email", "lovelace@example.com"), "")
	if have := of(); have["name"] != "Ada Lovelace" || have["email"] != "lovelace@example.com" || have["email_verified"] != "false" {
		t.Errorf("attributes are %v, want the new address unverified", have)
	}
	wantCode(t, "another's address", update("email", "grace@example.com", "email_verified", "true"), "AliasExistsException")
	wantCode(t, "verification of it", update("email_verified", "true"), "")
	wantCode(t, "sub", update("sub", "1"), "InvalidParameterException")
	wantCode(t, "outside of the schema", update("custom:floor", "3"), "InvalidParameterException")
	wantCode(t, "no boolean", update("email_verified", "yes"), "InvalidParameterException")
	own := aws.String(b.signIn("ada", testPassword).AccessToken)
	updateOwn := func(name, value string) error {
		_, err := b.sdk.UpdateUserAttributes(ctx, &idp.UpdateUserAttributesInput{AccessToken: own,
			UserAttributes: []types.AttributeType{{Name: aws.String(name), Value: aws.String(value)}}})
		return err
	}
	wantCode(t, "one's own nickname", updateOwn("nickname", "countess"), "")
	wantCode(t, "one's own verification", updateOwn("email_verified", "true"), "NotAuthorizedException")
	if have := of(); have["nickname"] != "countess" {
		t.Errorf("attributes are %v, want the nickname", have)
	}
	if _, err := b.sdk.DeleteUserAttributes(ctx, &idp.DeleteUserAttributesInput{AccessToken: own, UserAttributeNames: []string{"nickname"}}); err != nil || of()["nickname"] != "" {
		t.Errorf("removal of one's own: %v, %v", err, of())
	}
	_, err := b.sdk.AdminDeleteUserAttributes(ctx, &idp.AdminDeleteUserAttributesInput{UserPoolId: pool, Username: ada, UserAttributeNames: []string{"email"}})
	wantCode(t, "removal", err, "")
	if have := of(); have["email"] != "" || have["email_verified"] != "" || have["name"] == "" {
		t.Errorf("attributes are %v, want no address", have)
	}
}

func TestAdminSetUserMFAPreferenceThroughTheSDK(t *testing.T) {
	b := newBench(t, nil)
	ctx, pool := t.Context(), aws.String(testPool)
	b.addUser(User{Username: "alan", TOTPSecret: testTOTPSecret})
	b.addUser(User{Username: "ada"})
	set := func(name string, on bool) error {
		_, err := b.sdk.AdminSetUserMFAPreference(ctx, &idp.AdminSetUserMFAPreferenceInput{UserPoolId: pool, Username: aws.String(name),
			SoftwareTokenMfaSettings: &types.SoftwareTokenMfaSettingsType{Enabled: on, PreferredMfa: on}})
		return err
	}
	wantCode(t, "off", set("alan", false), "")
	b.signIn("alan", testPassword)
	wantCode(t, "on", set("alan", true), "")
	if out, _ := b.prove("alan", testPassword); out.ChallengeName != softwareTokenMFA {
		t.Errorf("the challenge is %q, want %s", out.ChallengeName, softwareTokenMFA)
	}
	wantCode(t, "without an authenticator", set("ada", true), "InvalidParameterException")
	_, err := b.sdk.AdminSetUserMFAPreference(ctx, &idp.AdminSetUserMFAPreferenceInput{UserPoolId: pool, Username: aws.String("ada"),
		SMSMfaSettings: &types.SMSMfaSettingsType{Enabled: true}})
	wantCode(t, "SMS", err, "InvalidParameterException")
}

// mailed collects the mail of a pool.
type mailed []Mail

func (m *mailed) add(one Mail) { *m = append(*m, one) }

func (m *mailed) last(t *testing.T) Mail {
	t.Helper()
	if len(*m) == 0 {
		t.Fatal("nothing was sent")
	}
	return (*m)[len(*m)-1]
}

func TestForgottenPassword(t *testing.T) {
	var mail mailed
	b := newBench(t, func(c *Config) { c.Send = mail.add })
	b.addUser(User{Username: "ada", Email: "ada@example.com"})
	ctx, client, ada := t.Context(), aws.String(testClient), aws.String("ada")
	sent := done[idp.ForgotPasswordOutput](t)(b.sdk.ForgotPassword(ctx, &idp.ForgotPasswordInput{ClientId: client, Username: ada}))
	if d := sent.CodeDeliveryDetails; d.DeliveryMedium != types.DeliveryMediumTypeEmail || *d.Destination != "a***@e***" {
		t.Errorf("delivered to %+v", d)
	}
	m := mail.last(t)
	if m.Username != "ada" || m.To != "ada@example.com" || len(m.Code) != 6 {
		t.Errorf("mail is %+v", m)
	}
	confirm := func(code, password string) error {
		_, err := b.sdk.ConfirmForgotPassword(ctx, &idp.ConfirmForgotPasswordInput{ClientId: client, Username: ada,
			ConfirmationCode: aws.String(code), Password: aws.String(password)})
		return err
	}
	wrong := "000000"
	if m.Code == wrong {
		wrong = "000001"
	}
	wantCode(t, "another code", confirm(wrong, "Brand-new-8"), "CodeMismatchException")
	wantCode(t, "a weak password", confirm(m.Code, "weak"), "InvalidPasswordException")
	wantCode(t, "the code", confirm(m.Code, "Brand-new-8"), "")
	b.signIn("ada", "Brand-new-8")
	wantCode(t, "the code again", confirm(m.Code, "Brand-new-9"), "CodeMismatchException")
	done[idp.ForgotPasswordOutput](t)(b.sdk.ForgotPassword(ctx, &idp.ForgotPasswordInput{ClientId: client, Username: ada}))
	b.clock.advance(resetCodeLife)
	wantCode(t, "a code after its hour", confirm(mail.last(t).Code, "Brand-new-9"), "ExpiredCodeException")

	// The response for an unknown username is the same, and no mail is sent.
	before := len(mail)
	nobody := done[idp.ForgotPasswordOutput](t)(b.sdk.ForgotPassword(ctx, &idp.ForgotPasswordInput{ClientId: client, Username: aws.String("nobody")}))
	if d := *nobody.CodeDeliveryDetails.Destination; !strings.Contains(d, "***@") || len(mail) != before {
		t.Errorf("for an unknown username: delivered to %q, mail sent: %t", d, len(mail) != before)
	}
	b.addUser(User{Username: "mute"})
	_, err := b.sdk.ForgotPassword(ctx, &idp.ForgotPasswordInput{ClientId: client, Username: aws.String("mute")})
	wantCode(t, "without an address", err, "InvalidParameterException")
	for range resetsPerHour + 1 {
		_, err = b.sdk.ForgotPassword(ctx, &idp.ForgotPasswordInput{ClientId: client, Username: ada})
	}
	wantCode(t, "one code too many", err, "LimitExceededException")
}

func TestWrongResetCodesLock(t *testing.T) {
	var mail mailed
	b := newBench(t, func(c *Config) { c.Send = mail.add })
	b.addUser(User{Username: "ada", Email: "ada@example.com"})
	done[idp.ForgotPasswordOutput](t)(b.sdk.ForgotPassword(t.Context(), &idp.ForgotPasswordInput{ClientId: aws.String(testClient), Username: aws.String("ada")}))
	confirm := func(code string) error {
		_, err := b.sdk.ConfirmForgotPassword(t.Context(), &idp.ConfirmForgotPasswordInput{ClientId: aws.String(testClient), Username: aws.String("ada"),
			ConfirmationCode: aws.String(code), Password: aws.String("Brand-new-8")})
		return err
	}
	for range lockoutAfter {
		wantCode(t, "a guess", confirm("x"), "CodeMismatchException")
	}
	wantCode(t, "the code during the lockout", confirm(mail.last(t).Code), "LimitExceededException")
	b.clock.advance(2 * time.Second)
	wantCode(t, "the code after the lockout", confirm(mail.last(t).Code), "")
}

func TestAdminResetUserPassword(t *testing.T) {
	var mail mailed
	b := newBench(t, func(c *Config) { c.Send = mail.add })
	b.addUser(User{Username: "ada", Email: "ada@example.com"})
	b.addUser(User{Username: "fresh", Email: "fresh@example.com", Temporary: true})
	ctx, pool, ada := t.Context(), aws.String(testPool), aws.String("ada")
	reset := func(name string) error {
		_, err := b.sdk.AdminResetUserPassword(ctx, &idp.AdminResetUserPasswordInput{UserPoolId: pool, Username: aws.String(name)})
		return err
	}
	wantCode(t, "reset", reset("ada"), "")
	got := done[idp.AdminGetUserOutput](t)(b.sdk.AdminGetUser(ctx, &idp.AdminGetUserInput{UserPoolId: pool, Username: ada}))
	if got.UserStatus != types.UserStatusTypeResetRequired {
		t.Errorf("the status is %s", got.UserStatus)
	}
	_, failure := b.prove("ada", testPassword)
	failsWith(t, failure, "PasswordResetRequiredException", "")
	done[idp.ConfirmForgotPasswordOutput](t)(b.sdk.ConfirmForgotPassword(ctx, &idp.ConfirmForgotPasswordInput{ClientId: aws.String(testClient), Username: ada,
		ConfirmationCode: aws.String(mail.last(t).Code), Password: aws.String("Brand-new-8")}))
	b.signIn("ada", "Brand-new-8")
	wantCode(t, "an account with a temporary password", reset("fresh"), "NotAuthorizedException")
	wantCode(t, "nobody", reset("nobody"), "UserNotFoundException")
}

// A generated temporary password is mailed to the person, and mailed again with
// MessageAction RESEND.
func TestInvitation(t *testing.T) {
	var mail mailed
	b := newBench(t, func(c *Config) { c.Send = mail.add })
	in := &idp.AdminCreateUserInput{UserPoolId: aws.String(testPool), Username: aws.String("new"),
		UserAttributes: []types.AttributeType{{Name: aws.String("email"), Value: aws.String("new@example.com")}}}
	done[idp.AdminCreateUserOutput](t)(b.sdk.AdminCreateUser(t.Context(), in))
	first := mail.last(t).Password
	in.MessageAction = types.MessageActionTypeResend
	done[idp.AdminCreateUserOutput](t)(b.sdk.AdminCreateUser(t.Context(), in))
	if out, failure := b.prove("new", mail.last(t).Password); failure != "" || out.ChallengeName != newPasswordRequired {
		t.Errorf("the password sent again: %q, challenge %q", failure, out.ChallengeName)
	}
	if _, failure := b.prove("new", first); failure == "" {
		t.Error("the first temporary password is still valid")
	}
}
