package session

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"usher/backend/api"
	"usher/backend/safetext"
)

const (
	softwareToken = "SOFTWARE_TOKEN_MFA"
	emailMFA      = types.ChallengeNameType("EMAIL_MFA") // EMAIL_OTP in some texts of the API reference
	choiceSRP     = "PASSWORD_SRP"
)

// handler is the treatment of one challenge. open returns the person's step, or
// answers the challenge itself. key is the response's name for a code, source
// describes the code, and choose answers a Choose.
type handler struct {
	open   func(*SignIn, context.Context) (Step, error)
	key    string
	source func(*SignIn) Source
	choose func(*SignIn, context.Context, string) (Step, error)
}

// handlers is the table of all challenges. A challenge may follow any other.
// SPEC: RespondToAuthChallenge, ChallengeName and ChallengeResponses.
func handlers() map[types.ChallengeNameType]handler {
	code := func(key string, source func(*SignIn) Source) handler {
		return handler{open: (*SignIn).openCode, key: key, source: source}
	}
	refuse := func(err error) handler {
		return handler{open: func(*SignIn, context.Context) (Step, error) { return Step{}, err }}
	}
	return map[types.ChallengeNameType]handler{
		types.ChallengeNameTypePasswordVerifier:       {open: (*SignIn).provePassword},
		types.ChallengeNameTypeNewPasswordRequired:    {open: (*SignIn).openNewPassword},
		types.ChallengeNameTypeSoftwareTokenMfa:       code("SOFTWARE_TOKEN_MFA_CODE", fromApp),
		types.ChallengeNameTypeSmsMfa:                 code("SMS_MFA_CODE", sentBy(SMS)),
		types.ChallengeNameTypeSmsOtp:                 code("SMS_OTP_CODE", sentBy(SMS)),
		types.ChallengeNameTypeEmailOtp:               code("EMAIL_OTP_CODE", sentBy(Mail)),
		emailMFA:                                      code("EMAIL_MFA_CODE", sentBy(Mail)),
		types.ChallengeNameTypeSelectMfaType:          {open: (*SignIn).openMFAType, choose: (*SignIn).chooseMFAType},
		types.ChallengeNameTypeMfaSetup:               {open: (*SignIn).openSetUp, source: fromApp, choose: (*SignIn).chooseSetUp},
		types.ChallengeNameTypeDeviceSrpAuth:          {open: (*SignIn).startDevice},
		types.ChallengeNameTypeDevicePasswordVerifier: {open: (*SignIn).proveDevice},
		types.ChallengeNameTypeSelectChallenge:        {open: (*SignIn).openChoice, choose: (*SignIn).chooseFirst},
		types.ChallengeNameTypeWebAuthn:               refuse(ErrPasskey),
		types.ChallengeNameTypeCustomChallenge:        refuse(ErrCustomChallenge),
		"":                                            refuse(ErrGarbled),
	}
}

// response is the pool's answer to a step.
type response struct {
	name       types.ChallengeNameType
	parameters map[string]string
	choices    []types.ChallengeNameType
	session    string
	result     *types.AuthenticationResultType
	poolTime   time.Time
	sentAt     time.Time // of the request, by the local clock
}

// respond answers a challenge and returns the next step. Each answer carries
// the latest session, because Cognito issues a new one with every step.
func (s *SignIn) respond(ctx context.Context, name types.ChallengeNameType, session string, answers map[string]string, refused error) (Step, error) {
	responses := map[string]string{"USERNAME": s.userID}
	maps.Copy(responses, answers)
	in := &cognito.RespondToAuthChallengeInput{
		ClientId: aws.String(s.pool.clientID), ChallengeName: name, ChallengeResponses: responses, Session: optional(session),
	}
	sentAt := s.pool.now()
	out, err := s.pool.client.RespondToAuthChallenge(ctx, in)
	if err != nil {
		err = s.pool.explainProven(ctx, err, refused)
		if s.device != nil && errors.Is(err, errNoResource) {
			s.devices.remove(s.device.Key)
			err = ErrDeviceForgotten
		}
		if errors.Is(err, ErrStartAgain) || errors.Is(err, ErrDeviceForgotten) {
			s.reset()
		}
		return Step{}, err
	}
	return s.advance(ctx, response{out.ChallengeName, out.ChallengeParameters, nil, aws.ToString(out.Session),
		out.AuthenticationResult, s.pool.serverTime(out.ResultMetadata), sentAt})
}

