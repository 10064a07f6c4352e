package session

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"usher/backend/api"
)

// Options are the dependencies of this package. Now and Random are required.
type Options struct {
	Now    func() time.Time // time.Now
	Random io.Reader        // crypto/rand.Reader

	// Waiting is called before each call to the sign-in service, with its host,
	// and done after it. It may be nil.
	Waiting func(host string) (done func())
}

var errOptions = errors.New("session needs a clock and a source of randomness")

func (o Options) check() error {
	if o.Now == nil || o.Random == nil {
		return errOptions
	}
	return nil
}

// StepKind is the next step of a sign-in.
type StepKind int

const (
	Done            StepKind = iota + 1 // Step.Tokens is set: pass it to Session.Adopt
	NeedNewPassword                     // prompt for one, rules first (PasswordRules), then call NewPassword
	NeedCode                            // prompt for the six digits of the authenticator app, then call Code
	SetUpCode                           // show Step.URI as QR and Step.Secret as text, then call Code with the first code
	NeedNumber                          // another device: prompt for the six digits of the page, then call DeviceSignIn.Number
)

// Step is the state of a sign-in.
type Step struct {
	Kind   StepKind
	Secret Secret // SetUpCode: the secret to type into the app, base32
	URI    Secret // SetUpCode: the same as an otpauth address, at most 106 bytes for ASCII names (QR version 5)
	Tokens Tokens // Done
}

// SignIn performs Cognito's challenges for one person, one step a call. It
// shows and stores nothing. After ErrCode or ErrPasswordRules the same step can
// be called again. After ErrStartAgain, and after any failure of Password, the
// sign-in starts again with Password. Its methods may be called from any
// goroutine, one at a time.
type SignIn struct {
	pool         *pool
	poolID       string
	organisation string
	random       io.Reader

	mu        sync.Mutex
	challenge types.ChallengeNameType // the open challenge
	userID    string                  // Cognito's name for the person, from the first challenge on
	typed     string                  // the user name as typed, for the label in the app
	session   Secret                  // of the challenge
	verified  bool                    // SetUpCode: the code was accepted, only the last answer is missing
}

// NewSignIn prepares a sign-in to a profile's pool. It sends nothing.
func NewSignIn(p Profile, o Options) (*SignIn, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	pool, err := newPool(p, o)
	if err != nil {
		return nil, err
	}
	return &SignIn{pool: pool, poolID: p.Config.UserPoolID, organisation: p.Config.Organisation, random: o.Random}, nil
}

// Password starts a sign-in, or starts it again. SRP proves the password
// without sending it.
func (s *SignIn) Password(ctx context.Context, username, password string) (Step, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reset()
	username = strings.TrimSpace(username)
	if username == "" || password == "" {
		return Step{}, ErrNothingTyped
	}
	ctx, cancel := context.WithTimeout(ctx, 2*callLimit)
	defer cancel()
	srp, err := newSRP(s.random, s.poolID)
	if err != nil {
		return Step{}, err
	}
	started, err := s.pool.client.InitiateAuth(ctx, &cognito.InitiateAuthInput{
		ClientId:       aws.String(s.pool.clientID),
		AuthFlow:       types.AuthFlowTypeUserSrpAuth,
		AuthParameters: map[string]string{"USERNAME": username, "SRP_A": srp.publicA()},
	})
	if err != nil {
		return Step{}, s.pool.explain(ctx, err, ErrWrongPassword)
	}
	switch started.ChallengeName {
	case types.ChallengeNameTypePasswordVerifier:
	case "":
		return Step{}, ErrGarbled
	default:
		return Step{}, ErrUnknownStep
	}
	challenge, err := srp.readChallenge(started.ChallengeParameters)
	if err != nil {
		return Step{}, ErrGarbled
	}
	// The pool's clock: the proof must be valid although the local clock is wrong.
	proof, timestamp, err := srp.proof(challenge, password, s.pool.serverTime(started.ResultMetadata))
	if err != nil {
		return Step{}, ErrGarbled
	}
	s.userID, s.typed = challenge.userID, username
	step, err := s.respond(ctx, types.ChallengeNameTypePasswordVerifier, aws.ToString(started.Session), map[string]string{
		"PASSWORD_CLAIM_SECRET_BLOCK": started.ChallengeParameters["SECRET_BLOCK"],
		"PASSWORD_CLAIM_SIGNATURE":    proof,
		"TIMESTAMP":                   timestamp,
	}, ErrWrongPassword)
	if err != nil {
		s.reset()
	}
	return step, err
}

