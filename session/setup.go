package session

import (
	"context"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
)

// setUp fetches the secret for an authenticator app.
// SPEC: Cognito developer guide, "TOTP software token MFA": Associate, Verify,
// then answer MFA_SETUP, each with the session of the one before.
func (s *SignIn) setUp(ctx context.Context) (Step, error) {
	out, err := s.pool.client.AssociateSoftwareToken(ctx, &cognito.AssociateSoftwareTokenInput{Session: aws.String(s.session.Reveal())})
	if err != nil {
		s.reset()
		return Step{}, s.pool.explain(ctx, err, ErrStartAgain)
	}
	secret := aws.ToString(out.SecretCode)
	if secret == "" || len(secret) > 128 || strings.Trim(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567=") != "" {
		s.reset()
		return Step{}, ErrGarbled
	}
	s.session = NewSecret(aws.ToString(out.Session))
	return Step{Kind: SetUpCode, Code: fromApp(s), Secret: NewSecret(secret), URI: NewSecret(otpauth(s.organisation, s.typed, secret))}, nil
}

// finishSetUp verifies the first code of a new authenticator app, and answers
// MFA_SETUP. The pool may request a code again.
func (s *SignIn) finishSetUp(ctx context.Context, code string, source Source) (Step, error) {
	if !s.verified {
		if !source.fits(code) {
			return Step{}, ErrCode
		}
		if err := s.verify(ctx, code); err != nil {
			return Step{}, err
		}
	}
	return s.respond(ctx, s.challenge, s.session.Reveal(), nil, ErrStartAgain)
}

// otpauth returns the address for authenticator apps. SHA-1, 6 digits and 30 s
// are their defaults and Cognito's. otpauth takes the longest label that keeps
// the address within 106 bytes, the capacity of a QR code of version 5 (41
// columns with a narrow margin).
// SPEC: Key Uri Format (google-authenticator wiki); TOTP is RFC 6238.
func otpauth(organisation, username, secret string) string {
	const limit = 106
	address := ""
	for _, label := range []string{organisation + ":" + username, "usher:" + username, username} {
		address = "otpauth://totp/" + strings.ReplaceAll(url.PathEscape(label), "%3A", ":") + "?secret=" + secret
		if len(address) <= limit {
			break
		}
	}
	return address
}
