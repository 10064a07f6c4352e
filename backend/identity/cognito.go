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

// PoolAPI is the part of the Cognito API that liveness needs.
type PoolAPI interface {
	GetUser(ctx context.Context, in *cognitoidentityprovider.GetUserInput, opts ...func(*cognitoidentityprovider.Options)) (*cognitoidentityprovider.GetUserOutput, error)
	AdminListGroupsForUser(ctx context.Context, in *cognitoidentityprovider.AdminListGroupsForUserInput, opts ...func(*cognitoidentityprovider.Options)) (*cognitoidentityprovider.AdminListGroupsForUserOutput, error)
	ListUsersInGroup(ctx context.Context, in *cognitoidentityprovider.ListUsersInGroupInput, opts ...func(*cognitoidentityprovider.Options)) (*cognitoidentityprovider.ListUsersInGroupOutput, error)
}

// Cognito is the Source that asks a real user pool (or one that speaks its
// protocol).
type Cognito struct {
	api      PoolAPI
	pool     string
	userInfo string // the hosted UI's userInfo address, "" when there is none
	web      *http.Client
	limit    time.Duration
}

// NewCognito asks pool through api. hostedUI is the pool's domain
// (https://…), for tokens that carry only the openid scope; it may be empty.
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

// Alive follows the token's verified scope: GetUser for
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
		return Profile{}, classify("asking for the session", err)
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
		return Profile{}, fmt.Errorf("asking userInfo: %w", ErrUnavailable)
	}
	req.Header.Set("Authorization", "Bearer "+claims.token.reveal())
	res, err := c.web.Do(req)
	if err != nil {
		return Profile{}, fmt.Errorf("asking userInfo: %w", ErrUnavailable)
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

// Groups reads all pages: a user can be in 100 groups, a page holds 60.
func (c *Cognito) Groups(ctx context.Context, username string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	var groups []string
	var next *string
	for range 10 {
		out, err := c.api.AdminListGroupsForUser(ctx, &cognitoidentityprovider.AdminListGroupsForUserInput{
			UserPoolId: aws.String(c.pool), Username: aws.String(username), Limit: aws.Int32(60), NextToken: next,
		})
		if err != nil {
			return nil, classify("asking for groups", err)
		}
		for _, g := range out.Groups {
			groups = append(groups, aws.ToString(g.GroupName))
		}
		if next = out.NextToken; next == nil {
			return groups, nil
		}
	}
	return nil, fmt.Errorf("asking for groups: pages without end: %w", ErrUnavailable)
}

// Member is somebody in a group.
type Member struct {
	Username string
	Enabled  bool
}

// Members reads all pages of a group's people. A group that the pool does not
// have has none.
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
			return nil, classify("asking for a group's people", err)
		}
		for _, u := range out.Users {
			members = append(members, Member{Username: aws.ToString(u.Username), Enabled: u.Enabled})
		}
		if next = out.NextToken; next == nil {
			return members, nil
		}
	}
	return nil, fmt.Errorf("asking for a group's people: more than %d: %w", 60*maxMemberPages, ErrUnavailable)
}

// maxMemberPages bounds what one question may cost of ListUsersInGroup's 30
// calls a second.
const maxMemberPages = 100

// classify tells "the pool says no" from "the pool could not be asked".
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
	case errors.As(err, &notAuthorized) && doing == "asking for the session":
		return fmt.Errorf("%s: %w", doing, ErrRevoked)
	default:
		// The cause is kept for the log; it holds no token, because the SDK
		// never puts inputs into its errors.
		return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
	}
}
