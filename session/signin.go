package session

import (
	"context"
	"errors"
	"io"
	"net/http"
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

	// Wrap, if set, surrounds the transport of calls to the user pool, to log them.
	Wrap func(http.RoundTripper) http.RoundTripper

	// Keyring seals the stored tokens. nil: they are plain, 0600.
	Keyring Keyring
}

var errOptions = errors.New("session needs a clock and a source of randomness")

func (o Options) check() error {
	if o.Now == nil || o.Random == nil {
		return errOptions
	}
	return nil
}

// SignIn performs Cognito's challenges for one person, one step a call. It
// shows and stores nothing, except for a remembered machine. After ErrCode or
// ErrPasswordRules the same step can be called again. After ErrStartAgain, and
// after any failure of Password, the sign-in starts again. Its methods may be
// called from any goroutine, one at a time.
//
// The password is kept for NewCode, in bytes that are zeroed at the end of the
// sign-in, after three minutes at the latest.
type SignIn struct {
	pool         *pool
	poolID       string
	organisation string
	offer        api.SignIn
	random       io.Reader
	devices      *machines
	held         held

	mu        sync.Mutex
	way       api.Way
	challenge types.ChallengeNameType // the open challenge
	userID    string                  // Cognito's name for the person, from the first challenge on
	typed     string                  // the user name as typed
	session   Secret                  // of the challenge
	parameter map[string]string       // of the challenge
	choices   []string                // SELECT_CHALLENGE
	chosen    string                  // the person's last choice, for NewCode
	srp       *srpClient              // of the password, until its proof
	startedAt time.Time               // by the pool's clock
	device    *machine                // of this machine and the typed user; nil: not remembered
	group     string                  // of the device that the pool registered with this sign-in
	verified  bool                    // SetUpCode: the code was accepted, only the last answer is missing
	resetting bool                    // NeedReset
	steps     int                     // in this sign-in
}

// maxSteps bounds a sign-in. A pool that sends challenges without end is not
// Cognito.
const maxSteps = 40

// NewSignIn prepares a sign-in to a profile's pool. It sends nothing.
func NewSignIn(f Folders, p Profile, o Options) (*SignIn, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if f.State == "" {
		return nil, errors.New("session needs its folders")
	}
	pool, err := newPool(p, o)
	if err != nil {
		return nil, err
	}
	return &SignIn{
		pool: pool, poolID: p.Config.UserPoolID, organisation: p.Config.Organisation, offer: p.Config.Offer(),
		random: o.Random, devices: newMachines(f, p, o),
	}, nil
}

// Close zeroes the password. A closed sign-in can start again.
func (s *SignIn) Close() { s.held.zero() }

// Password starts a sign-in, or starts it again. SRP proves the password
// without sending it. Password keeps a copy of password; the caller zeroes its
// own.
func (s *SignIn) Password(ctx context.Context, username string, password []byte) (Step, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reset()
	if username = strings.TrimSpace(username); username == "" || len(password) == 0 {
		return Step{}, ErrNothingTyped
	}
	s.held.keep(password)
	return s.ended(s.startPassword(ctx, username))
}

// startPassword begins a sign-in with the held password.
func (s *SignIn) startPassword(ctx context.Context, username string) (Step, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*callLimit)
	defer cancel()
	var err error
	if s.srp, err = newSRP(s.random, s.poolID); err != nil {
		return Step{}, err
	}
	s.way, s.typed, s.device = api.WayPassword, username, s.devices.find(username)
	parameters := map[string]string{"USERNAME": username, "SRP_A": s.srp.publicA()}
	if s.device != nil {
		parameters["DEVICE_KEY"] = s.device.Key
	}
	out, err := s.pool.client.InitiateAuth(ctx, &cognito.InitiateAuthInput{
		ClientId: aws.String(s.pool.clientID), AuthFlow: types.AuthFlowTypeUserSrpAuth, AuthParameters: parameters,
	})
	if err != nil {
		return Step{}, s.pool.explain(ctx, err, ErrWrongPassword)
	}
	return s.advance(ctx, response{out.ChallengeName, out.ChallengeParameters, out.AvailableChallenges, aws.ToString(out.Session),
		out.AuthenticationResult, s.pool.serverTime(out.ResultMetadata), s.pool.now()})
}

