package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
)

// PoolAPI is the part of the Cognito API that type Cognito calls.
type PoolAPI interface {
	GetUser(ctx context.Context, in *cognitoidentityprovider.GetUserInput, opts ...func(*cognitoidentityprovider.Options)) (*cognitoidentityprovider.GetUserOutput, error)
	AdminListGroupsForUser(ctx context.Context, in *cognitoidentityprovider.AdminListGroupsForUserInput, opts ...func(*cognitoidentityprovider.Options)) (*cognitoidentityprovider.AdminListGroupsForUserOutput, error)
	AdminGetUser(ctx context.Context, in *cognitoidentityprovider.AdminGetUserInput, opts ...func(*cognitoidentityprovider.Options)) (*cognitoidentityprovider.AdminGetUserOutput, error)
	ListUsersInGroup(ctx context.Context, in *cognitoidentityprovider.ListUsersInGroupInput, opts ...func(*cognitoidentityprovider.Options)) (*cognitoidentityprovider.ListUsersInGroupOutput, error)
}

// Cognito is the Source that queries a Cognito user pool, or a server with the
// same protocol.
type Cognito struct {
	api      PoolAPI
	pool     string
	userInfo string // the hosted UI's userInfo address, "" when there is none
	web      *http.Client
	limit    time.Duration
}

// NewCognito returns a Source that queries pool through api. hostedUI is the
// pool's domain (https://…), needed for tokens with the openid scope alone. It
// may be empty.
func NewCognito(api PoolAPI, pool, hostedUI string, web *http.Client) (*Cognito, error) {
	if api == nil || pool == "" || web == nil {
		return nil, fmt.Errorf("cognito: api, pool and web client are needed")
	}
	c := &Cognito{api: api, pool: pool, web: web, limit: 3 * time.Second}
	if hostedUI != "" {
		c.userInfo = strings.TrimSuffix(hostedUI, "/") + "/oauth2/userInfo"
	}
	return c, nil
}

// Alive chooses the call by the token's verified scope: GetUser for
// aws.cognito.signin.user.admin, userInfo for openid.
func (c *Cognito) Alive(ctx context.Context, claims Claims) (Profile, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	if claims.scopes[scopeSelf] {
		return c.getUser(ctx, claims)
	}
	if c.userInfo == "" {
		return Profile{}, fmt.Errorf("no userInfo address is configured: %w", ErrToken)
	}
	return c.getUserInfo(ctx, claims)
}

func (c *Cognito) getUser(ctx context.Context, claims Claims) (Profile, error) {
	out, err := c.api.GetUser(ctx, &cognitoidentityprovider.GetUserInput{AccessToken: aws.String(claims.token.reveal())})
	if err != nil {
		return Profile{}, classify(checkingSession, err)
	}
	var p Profile
	email, verified := "", false
	for _, a := range out.UserAttributes {
		switch aws.ToString(a.Name) {
		case "sub":
			p.Sub = aws.ToString(a.Value)
		case "email":
			email = aws.ToString(a.Value)
		case "email_verified":
			verified = aws.ToString(a.Value) == "true"
		}
	}
	if verified {
		p.Email = email
	}
	return p, nil
}

func (c *Cognito) getUserInfo(ctx context.Context, claims Claims) (Profile, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.userInfo, nil)
	if err != nil {
		return Profile{}, fmt.Errorf("calling userInfo: %w", ErrUnavailable)
	}
	req.Header.Set("Authorization", "Bearer "+claims.token.reveal())
	res, err := c.web.Do(req)
	if err != nil {
		return Profile{}, fmt.Errorf("calling userInfo: %w", ErrUnavailable)
	}
	defer func() { _ = res.Body.Close() }()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		// SPEC: Cognito, userInfo endpoint: 401 invalid_token when the token
		// "is expired, disabled, or deleted, or the user has globally signed out".
		return Profile{}, ErrRevoked
	default:
		return Profile{}, fmt.Errorf("userInfo: status %d: %w", res.StatusCode, ErrUnavailable)
	}
	var body struct {
		Sub           string `json:"sub"`
		Email         string `json:"email"`
		EmailVerified any    `json:"email_verified"` // Cognito sends the string "true"
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&body); err != nil {
		return Profile{}, fmt.Errorf("reading userInfo: %w", ErrUnavailable)
	}
	p := Profile{Sub: body.Sub}
	if fmt.Sprint(body.EmailVerified) == "true" {
		p.Email = body.Email
	}
	return p, nil
}

