package cognito

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	idp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/smithy-go"
)

// done returns a function that fails the test on an error of the SDK.
func done[T any](t *testing.T) func(*T, error) *T {
	t.Helper()
	return func(out *T, err error) *T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// The backend's SDK can make every owner's call and decode every member that the
// backend needs.
func TestOwnerCallsThroughTheSDK(t *testing.T) {
	b := newBench(t, nil)
	ctx, pool := t.Context(), aws.String(testPool)
	made := done[idp.AdminCreateUserOutput](t)(b.sdk.AdminCreateUser(ctx, &idp.AdminCreateUserInput{UserPoolId: pool,
		Username: aws.String("newbie"), TemporaryPassword: aws.String(testPassword), MessageAction: types.MessageActionTypeSuppress,
		UserAttributes: []types.AttributeType{{Name: aws.String("email"), Value: aws.String("n@example.com")}}}))
	if made.User.UserStatus != types.UserStatusTypeForceChangePassword || !made.User.Enabled ||
		time.Since(*made.User.UserCreateDate).Abs() > time.Minute {
		t.Errorf("made %+v", made.User)
	}
	_, err := b.sdk.AdminCreateUser(ctx, &idp.AdminCreateUserInput{UserPoolId: pool, Username: aws.String("newbie")})
	if exists := new(types.UsernameExistsException); !errors.As(err, &exists) {
		t.Errorf("a second one: %v", err)
	}
	done[idp.AdminSetUserPasswordOutput](t)(b.sdk.AdminSetUserPassword(ctx, &idp.AdminSetUserPasswordInput{UserPoolId: pool,
		Username: aws.String("newbie"), Password: aws.String("Permanent-9"), Permanent: true}))
	b.signIn("newbie", "Permanent-9")
	got := done[idp.AdminGetUserOutput](t)(b.sdk.AdminGetUser(ctx, &idp.AdminGetUserInput{UserPoolId: pool, Username: aws.String("newbie")}))
	if got.UserStatus != types.UserStatusTypeConfirmed || !got.Enabled || *got.UserAttributes[0].Name != "sub" {
		t.Errorf("got %+v", got)
	}
	sub := got.UserAttributes[0].Value

	group := done[idp.CreateGroupOutput](t)(b.sdk.CreateGroup(ctx, &idp.CreateGroupInput{UserPoolId: pool,
		GroupName: aws.String("finance-team"), Description: aws.String("money"), Precedence: aws.Int32(3)}))
	if *group.Group.Precedence != 3 || *group.Group.UserPoolId != testPool || group.Group.CreationDate == nil {
		t.Errorf("made %+v", group.Group)
	}
	_, err = b.sdk.CreateGroup(ctx, &idp.CreateGroupInput{UserPoolId: pool, GroupName: aws.String("finance-team")})
	if exists := new(types.GroupExistsException); !errors.As(err, &exists) {
		t.Errorf("a second one: %v", err)
	}
	// A sub is valid too: every token contains it.
	done[idp.AdminAddUserToGroupOutput](t)(b.sdk.AdminAddUserToGroup(ctx, &idp.AdminAddUserToGroupInput{UserPoolId: pool,
		Username: sub, GroupName: aws.String("finance-team")}))
	_, err = b.sdk.AdminAddUserToGroup(ctx, &idp.AdminAddUserToGroupInput{UserPoolId: pool, Username: sub, GroupName: aws.String("nobodies")})
	if absent := new(types.ResourceNotFoundException); !errors.As(err, &absent) {
		t.Errorf("an absent group: %v", err)
	}
	groupsOf := func() []string {
		out := done[idp.AdminListGroupsForUserOutput](t)(b.sdk.AdminListGroupsForUser(ctx,
			&idp.AdminListGroupsForUserInput{UserPoolId: pool, Username: sub}))
		var names []string
		for _, g := range out.Groups {
			names = append(names, *g.GroupName)
		}
		return names
	}
	if names := groupsOf(); !slices.Equal(names, []string{"finance-team"}) {
		t.Errorf("groups are %v", names)
	}
	members := done[idp.ListUsersInGroupOutput](t)(b.sdk.ListUsersInGroup(ctx, &idp.ListUsersInGroupInput{UserPoolId: pool, GroupName: aws.String("finance-team")}))
	if len(members.Users) != 1 || *members.Users[0].Username != "newbie" {
		t.Errorf("members are %+v", members.Users)
	}
	done[idp.AdminRemoveUserFromGroupOutput](t)(b.sdk.AdminRemoveUserFromGroup(ctx, &idp.AdminRemoveUserFromGroupInput{UserPoolId: pool,
		Username: sub, GroupName: aws.String("finance-team")}))
	if names := groupsOf(); names != nil {
		t.Errorf("after removal groups are %v", names)
	}
	described := done[idp.DescribeUserPoolOutput](t)(b.sdk.DescribeUserPool(ctx, &idp.DescribeUserPoolInput{UserPoolId: pool}))
	if policy := described.UserPool.Policies.PasswordPolicy; *policy.MinimumLength != 8 || !policy.RequireSymbols {
		t.Errorf("policy is %+v", policy)
	}
	done[idp.AdminDisableUserOutput](t)(b.sdk.AdminDisableUser(ctx, &idp.AdminDisableUserInput{UserPoolId: pool, Username: sub}))
	disabled := done[idp.ListUsersOutput](t)(b.sdk.ListUsers(ctx, &idp.ListUsersInput{UserPoolId: pool, Filter: aws.String(`status = "Disabled"`)}))
	if len(disabled.Users) != 1 || disabled.Users[0].Enabled {
		t.Errorf("disabled are %+v", disabled.Users)
	}
	done[idp.AdminEnableUserOutput](t)(b.sdk.AdminEnableUser(ctx, &idp.AdminEnableUserInput{UserPoolId: pool, Username: sub}))
	done[idp.AdminUserGlobalSignOutOutput](t)(b.sdk.AdminUserGlobalSignOut(ctx, &idp.AdminUserGlobalSignOutInput{UserPoolId: pool, Username: sub}))
	done[idp.AdminDeleteUserOutput](t)(b.sdk.AdminDeleteUser(ctx, &idp.AdminDeleteUserInput{UserPoolId: pool, Username: sub}))
	_, err = b.sdk.AdminGetUser(ctx, &idp.AdminGetUserInput{UserPoolId: pool, Username: sub})
	if absent := new(types.UserNotFoundException); !errors.As(err, &absent) {
		t.Errorf("after deletion: %v", err)
	}
	_, err = b.sdk.ListGroups(ctx, &idp.ListGroupsInput{UserPoolId: aws.String("eu-west-1_Other")})
	if absent := new(types.ResourceNotFoundException); !errors.As(err, &absent) {
		t.Errorf("another pool: %v", err)
	}
}

// The calls of a signed-in person through the same SDK, without AWS keys.
func TestPersonalCallsThroughTheSDK(t *testing.T) {
	b := newBench(t, nil)
	sub := b.addUser(User{Username: "ada", Email: "ada@example.com", Groups: []string{"finance-team"}})
	b.sdk = sdkClient(b.url, "", "", testRegion)
	ctx := t.Context()
	client, _ := b.start("ada")
	begun := done[idp.InitiateAuthOutput](t)(b.sdk.InitiateAuth(ctx, &idp.InitiateAuthInput{AuthFlow: types.AuthFlowTypeUserSrpAuth,
		ClientId: aws.String(testClient), AuthParameters: params{"USERNAME": "ada", "SRP_A": client.A.Text(16)}}))
	answers, err := client.answer(begun.ChallengeParameters, testPassword, b.clock.now())
	if err != nil {
		t.Fatal(err)
	}
	out := done[idp.RespondToAuthChallengeOutput](t)(b.sdk.RespondToAuthChallenge(ctx, &idp.RespondToAuthChallengeInput{
		ChallengeName: types.ChallengeNameTypePasswordVerifier, ClientId: aws.String(testClient), ChallengeResponses: answers}))
	access, refresh := out.AuthenticationResult.AccessToken, out.AuthenticationResult.RefreshToken
	me := done[idp.GetUserOutput](t)(b.sdk.GetUser(ctx, &idp.GetUserInput{AccessToken: access}))
	if *me.Username != "ada" || *me.UserAttributes[0].Value != sub {
		t.Errorf("GetUser returned %+v", me)
	}
	renewed := done[idp.GetTokensFromRefreshTokenOutput](t)(b.sdk.GetTokensFromRefreshToken(ctx,
		&idp.GetTokensFromRefreshTokenInput{ClientId: aws.String(testClient), RefreshToken: refresh}))
	access = renewed.AuthenticationResult.AccessToken
	done[idp.ChangePasswordOutput](t)(b.sdk.ChangePassword(ctx, &idp.ChangePasswordInput{AccessToken: access,
		PreviousPassword: aws.String(testPassword), ProposedPassword: aws.String("Changed-it-9")}))
	b.signIn("ada", "Changed-it-9")
	_, err = b.sdk.ChangePassword(ctx, &idp.ChangePasswordInput{AccessToken: access,
		PreviousPassword: aws.String(testPassword), ProposedPassword: aws.String("Changed-it-9")})
	if refused := new(types.NotAuthorizedException); !errors.As(err, &refused) {
		t.Errorf("with the old password: %v", err)
	}
	secret := done[idp.AssociateSoftwareTokenOutput](t)(b.sdk.AssociateSoftwareToken(ctx, &idp.AssociateSoftwareTokenInput{AccessToken: access}))
	verified := done[idp.VerifySoftwareTokenOutput](t)(b.sdk.VerifySoftwareToken(ctx, &idp.VerifySoftwareTokenInput{AccessToken: access,
		UserCode: aws.String(b.code(*secret.SecretCode, 0))}))
	if verified.Status != types.VerifySoftwareTokenResponseTypeSuccess {
		t.Errorf("status is %s", verified.Status)
	}
	done[idp.SetUserMFAPreferenceOutput](t)(b.sdk.SetUserMFAPreference(ctx, &idp.SetUserMFAPreferenceInput{AccessToken: access,
		SoftwareTokenMfaSettings: &types.SoftwareTokenMfaSettingsType{Enabled: true, PreferredMfa: true}}))
	b.codeChallenge("ada", "Changed-it-9")
	done[idp.RevokeTokenOutput](t)(b.sdk.RevokeToken(ctx, &idp.RevokeTokenInput{ClientId: aws.String(testClient), Token: refresh}))
	_, err = b.sdk.GlobalSignOut(ctx, &idp.GlobalSignOutInput{AccessToken: access})
	if refused := new(types.NotAuthorizedException); !errors.As(err, &refused) || *refused.Message != "Access Token has been revoked" {
		t.Errorf("GlobalSignOut with a revoked token: %v", err)
	}
	_, err = b.sdk.GetTokensFromRefreshToken(ctx, &idp.GetTokensFromRefreshTokenInput{ClientId: aws.String(testClient), RefreshToken: refresh})
	if refused := new(types.NotAuthorizedException); !errors.As(err, &refused) {
		t.Errorf("refresh after GlobalSignOut: %v", err)
	}
}

func TestPagesAreComplete(t *testing.T) {
	b := newBench(t, nil)
	var groups []string
	for i := range 7 {
		groups = append(groups, fmt.Sprintf("group-%d", i))
	}
	b.addUser(User{Username: "ada", Groups: groups})
	for i := range 4 {
		b.addUser(User{Username: fmt.Sprintf("person-%d", i), Groups: groups[:1]})
	}
	pages := map[string]func(limit int32, token *string) (names []string, next *string, err error){
		"AdminListGroupsForUser": func(limit int32, token *string) (names []string, next *string, err error) {
			out, err := b.sdk.AdminListGroupsForUser(t.Context(), &idp.AdminListGroupsForUserInput{UserPoolId: aws.String(testPool),
				Username: aws.String("ada"), Limit: &limit, NextToken: token})
			if err != nil {
				return nil, nil, err
			}
			for _, g := range out.Groups {
				names = append(names, *g.GroupName)
			}
			return names, out.NextToken, nil
		},
		"ListUsersInGroup": func(limit int32, token *string) (names []string, next *string, err error) {
			out, err := b.sdk.ListUsersInGroup(t.Context(), &idp.ListUsersInGroupInput{UserPoolId: aws.String(testPool),
				GroupName: aws.String("group-0"), Limit: &limit, NextToken: token})
			if err != nil {
				return nil, nil, err
			}
			for _, u := range out.Users {
				names = append(names, *u.Username)
			}
			return names, out.NextToken, nil
		},
		"ListUsers": func(limit int32, token *string) (names []string, next *string, err error) {
			out, err := b.sdk.ListUsers(t.Context(), &idp.ListUsersInput{UserPoolId: aws.String(testPool), Limit: &limit, PaginationToken: token})
			if err != nil {
				return nil, nil, err
			}
			for _, u := range out.Users {
				names = append(names, *u.Username)
			}
			return names, out.PaginationToken, nil
		},
	}
	want := map[string]int{"AdminListGroupsForUser": 7, "ListUsersInGroup": 5, "ListUsers": 5}
	for name, ask := range pages {
		for _, limit := range []int32{1, 2, 3, 5, 7, 60} {
			var all []string
			var token *string
			for pages := 0; ; pages++ {
				names, next, err := ask(limit, token)
				if err != nil || len(names) > int(limit) || pages > 10 {
					t.Fatalf("%s by %d: %d names, page %d, %v", name, limit, len(names), pages, err)
				}
				all = append(all, names...)
				if token = next; token == nil {
					break
				}
			}
			if len(all) != want[name] || !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
				t.Errorf("%s by %d: %v", name, limit, all)
			}
		}
		foreign := aws.String("bm90IG91cnM")
		if _, _, err := ask(2, foreign); err == nil {
			t.Errorf("%s accepted an invented token", name)
		}
		if _, _, err := ask(61, nil); err == nil {
			t.Errorf("%s accepted a limit of 61", name)
		}
	}
	_, token, err := pages["ListUsersInGroup"](1, nil)
	if err != nil || token == nil {
		t.Fatal(err)
	}
	if _, _, err := pages["AdminListGroupsForUser"](1, token); err == nil {
		t.Error("a token of one list is valid for another")
	}
}

