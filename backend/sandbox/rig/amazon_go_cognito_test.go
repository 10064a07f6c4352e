package rig

import (
	"context"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	idp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"usher/backend/sandbox/cognito"
)

// idpClient returns Amazon's client for a pool on this machine. It does not retry
// after a refusal.
func idpClient(endpoint, region string, keys owner) *idp.Client {
	return idp.New(idp.Options{
		Region: region, BaseEndpoint: aws.String(endpoint), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(keys.key, keys.secret, ""),
	})
}

// Amazon's SDK for Go against the sandbox's pool: the owner's signed calls, and
// refresh token rotation, which the JavaScript client does not support. The SDK
// has no SRP, so the people sign in with USER_PASSWORD_AUTH. The JavaScript client
// covers SRP.
func TestAmazonGoCognito(t *testing.T) {
	t.Parallel()
	root, stranger := newOwner(), newOwner()
	rotating := startPool(t, cognito.Config{Rotation: true, PasswordAuth: true, OwnerKeys: func(id string) (string, bool) { return root.secret, id == root.key }})
	client := idpClient(rotating.Endpoint, region, root)

	t.Run("signature", func(t *testing.T) {
		for name, c := range map[string]struct {
			region string
			keys   owner
			ok     bool
		}{
			"right": {region, root, true}, "wrong secret": {region, owner{root.key, stranger.secret}, false},
			"unknown key": {region, stranger, false}, "another region": {"eu-west-1", root, false},
		} {
			_, err := idpClient(rotating.Endpoint, c.region, c.keys).AdminGetUser(t.Context(), &idp.AdminGetUserInput{UserPoolId: aws.String(poolID), Username: aws.String("ada")})
			if (err == nil) != c.ok {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("groups", func(t *testing.T) { adminGroups(t, client) })
	t.Run("rotation", func(t *testing.T) { rotation(t, client, rotating) })
	t.Run("revoked", func(t *testing.T) { revoked(t, client, rotating) })
	t.Run("disabled", func(t *testing.T) { disabled(t, client, rotating) })
	t.Run("signed out everywhere", func(t *testing.T) { signedOut(t, client, rotating) })
}

func adminGroups(t *testing.T, client *idp.Client) {
	groups := func() (names []string) {
		out, err := client.AdminListGroupsForUser(t.Context(), &idp.AdminListGroupsForUserInput{UserPoolId: aws.String(poolID), Username: aws.String("ada")})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range out.Groups {
			names = append(names, aws.ToString(g.GroupName))
		}
		return names
	}
	if _, err := client.CreateGroup(t.Context(), &idp.CreateGroupInput{UserPoolId: aws.String(poolID), GroupName: aws.String("engineering")}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.AdminAddUserToGroup(t.Context(), &idp.AdminAddUserToGroupInput{UserPoolId: aws.String(poolID), Username: aws.String("ada"), GroupName: aws.String("engineering")}); err != nil {
		t.Fatal(err)
	}
	if got := groups(); !slices.Equal(got, []string{"engineering", "finance-team"}) {
		t.Errorf("after joining: %q", got)
	}
	if _, err := client.AdminRemoveUserFromGroup(t.Context(), &idp.AdminRemoveUserFromGroupInput{UserPoolId: aws.String(poolID), Username: aws.String("ada"), GroupName: aws.String("engineering")}); err != nil {
		t.Fatal(err)
	}
	if got := groups(); !slices.Equal(got, []string{"finance-team"}) {
		t.Errorf("after leaving: %q", got)
	}
	in, err := client.ListUsersInGroup(t.Context(), &idp.ListUsersInGroupInput{UserPoolId: aws.String(poolID), GroupName: aws.String("finance-team")})
	if err != nil || len(in.Users) != 1 || aws.ToString(in.Users[0].Username) != "ada" {
		t.Errorf("finance-team: %v, %v", in.Users, err)
	}
}

// signInByPassword returns the tokens of a sign-in.
func signInByPassword(t *testing.T, client *idp.Client, p pool, name string) *types.AuthenticationResultType {
	t.Helper()
	out, err := client.InitiateAuth(t.Context(), &idp.InitiateAuthInput{AuthFlow: types.AuthFlowTypeUserPasswordAuth, ClientId: aws.String(clientID),
		AuthParameters: map[string]string{"USERNAME": name, "PASSWORD": p.People[name].Password}})
	if err != nil || out.AuthenticationResult == nil {
		t.Fatalf("signing in %s: %v", name, err)
	}
	return out.AuthenticationResult
}

func renew(ctx context.Context, client *idp.Client, token *string) (*types.AuthenticationResultType, error) {
	out, err := client.GetTokensFromRefreshToken(ctx, &idp.GetTokensFromRefreshTokenInput{ClientId: aws.String(clientID), RefreshToken: token})
	if err != nil {
		return nil, err
	}
	return out.AuthenticationResult, nil
}

// alive reports whether GetUser accepts an access token.
func alive(ctx context.Context, client *idp.Client, token *string) bool {
	_, err := client.GetUser(ctx, &idp.GetUserInput{AccessToken: token})
	return err == nil
}

// rotation checks that a refresh token is valid once, and that its use returns
// the next one.
func rotation(t *testing.T, client *idp.Client, p pool) {
	first := signInByPassword(t, client, p, "ada")
	second, err := renew(t.Context(), client, first.RefreshToken)
	if err != nil || second.RefreshToken == nil || *second.RefreshToken == *first.RefreshToken || !alive(t.Context(), client, second.AccessToken) {
		t.Fatalf("renewing: %v", err)
	}
	if _, err := renew(t.Context(), client, first.RefreshToken); err == nil {
		t.Error("a used refresh token is still valid")
	}
}

func revoked(t *testing.T, client *idp.Client, p pool) {
	got := signInByPassword(t, client, p, "ada")
	if !alive(t.Context(), client, got.AccessToken) {
		t.Fatal("the access token is invalid before the revocation")
	}
	if _, err := client.RevokeToken(t.Context(), &idp.RevokeTokenInput{ClientId: aws.String(clientID), Token: got.RefreshToken}); err != nil {
		t.Fatal(err)
	}
	if _, err := renew(t.Context(), client, got.RefreshToken); errorCode(err) != "NotAuthorizedException" {
		t.Errorf("renewing: %v, want a refusal", err)
	}
	if alive(t.Context(), client, got.AccessToken) {
		t.Error("the access token of a revoked refresh token is still valid")
	}
}

func disabled(t *testing.T, client *idp.Client, p pool) {
	got := signInByPassword(t, client, p, "grace")
	if _, err := client.AdminDisableUser(t.Context(), &idp.AdminDisableUserInput{UserPoolId: aws.String(poolID), Username: aws.String("grace")}); err != nil {
		t.Fatal(err)
	}
	if _, err := renew(t.Context(), client, got.RefreshToken); err == nil || alive(t.Context(), client, got.AccessToken) {
		t.Errorf("a disabled account refreshed its tokens: %v", err)
	}
	if _, err := client.AdminEnableUser(t.Context(), &idp.AdminEnableUserInput{UserPoolId: aws.String(poolID), Username: aws.String("grace")}); err != nil {
		t.Fatal(err)
	}
	if alive(t.Context(), client, got.AccessToken) {
		t.Error("a token from before the disabling is valid again")
	}
	signInByPassword(t, client, p, "grace")
}

func signedOut(t *testing.T, client *idp.Client, p pool) {
	here, there := signInByPassword(t, client, p, "dorothy"), signInByPassword(t, client, p, "dorothy")
	if _, err := client.AdminUserGlobalSignOut(t.Context(), &idp.AdminUserGlobalSignOutInput{UserPoolId: aws.String(poolID), Username: aws.String("dorothy")}); err != nil {
		t.Fatal(err)
	}
	for _, got := range []*types.AuthenticationResultType{here, there} {
		if _, err := renew(t.Context(), client, got.RefreshToken); err == nil || alive(t.Context(), client, got.AccessToken) {
			t.Errorf("a session is still valid: %v", err)
		}
	}
}
