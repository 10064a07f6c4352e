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
)

// Options are what this package takes from outside. Both are required.
type Options struct {
	Now    func() time.Time // time.Now
	Random io.Reader        // crypto/rand.Reader
}

var errOptions = errors.New("session needs a clock and a source of randomness")

func (o Options) check() error {
	if o.Now == nil || o.Random == nil {
		return errOptions
	}
	return nil
}

// StepKind says what a sign-in needs next.
type StepKind int

const (
	Done            StepKind = iota + 1 // Step.Tokens are there; hand them to Session.Adopt
	NeedNewPassword                     // ask for one, rules first (PasswordRules), then call NewPassword
	NeedCode                            // ask for the six digits of the authenticator app, then call Code
	SetUpCode                           // show Step.URI as QR and Step.Secret as text, then call Code with the first code
)

// Step is how far a sign-in has come.
type Step struct {
	Kind   StepKind
	Secret Secret // SetUpCode: what to type into the app, base32
	URI    Secret // SetUpCode: the same as otpauth address, at most 106 bytes for ASCII names (QR version 5)
	Tokens Tokens // Done
}

// SignIn takes one person through Cognito's challenges, one step a call, and
// shows and stores nothing. After an error that names what was typed
// (ErrCode, ErrPasswordRules) the same step can be called again; after
// ErrStartAgain, and after any failure of Password, it begins with Password.
// Methods may be called from any goroutine, one at a time.
type SignIn struct {
	pool         *pool
	poolID       string
	organisation string
	random       io.Reader

	mu        sync.Mutex
	challenge types.ChallengeNameType // the one that waits for an answer
	userID    string                  // as Cognito names the person from the first challenge on
	typed     string                  // as the person typed it, for the label of the app
	session   Secret                  // of the challenge
	verified  bool                    // SetUpCode: the code was right, only the last answer is due
}

// NewSignIn prepares a sign-in to a profile's pool. Nothing is sent yet.
func NewSignIn(p Profile, o Options) (*SignIn, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	pool, err := newPool(p, o.Now)
	if err != nil {
		return nil, err
	}
	return &SignIn{pool: pool, poolID: p.Config.UserPoolID, organisation: p.Config.Organisation, random: o.Random}, nil
}

// Password begins a sign-in, or begins it again. The password proves itself
// by SRP and is not sent.
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
	begun, err := s.pool.client.InitiateAuth(ctx, &cognito.InitiateAuthInput{
		ClientId:       aws.String(s.pool.clientID),
		AuthFlow:       types.AuthFlowTypeUserSrpAuth,
		AuthParameters: map[string]string{"USERNAME": username, "SRP_A": srp.publicA()},
	})
	if err != nil {
		return Step{}, s.pool.explain(ctx, err, ErrWrongPassword)
	}
	switch begun.ChallengeName {
	case types.ChallengeNameTypePasswordVerifier:
	case "":
		return Step{}, ErrGarbled
	default:
		return Step{}, ErrUnknownStep
	}
	challenge, err := srp.readChallenge(begun.ChallengeParameters)
	if err != nil {
		return Step{}, ErrGarbled
	}
	// The pool's clock, not ours: the proof has to hold where ours is wrong.
	proof, timestamp, err := srp.proof(challenge, password, s.pool.serverTime(begun.ResultMetadata))
	if err != nil {
		return Step{}, ErrGarbled
	}
	s.userID, s.typed = challenge.userID, username
	step, err := s.respond(ctx, types.ChallengeNameTypePasswordVerifier, aws.ToString(begun.Session), map[string]string{
		"PASSWORD_CLAIM_SECRET_BLOCK": begun.ChallengeParameters["SECRET_BLOCK"],
		"PASSWORD_CLAIM_SIGNATURE":    proof,
		"TIMESTAMP":                   timestamp,
	}, ErrWrongPassword)
	if err != nil {
		s.reset()
	}
	return step, err
}

// NewPassword answers NeedNewPassword. Cognito asks for the new password
// itself, so this one is sent (over TLS); the old one still is not.
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
	if errors.Is(err, ErrMisconfigured) { // InvalidParameter: a password of characters that Cognito does not take
		err = ErrPasswordRules
	}
	return step, err
}

// Code answers NeedCode, and SetUpCode with the app's first code. Anything but
// six digits, spaces aside, is ErrCode without asking.
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

// respond answers a challenge and reads what comes next. Each answer carries
// the latest session: Cognito gives a new one with every step.
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
	asked := s.pool.now()
	out, err := s.pool.client.RespondToAuthChallenge(ctx, in)
	if err != nil {
		err = s.pool.explain(ctx, err, refused)
		if errors.Is(err, ErrStartAgain) {
			s.reset()
		}
		return Step{}, err
	}
	if r := out.AuthenticationResult; r != nil {
		tokens, err := newTokens(aws.ToString(r.AccessToken), aws.ToString(r.RefreshToken), aws.ToString(r.IdToken), s.pool.clientID, asked)
		s.reset()
		if err != nil {
			return Step{}, err
		}
		return Step{Kind: Done, Tokens: tokens}, nil
	}
	s.challenge, s.session, s.verified = out.ChallengeName, NewSecret(aws.ToString(out.Session)), false
	return s.next(ctx, out.ChallengeParameters)
}

// next says what the challenge at hand needs, and does what needs nobody.
func (s *SignIn) next(ctx context.Context, parameters map[string]string) (Step, error) {
	step, err := Step{}, error(nil)
	switch s.challenge {
	case types.ChallengeNameTypeNewPasswordRequired:
		step.Kind = NeedNewPassword
		var required []string
		// SPEC: RespondToAuthChallenge, NEW_PASSWORD_REQUIRED: the answer has
		// to bring these attributes; an administrator fills them in.
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

// listed says whether a challenge's list allows an authenticator app.
func listed(list string) bool {
	var kinds []string
	if list == "" || json.Unmarshal([]byte(list), &kinds) != nil {
		return true // no list: nothing speaks against it
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

// otpauth is the address that authenticator apps read: SHA-1, 6 digits and
// 30 s are their defaults and Cognito's. It is kept within 106 bytes, which a
// QR code of version 5 holds (41 columns with a narrow margin), by the
// shortest label that still tells accounts apart.
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

// verify hands in the first code of a new authenticator app.
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

// reset forgets the attempt.
func (s *SignIn) reset() {
	s.challenge, s.userID, s.typed, s.session, s.verified = "", "", "", Secret{}, false
}