func TestListUsersFilter(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada", Email: "ada@example.com"})
	b.addUser(User{Username: "adam", Email: "adam@example.org"})
	b.addUser(User{Username: `q"uote`, Temporary: true})
	b.mustCall("AdminDisableUser", adminInput{testPool, "adam"}, nil)
	for filter, want := range map[string][]string{
		"": {"ada", "adam", `q"uote`}, `username = "ada"`: {"ada"}, `username ^= "ada"`: {"ada", "adam"}, `username^="ada"`: {"ada", "adam"},
		`"email" = "adam@example.org"`: {"adam"}, `status = "Disabled"`: {"adam"}, `status="disabled"`: {"adam"}, `status = "Enabled"`: {"ada", `q"uote`},
		`cognito:user_status = "FORCE_CHANGE_PASSWORD"`: {`q"uote`}, `username = "q\"uote"`: {`q"uote`}, `username = "nobody"`: nil, `email = ""`: {`q"uote`},
	} {
		var out struct{ Users []userShape }
		b.mustCall("ListUsers", listUsersInput{UserPoolId: testPool, Filter: filter, AttributesToGet: []string{"sub"}}, &out)
		var got []string
		for _, u := range out.Users {
			got = append(got, u.Username)
			if len(u.Attributes) != 1 {
				t.Errorf("AttributesToGet returned %v", u.Attributes)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s returned %v, want %v", filter, got, want)
		}
	}
	for _, bad := range []string{"username", `username = ada`, `username = "ada`, `password = "x"`, `= "x"`, `username != "x"`} {
		failsWith(t, b.call("ListUsers", listUsersInput{UserPoolId: testPool, Filter: bad}, nil), "InvalidParameterException", "filter")
	}
}

// An owner's call without a signature, or with other keys or another region, is
// refused.
func TestOwnerCallsRequireTheOwnersSignature(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	list := func(c *idp.Client) error {
		_, err := c.ListGroups(context.Background(), &idp.ListGroupsInput{UserPoolId: aws.String(testPool)})
		return err
	}
	if err := list(b.sdk); err != nil {
		t.Fatalf("the owner: %v", err)
	}
	code := func(err error) string {
		var refusal smithy.APIError
		if errors.As(err, &refusal) {
			return refusal.ErrorCode()
		}
		return fmt.Sprint(err)
	}
	for name, c := range map[string]struct {
		client *idp.Client
		want   string
	}{
		"a wrong secret":                      {sdkClient(b.url, testKeyID, "wrong", testRegion), "InvalidSignatureException"},
		"no secret":                           {sdkClient(b.url, testKeyID, " ", testRegion), "InvalidSignatureException"},
		"an unknown key":                      {sdkClient(b.url, "AKIDOTHER", testSecret, testRegion), "UnrecognizedClientException"},
		"another region":                      {sdkClient(b.url, testKeyID, testSecret, "us-east-1"), "InvalidSignatureException"},
		"a key id with the owner's as prefix": {sdkClient(b.url, "AKIDOWNER2", testSecret, testRegion), "UnrecognizedClientException"},
	} {
		if got := code(list(c.client)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	for name, op := range b.pool.ops {
		if !op.signed {
			continue
		}
		status, body := b.post(name, map[string]string{"UserPoolId": testPool, "Username": "ada", "GroupName": "g",
			"Password": testPassword, "TemporaryPassword": testPassword}, false)
		if status != 400 || !strings.Contains(string(body), "MissingAuthenticationTokenException") {
			t.Errorf("%s unsigned: %d %s", name, status, body)
		}
	}
	if b.pool.users["ada"].Disabled || len(b.pool.groups) != 0 || len(b.pool.users) != 1 {
		t.Error("an unsigned call changed something")
	}
}