// WithoutPassword starts a sign-in by a code (USER_AUTH).
func (s *SignIn) WithoutPassword(ctx context.Context, username string) (Step, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reset()
	if username = strings.TrimSpace(username); username == "" {
		return Step{}, ErrNoUser
	}
	return s.ended(s.startChoice(ctx, username, ""))
}

// startChoice begins a sign-in with a choice of first factors. preferred is "" or
// a former choice.
func (s *SignIn) startChoice(ctx context.Context, username, preferred string) (Step, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*callLimit)
	defer cancel()
	s.way, s.typed, s.userID, s.device = api.WayCode, username, username, s.devices.find(username)
	parameters := map[string]string{"USERNAME": username}
	if preferred != "" {
		parameters["PREFERRED_CHALLENGE"] = preferred
	}
	if s.device != nil {
		parameters["DEVICE_KEY"] = s.device.Key
	}
	out, err := s.pool.client.InitiateAuth(ctx, &cognito.InitiateAuthInput{
		ClientId: aws.String(s.pool.clientID), AuthFlow: types.AuthFlowTypeUserAuth, AuthParameters: parameters,
	})
	if err != nil {
		return Step{}, s.pool.explain(ctx, err, errNoCodeWay)
	}
	return s.advance(ctx, response{out.ChallengeName, out.ChallengeParameters, out.AvailableChallenges, aws.ToString(out.Session),
		out.AuthenticationResult, s.pool.serverTime(out.ResultMetadata), s.pool.now()})
}

// PasswordChosen completes NeedPassword. The answer is a proof by SRP, never the
// password.
func (s *SignIn) PasswordChosen(ctx context.Context, password []byte) (Step, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.challenge != types.ChallengeNameTypeSelectChallenge || s.chosen != choiceSRP {
		return Step{}, ErrStartAgain
	}
	if len(password) == 0 {
		return Step{}, ErrNothingTyped
	}
	ctx, cancel := context.WithTimeout(ctx, 2*callLimit)
	defer cancel()
	s.held.keep(password)
	var err error
	if s.srp, err = newSRP(s.random, s.poolID); err != nil {
		return Step{}, err
	}
	return s.ended(s.respond(ctx, s.challenge, s.session.Reveal(),
		map[string]string{"ANSWER": choiceSRP, "SRP_A": s.srp.publicA()}, ErrWrongPassword))
}

// ended resets a sign-in whose first part failed.
func (s *SignIn) ended(step Step, err error) (Step, error) {
	if err != nil {
		s.reset()
	}
	return step, err
}

