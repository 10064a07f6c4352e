package session

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend/api"
)

// ResetSent is the sentence after Forgot. It is the same whether or not the
// account exists, and whether or not it has an address for the code.
const ResetSent = "If this account exists and can reset its password, a code is on its way to it. The code is valid for an hour."

// Forgot requests a code for a new password, and returns NeedReset. The result
// does not depend on the account.
func (s *SignIn) Forgot(ctx context.Context, username string) (Step, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reset()
	if username = strings.TrimSpace(username); username == "" {
		return Step{}, ErrNoUser
	}
	return s.forgot(ctx, username)
}

func (s *SignIn) forgot(ctx context.Context, username string) (Step, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	_, err := s.pool.client.ForgotPassword(ctx, &cognito.ForgotPasswordInput{
		ClientId: aws.String(s.pool.clientID), Username: aws.String(username),
	})
	if err != nil {
		err = s.pool.explain(ctx, err, errHidden)
	}
	// SPEC: ForgotPassword: InvalidParameter without a verified address, and
	// UserNotFound from clients with legacy errors, would tell accounts apart.
	if err != nil && !errors.Is(err, errHidden) && !errors.Is(err, ErrMisconfigured) {
		return Step{}, err
	}
	s.typed, s.resetting, s.way = username, true, api.WayPassword
	return Step{Kind: NeedReset, Code: Source{Medium: Mail, Least: 6, Most: 8}, Rules: s.offer.Password.String()}, nil
}

// Reset completes NeedReset: it sets a new password, and signs in with it.
func (s *SignIn) Reset(ctx context.Context, code string, password []byte) (Step, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	source := Source{Medium: Mail, Least: 6, Most: 8}
	code = strings.ReplaceAll(code, " ", "")
	switch {
	case !s.resetting:
		return Step{}, ErrStartAgain
	case !source.fits(code):
		return Step{}, errSentCode
	case len(password) == 0:
		return Step{}, s.rulesError(password)
	}
	limited, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	_, err := s.pool.client.ConfirmForgotPassword(limited, &cognito.ConfirmForgotPasswordInput{
		ClientId: aws.String(s.pool.clientID), Username: aws.String(s.typed),
		ConfirmationCode: aws.String(code), Password: aws.String(string(password)),
	})
	if err != nil {
		err = source.wrong(s.pool.explain(limited, err, errSentCode))
		if errors.Is(err, ErrMisconfigured) || errors.Is(err, ErrPasswordRules) && !errors.Is(err, ErrPasswordUsed) {
			err = s.rulesError(password) // Cognito refuses some characters with InvalidParameter
		}
		return Step{}, err
	}
	typed := s.typed
	s.reset()
	s.held.keep(password)
	return s.ended(s.startPassword(ctx, typed))
}
