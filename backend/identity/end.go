package identity

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
)

// EndAPI is the part of the Cognito API that ends sessions.
type EndAPI interface {
	AdminUserGlobalSignOut(ctx context.Context, in *cognitoidentityprovider.AdminUserGlobalSignOutInput, opts ...func(*cognitoidentityprovider.Options)) (*cognitoidentityprovider.AdminUserGlobalSignOutOutput, error)
}

// Ender ends all sessions of a person at the pool.
type Ender struct {
	api  EndAPI
	pool string
}

// NewEnder returns an Ender for a pool.
func NewEnder(api EndAPI, pool string) (*Ender, error) {
	if api == nil || pool == "" {
		return nil, errors.New("ending sessions: api and pool are needed")
	}
	return &Ender{api, pool}, nil
}

// endLimit bounds the call.
const endLimit = 3 * time.Second

// EndAll ends all sessions of the person of verified claims. The failures are
// ErrRevoked and ErrUnavailable.
//
// The call is AdminUserGlobalSignOut, because GlobalSignOut refuses the tokens of
// a sign-in in a browser: they lack the scope aws.cognito.signin.user.admin.
func (e *Ender) EndAll(ctx context.Context, c Claims) error {
	ctx, cancel := context.WithTimeout(ctx, endLimit)
	defer cancel()
	_, err := e.api.AdminUserGlobalSignOut(ctx, &cognitoidentityprovider.AdminUserGlobalSignOutInput{
		UserPoolId: aws.String(e.pool), Username: aws.String(c.Username),
	})
	if err != nil {
		return classify("ending the sessions", err)
	}
	return nil
}