// NewPassword completes NeedNewPassword. Cognito needs the new password itself,
// so the new one is sent (over TLS); the old one is not.
func (s *SignIn) NewPassword(ctx context.Context, password string) (Step, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.challenge != types.ChallengeNameTypeNewPasswordRequired {
		return Step{}, ErrStartAgain
	}
	if password == "" {
		return Step{}, ErrPasswordRules
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	step, err := s.respond(ctx, s.challenge, s.session.Reveal(), map[string]string{"NEW_PASSWORD": password}, ErrStartAgain)
	if errors.Is(err, ErrMisconfigured) { // InvalidParameter: a password with characters that Cognito does not accept
		err = ErrPasswordRules
	}
	return step, err
}

// Code completes NeedCode, and SetUpCode with the app's first code. A code that
// is not six digits, spaces aside, is ErrCode without a call.
func (s *SignIn) Code(ctx context.Context, code string) (Step, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	code = strings.ReplaceAll(code, " ", "")
	ctx, cancel := context.WithTimeout(ctx, 2*callLimit)
	defer cancel()
	switch s.challenge {
	case types.ChallengeNameTypeSoftwareTokenMfa:
		if !sixDigits(code) {
			return Step{}, ErrCode
		}
		return s.respond(ctx, s.challenge, s.session.Reveal(), map[string]string{"SOFTWARE_TOKEN_MFA_CODE": code}, ErrStartAgain)
	case types.ChallengeNameTypeMfaSetup:
		if !s.verified {
			if !sixDigits(code) {
				return Step{}, ErrCode
			}
			if err := s.verify(ctx, code); err != nil {
				return Step{}, err
			}
		}
		return s.respond(ctx, s.challenge, s.session.Reveal(), nil, ErrStartAgain)
	}
	return Step{}, ErrStartAgain
}

func sixDigits(code string) bool {
	return len(code) == 6 && strings.Trim(code, "0123456789") == ""
}

// respond answers a challenge and returns the next step. Each answer carries
// the latest session, because Cognito issues a new one with every step.
func (s *SignIn) respond(ctx context.Context, name types.ChallengeNameType, session string, answers map[string]string, refused error) (Step, error) {
	responses := map[string]string{"USERNAME": s.userID}
	for k, v := range answers {
		responses[k] = v
	}
	in := &cognito.RespondToAuthChallengeInput{
		ClientId:           aws.String(s.pool.clientID),
		ChallengeName:      name,
		ChallengeResponses: responses,
	}
	if session != "" {
		in.Session = aws.String(session)
	}
	requestedAt := s.pool.now()
	out, err := s.pool.client.RespondToAuthChallenge(ctx, in)
	if err != nil {
		err = s.pool.explainProven(ctx, err, refused)
		if errors.Is(err, ErrStartAgain) {
			s.reset()
		}
		return Step{}, err
	}
	if r := out.AuthenticationResult; r != nil {
		tokens, err := newTokens(aws.ToString(r.AccessToken), aws.ToString(r.RefreshToken), aws.ToString(r.IdToken), s.pool.clientID, requestedAt)
		s.reset()
		if err != nil {
			return Step{}, err
		}
		tokens.Way, tokens.DeviceKey = api.WayPassword, deviceKey(r)
		return Step{Kind: Done, Tokens: tokens}, nil
	}
	s.challenge, s.session, s.verified = out.ChallengeName, NewSecret(aws.ToString(out.Session)), false
	return s.next(ctx, out.ChallengeParameters)
}

// deviceKey returns the key of the device that the pool registered with a
// sign-in; "" where the pool does not remember devices. Each renewal needs it.
// SPEC: Cognito developer guide, "Refresh tokens": "you must provide the device
// key".
func deviceKey(r *types.AuthenticationResultType) string {
	if r.NewDeviceMetadata == nil {
		return ""
	}
	return aws.ToString(r.NewDeviceMetadata.DeviceKey)
}

// next returns the step of the open challenge. Steps without input are done here.
func (s *SignIn) next(ctx context.Context, parameters map[string]string) (Step, error) {
	step, err := Step{}, error(nil)
	switch s.challenge {
	case types.ChallengeNameTypeNewPasswordRequired:
		step.Kind = NeedNewPassword
		var required []string
		// SPEC: RespondToAuthChallenge, NEW_PASSWORD_REQUIRED: the answer must
		// have these attributes; an administrator fills them in.
		if json.Unmarshal([]byte(parameters["requiredAttributes"]), &required) == nil && len(required) > 0 {
			err = ErrUnfinishedAccount
		}
	case types.ChallengeNameTypeSoftwareTokenMfa:
		step.Kind = NeedCode
	case types.ChallengeNameTypeSelectMfaType:
		if !listed(parameters["MFAS_CAN_CHOOSE"]) {
			err = ErrUnknownStep
			break
		}
		return s.respond(ctx, s.challenge, s.session.Reveal(), map[string]string{"ANSWER": softwareToken}, ErrStartAgain)
	case types.ChallengeNameTypeMfaSetup:
		if !listed(parameters["MFAS_CAN_SETUP"]) {
			err = ErrUnknownStep
			break
		}
		return s.setUp(ctx)
	case "":
		err = ErrGarbled
	default:
		err = ErrUnknownStep
	}
	if err != nil {
		s.reset()
		return Step{}, err
	}
	return step, nil
}

const softwareToken = "SOFTWARE_TOKEN_MFA"

// listed reports whether a challenge's list allows an authenticator app.
func listed(list string) bool {
	var kinds []string
	if list == "" || json.Unmarshal([]byte(list), &kinds) != nil {
		return true // no list, no restriction
	}
	for _, k := range kinds {
		if k == softwareToken {
			return true
		}
	}
	return false
}

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
	return Step{Kind: SetUpCode, Secret: NewSecret(secret), URI: NewSecret(otpauth(s.organisation, s.typed, secret))}, nil
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

// verify submits the first code of a new authenticator app.
func (s *SignIn) verify(ctx context.Context, code string) error {
	out, err := s.pool.client.VerifySoftwareToken(ctx, &cognito.VerifySoftwareTokenInput{
		Session:            aws.String(s.session.Reveal()),
		UserCode:           aws.String(code),
		FriendlyDeviceName: aws.String("usher"),
	})
	if err != nil {
		err = s.pool.explain(ctx, err, ErrStartAgain)
		if errors.Is(err, ErrStartAgain) {
			s.reset()
		}
		return err
	}
	if out.Status != types.VerifySoftwareTokenResponseTypeSuccess {
		return ErrCode
	}
	s.session, s.verified = NewSecret(aws.ToString(out.Session)), true
	return nil
}

// reset discards the attempt.
func (s *SignIn) reset() {
	s.challenge, s.userID, s.typed, s.session, s.verified = "", "", "", Secret{}, false
}