// advance records the open challenge and returns its step, or the tokens.
func (s *SignIn) advance(ctx context.Context, r response) (Step, error) {
	if r.result != nil {
		return s.finish(r)
	}
	s.challenge, s.session, s.parameter, s.verified = r.name, NewSecret(r.session), r.parameters, false
	s.startedAt, s.choices = r.poolTime, nil
	for _, c := range r.choices {
		s.choices = append(s.choices, string(c))
	}
	if s.steps++; s.steps > maxSteps {
		s.reset()
		return Step{}, ErrGarbled
	}
	h, known := handlers()[s.challenge]
	if !known {
		s.reset()
		return Step{}, ErrUnknownStep
	}
	return s.ended(h.open(s, ctx))
}

// finish returns the tokens of a complete sign-in, and zeroes the password.
func (s *SignIn) finish(r response) (Step, error) {
	tokens, err := newTokens(aws.ToString(r.result.AccessToken), aws.ToString(r.result.RefreshToken), aws.ToString(r.result.IdToken), s.pool.clientID, r.sentAt)
	way, used, typed := s.way, s.device, s.typed
	s.reset()
	if err != nil {
		return Step{}, err
	}
	tokens.Way = way
	if used != nil {
		tokens.DeviceKey = used.Key
	}
	step := Step{Kind: Done, Tokens: tokens}
	// SPEC: Cognito developer guide, "Refresh tokens": "you must provide the
	// device key", whether or not the device is remembered.
	if d := r.result.NewDeviceMetadata; d != nil && aws.ToString(d.DeviceKey) != "" {
		step.Tokens.DeviceKey, step.Remember = aws.ToString(d.DeviceKey), true
		s.group, s.typed = aws.ToString(d.DeviceGroupKey), typed
	}
	return step, nil
}

// provePassword answers PASSWORD_VERIFIER with a proof of the held password.
func (s *SignIn) provePassword(ctx context.Context) (Step, error) {
	srp := s.srp
	if srp == nil {
		return Step{}, ErrGarbled
	}
	s.srp = nil // an ephemeral secret serves one proof
	challenge, err := srp.readChallenge(s.parameter)
	if err != nil {
		return Step{}, ErrGarbled
	}
	password := s.held.take()
	defer clear(password)
	if len(password) == 0 {
		return Step{}, ErrStartAgain
	}
	// The pool's clock: the proof must be valid although the local clock is wrong.
	proof, timestamp, err := srp.proof(challenge, password, s.startedAt)
	if err != nil {
		return Step{}, ErrGarbled
	}
	s.userID = challenge.userID
	answers := map[string]string{
		"PASSWORD_CLAIM_SECRET_BLOCK": s.parameter["SECRET_BLOCK"], "PASSWORD_CLAIM_SIGNATURE": proof, "TIMESTAMP": timestamp,
	}
	if s.device != nil {
		answers["DEVICE_KEY"] = s.device.Key
	}
	return s.respond(ctx, s.challenge, s.session.Reveal(), answers, ErrWrongPassword)
}

func (s *SignIn) openNewPassword(context.Context) (Step, error) {
	return Step{Kind: NeedNewPassword, Rules: s.offer.Password.String(), Attributes: requiredAttributes(s.parameter)}, nil
}

// requiredAttributes returns the names of the attributes that a new password
// must come with.
// SPEC: RespondToAuthChallenge, NEW_PASSWORD_REQUIRED: requiredAttributes.
func requiredAttributes(parameters map[string]string) []string {
	var names []string
	for _, n := range listOf(parameters["requiredAttributes"]) {
		n = strings.TrimPrefix(n, "userAttributes.")
		if attributeName(n) {
			names = append(names, n)
		}
	}
	return names
}

// attributeName reports whether a name has the form of an attribute.
// SPEC: Cognito API reference, AttributeNameType, in ASCII.
func attributeName(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:-") == ""
}

// AttributeText returns the label of a required attribute.
// SPEC: OpenID Connect Core 1.0 §5.1, standard claims.
func AttributeText(name string) string {
	labels := map[string]string{
		"given_name": "First name", "family_name": "Last name", "middle_name": "Middle name", "name": "Full name",
		"nickname": "Nickname", "preferred_username": "User name to show", "email": "Mail address", "phone_number": "Phone number, like +15555550123",
		"birthdate": "Date of birth, like 1906-12-09", "gender": "Gender", "zoneinfo": "Time zone, like Europe/Berlin",
		"locale": "Language, like en-US", "address": "Address", "profile": "Profile page", "website": "Website", "picture": "Picture's address",
	}
	if label, ok := labels[name]; ok {
		return label
	}
	return safetext.Line(strings.TrimPrefix(name, "custom:"))
}