// NewPassword completes NeedNewPassword. Cognito needs the new password itself,
// so the new one is sent (over TLS); the old one is not. attributes has a value
// for each of Step.Attributes.
func (s *SignIn) NewPassword(ctx context.Context, password []byte, attributes map[string]string) (Step, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.challenge != types.ChallengeNameTypeNewPasswordRequired {
		return Step{}, ErrStartAgain
	}
	if len(password) == 0 {
		return Step{}, s.rulesError(password)
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	answers := map[string]string{"NEW_PASSWORD": string(password)}
	for _, name := range requiredAttributes(s.parameter) {
		if answers["userAttributes."+name] = strings.TrimSpace(attributes[name]); answers["userAttributes."+name] == "" {
			return Step{}, ErrAttributes
		}
	}
	former := s.held.take()
	defer clear(former)
	s.held.keep(password) // the proof of a later NewCode
	step, err := s.respond(ctx, s.challenge, s.session.Reveal(), answers, ErrStartAgain)
	if err != nil && s.challenge == types.ChallengeNameTypeNewPasswordRequired {
		s.held.keep(former)
	}
	switch {
	case errors.Is(err, ErrMisconfigured) && len(answers) > 1: // InvalidParameter
		return step, ErrAttributes
	case errors.Is(err, ErrMisconfigured), errors.Is(err, ErrPasswordRules) && !errors.Is(err, ErrPasswordUsed):
		return step, s.rulesError(password) // Cognito refuses some characters with InvalidParameter
	}
	return step, err
}

func (s *SignIn) rulesError(password []byte) error { return rulesError(s.offer.Password, password) }

// Code completes NeedCode, and SetUpCode with the app's first code. A code with
// another number of digits, spaces aside, is ErrCode without a call.
func (s *SignIn) Code(ctx context.Context, code string) (Step, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, known := handlers()[s.challenge]
	if !known || h.source == nil {
		return Step{}, ErrStartAgain
	}
	source := h.source(s)
	code = strings.ReplaceAll(code, " ", "")
	ctx, cancel := context.WithTimeout(ctx, 2*callLimit)
	defer cancel()
	if s.challenge == types.ChallengeNameTypeMfaSetup {
		return s.finishSetUp(ctx, code, source)
	}
	if !source.fits(code) {
		return Step{}, source.wrong(ErrCode)
	}
	step, err := s.respond(ctx, s.challenge, s.session.Reveal(), map[string]string{h.key: code}, ErrStartAgain)
	return step, source.wrong(err)
}

// Choose completes Choose.
func (s *SignIn) Choose(ctx context.Context, id string) (Step, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, known := handlers()[s.challenge]
	if !known || h.choose == nil {
		return Step{}, ErrStartAgain
	}
	ctx, cancel := context.WithTimeout(ctx, 2*callLimit)
	defer cancel()
	s.chosen = id
	return h.choose(s, ctx, id)
}

// Email completes NeedEmail. The pool sends a code to the address.
func (s *SignIn) Email(ctx context.Context, address string) (Step, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.challenge != types.ChallengeNameTypeMfaSetup {
		return Step{}, ErrStartAgain
	}
	address = strings.TrimSpace(address)
	if at := strings.Index(address, "@"); at < 1 || at == len(address)-1 || len(address) > 320 {
		return Step{}, ErrEmail
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	step, err := s.respond(ctx, s.challenge, s.session.Reveal(), map[string]string{"email": address}, ErrStartAgain)
	if errors.Is(err, ErrMisconfigured) { // InvalidParameter
		err = ErrEmail
	}
	return step, err
}

// NewCode makes the pool send another code for NeedCode or NeedReset. It repeats
// the sign-in up to this step with the held password. After three minutes the
// password is gone, and NewCode returns ErrStartAgain.
func (s *SignIn) NewCode(ctx context.Context) (Step, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	way, typed, chosen, want := s.way, s.typed, s.chosen, s.challenge
	if s.resetting {
		return s.forgot(ctx, typed)
	}
	if want == "" {
		return Step{}, ErrStartAgain
	}
	var step Step
	var err error
	switch {
	case way == api.WayCode && want != types.ChallengeNameTypeSelectChallenge && s.held.empty():
		s.forget()
		step, err = s.startChoice(ctx, typed, chosen)
	case s.held.empty():
		err = ErrStartAgain
	default:
		s.forget()
		step, err = s.startPassword(ctx, typed)
		if err == nil && step.Kind == Choose && want != s.challenge {
			s.chosen = chosen
			step, err = handlers()[s.challenge].choose(s, ctx, chosen)
		}
	}
	return s.ended(step, err)
}

// reset discards the attempt and the password.
func (s *SignIn) reset() {
	s.held.zero()
	s.forget()
}

// forget discards the attempt.
func (s *SignIn) forget() {
	s.challenge, s.userID, s.typed, s.session, s.verified = "", "", "", Secret{}, false
	s.parameter, s.choices, s.chosen, s.srp, s.device, s.group, s.resetting, s.steps = nil, nil, "", nil, nil, "", false, 0
}