// Groups implements Source.
func (c *Cognito) Groups(ctx context.Context, claims Claims) ([]string, error) {
	return c.GroupsOf(ctx, claims.Username)
}

// GroupsOf reads all pages. A user can be in 100 groups, and a page holds 60.
func (c *Cognito) GroupsOf(ctx context.Context, username string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	var groups []string
	var next *string
	for range 10 {
		out, err := c.api.AdminListGroupsForUser(ctx, &cognitoidentityprovider.AdminListGroupsForUserInput{
			UserPoolId: aws.String(c.pool), Username: aws.String(username), Limit: aws.Int32(60), NextToken: next,
		})
		if err != nil {
			return nil, classify("listing groups", err)
		}
		for _, g := range out.Groups {
			groups = append(groups, aws.ToString(g.GroupName))
		}
		if next = out.NextToken; next == nil {
			return groups, nil
		}
	}
	return nil, fmt.Errorf("listing groups: too many pages: %w", ErrUnavailable)
}

// Attribute returns an attribute of an account, "" without one. A disabled
// account is ErrRevoked.
func (c *Cognito) Attribute(ctx context.Context, username, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	out, err := c.api.AdminGetUser(ctx, &cognitoidentityprovider.AdminGetUserInput{
		UserPoolId: aws.String(c.pool), Username: aws.String(username),
	})
	switch {
	case err != nil:
		return "", classify("reading an account", err)
	case !out.Enabled:
		return "", fmt.Errorf("reading an account: it is disabled: %w", ErrRevoked)
	}
	for _, a := range out.UserAttributes {
		if aws.ToString(a.Name) == name {
			return aws.ToString(a.Value), nil
		}
	}
	return "", nil
}

// Member is a user in a group.
type Member struct {
	Username string
	Enabled  bool
}

// Members reads all pages of a group's users. A group that is not in the pool
// has no members.
func (c *Cognito) Members(ctx context.Context, group string) ([]Member, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*c.limit)
	defer cancel()
	var members []Member
	var next *string
	for range maxMemberPages {
		out, err := c.api.ListUsersInGroup(ctx, &cognitoidentityprovider.ListUsersInGroupInput{
			UserPoolId: aws.String(c.pool), GroupName: aws.String(group), Limit: aws.Int32(60), NextToken: next,
		})
		var absent *types.ResourceNotFoundException
		if errors.As(err, &absent) {
			return nil, nil
		}
		if err != nil {
			return nil, classify("listing a group's members", err)
		}
		for _, u := range out.Users {
			members = append(members, Member{Username: aws.ToString(u.Username), Enabled: u.Enabled})
		}
		if next = out.NextToken; next == nil {
			return members, nil
		}
	}
	return nil, fmt.Errorf("listing a group's members: more than %d: %w", 60*maxMemberPages, ErrUnavailable)
}

// maxMemberPages bounds the number of calls by Members. The quota of
// ListUsersInGroup is 30 calls a second.
const maxMemberPages = 100

// checkingSession names GetUser in errors. Only from GetUser does a
// NotAuthorizedException mean an ended session.
const checkingSession = "checking the session"

// classify separates a refusal by the pool (ErrRevoked) from a failed call
// (ErrUnavailable).
func classify(doing string, err error) error {
	var (
		notAuthorized *types.NotAuthorizedException
		notFound      *types.UserNotFoundException
		unconfirmed   *types.UserNotConfirmedException
		reset         *types.PasswordResetRequiredException
	)
	switch {
	case errors.As(err, &notFound), errors.As(err, &unconfirmed), errors.As(err, &reset):
		return fmt.Errorf("%s: %w", doing, ErrRevoked)
	case errors.As(err, &notAuthorized) && doing == checkingSession:
		return fmt.Errorf("%s: %w", doing, ErrRevoked)
	default:
		// The cause is kept for the log. It contains no token, because SDK
		// errors never include inputs.
		return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
	}
}