// listOf reads a JSON list of texts in a challenge's parameters.
func listOf(text string) []string {
	var list []string
	if json.Unmarshal([]byte(text), &list) != nil {
		return nil
	}
	return list
}

func (s *SignIn) openCode(context.Context) (Step, error) {
	return Step{Kind: NeedCode, Code: handlers()[s.challenge].source(s)}, nil
}

func fromApp(*SignIn) Source { return Source{Medium: App, Least: 6, Most: 6} }

// sentBy returns the source of codes on a medium. They have 6 digits, or 8 as a
// first factor; AWS documents neither.
func sentBy(m Medium) func(*SignIn) Source {
	return func(s *SignIn) Source {
		return Source{Medium: m, To: safetext.New(s.parameter["CODE_DELIVERY_DESTINATION"]), Least: 6, Most: 8}
	}
}

// choiceTexts are the ways to continue, by Cognito's names.
func choiceText(id string) string {
	switch id {
	case softwareToken:
		return "Code of an authenticator app"
	case "SMS_MFA", "SMS_OTP":
		return "Code by SMS"
	case "EMAIL_OTP", "EMAIL_MFA":
		return "Code by mail"
	case choiceSRP:
		return "Password"
	case "WEB_AUTHN":
		return "Passkey, in a browser"
	}
	return ""
}

// offered returns the choices among ids that usher can continue with.
func offered(ids []string, without ...string) []Choice {
	var list []Choice
	for _, id := range ids {
		if text := choiceText(id); text != "" && !slices.Contains(without, id) {
			list = append(list, Choice{id, text})
		}
	}
	return list
}

// pick returns the step of a choice. A single choice needs no person.
func (s *SignIn) pick(ctx context.Context, list []Choice) (Step, error) {
	switch len(list) {
	case 0:
		return Step{}, ErrUnknownStep
	case 1:
		s.chosen = list[0].ID
		return handlers()[s.challenge].choose(s, ctx, list[0].ID)
	}
	return Step{Kind: Choose, Choices: list}, nil
}

func (s *SignIn) openMFAType(ctx context.Context) (Step, error) {
	// SPEC: the developer guide names the list MFAS_CAN_SELECT; Amplify reads
	// MFAS_CAN_CHOOSE.
	list := listOf(s.parameter["MFAS_CAN_CHOOSE"])
	if len(list) == 0 {
		list = listOf(s.parameter["MFAS_CAN_SELECT"])
	}
	return s.pick(ctx, offered(list))
}

func (s *SignIn) chooseMFAType(ctx context.Context, id string) (Step, error) {
	return s.respond(ctx, s.challenge, s.session.Reveal(), map[string]string{"ANSWER": id}, ErrStartAgain)
}

// openSetUp sets up a second factor: an app or a mail address. A phone number
// needs an administrator.
func (s *SignIn) openSetUp(ctx context.Context) (Step, error) {
	list := listOf(s.parameter["MFAS_CAN_SETUP"])
	if len(list) == 0 {
		list = []string{softwareToken}
	}
	return s.pick(ctx, offered(list, "SMS_MFA", "SMS_OTP", choiceSRP, "WEB_AUTHN"))
}

func (s *SignIn) chooseSetUp(ctx context.Context, id string) (Step, error) {
	if id != softwareToken {
		return Step{Kind: NeedEmail}, nil
	}
	return s.setUp(ctx)
}

func (s *SignIn) openChoice(ctx context.Context) (Step, error) {
	without := []string{}
	if !s.offer.Has(api.WaySSO) {
		without = append(without, "WEB_AUTHN")
	}
	list := offered(s.choices, without...)
	if len(list) == 0 && slices.Contains(s.choices, "WEB_AUTHN") {
		return Step{}, ErrPasskey
	}
	// The pool offers a password alone to accounts with a second factor, and to
	// accounts of the company, which have no password here. The person chose a code.
	if len(list) == 1 && list[0].ID == choiceSRP && s.offer.Has(api.WayPassword) {
		return Step{}, errNoCodeWay
	}
	return s.pick(ctx, list)
}

// chooseFirst answers SELECT_CHALLENGE. A password is proven by SRP after its
// prompt.
func (s *SignIn) chooseFirst(ctx context.Context, id string) (Step, error) {
	switch id {
	case choiceSRP:
		return Step{Kind: NeedPassword}, nil
	case "WEB_AUTHN":
		s.reset()
		return Step{}, ErrPasskey
	}
	return s.respond(ctx, s.challenge, s.session.Reveal(), map[string]string{"ANSWER": id}, ErrStartAgain)
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
