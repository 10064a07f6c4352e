package cognito

import (
	"crypto/hmac"
	"encoding/base64"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"
)

type initiateAuthInput struct {
	AuthFlow       string
	ClientId       string
	AuthParameters map[string]string
}

type respondInput struct {
	ChallengeName      string
	ClientId           string
	Session            string
	ChallengeResponses map[string]string
}

// authOutput is the response of each step of a sign-in: another challenge or the
// tokens.
type authOutput struct {
	ChallengeName        string `json:",omitempty"`
	ChallengeParameters  map[string]string
	Session              string      `json:",omitempty"`
	AvailableChallenges  []string    `json:",omitempty"`
	AuthenticationResult *authResult `json:",omitempty"`
}

type authResult struct {
	AccessToken  string
	IdToken      string
	RefreshToken string `json:",omitempty"`
	ExpiresIn    int    // seconds
	TokenType    string

	NewDeviceMetadata *deviceMetadata `json:",omitempty"`
}

// quoteID quotes a caller's text for an error message, and truncates it.
func quoteID(id string) string {
	if len(id) > 128 {
		id = id[:128]
	}
	return strings.Map(func(c rune) rune {
		if c > ' ' && c < 0x7f {
			return c
		}
		return '?'
	}, id)
}

func (p *Pool) initiateAuth(now time.Time, in *initiateAuthInput) (any, error) {
	if err := p.checkAPIClient(in.ClientId, in.AuthFlow); err != nil {
		return nil, err
	}
	switch in.AuthFlow {
	case "USER_SRP_AUTH":
		return p.startSRP(now, in.AuthParameters)
	case "USER_AUTH":
		if !p.cfg.UserAuth {
			return nil, invalidParameter("USER_AUTH flow not enabled for this client")
		}
		return p.userAuth(now, in.AuthParameters)
	case "USER_PASSWORD_AUTH":
		if !p.cfg.PasswordAuth {
			return nil, invalidParameter("USER_PASSWORD_AUTH flow not enabled for this client")
		}
		return p.finish(p.passwordStep(now, in.AuthParameters))
	case "REFRESH_TOKEN_AUTH", "REFRESH_TOKEN":
		// SPEC: using-the-refresh-token: not available in app clients with
		// rotation. The words of the refusal are not documented.
		if p.cfg.Rotation {
			return nil, invalidParameter("REFRESH_TOKEN_AUTH flow not enabled for this client")
		}
		return p.refreshTokens(now, in.ClientId, in.AuthParameters["REFRESH_TOKEN"], in.AuthParameters["DEVICE_KEY"])
	case "":
		return nil, missing("authFlow")
	default:
		return nil, invalidParameter("Initiate Auth method not supported.")
	}
}

// startSRP begins an SRP sign-in. For an unknown username it simulates the
// challenge.
//
// SPEC: cognito-user-pool-managing-errors (PreventUserExistenceErrors): "the
// same salt and an internal user ID in UUID format for the same username and
// user pool combination", as RFC 5054 §2.5.1.3.
func (p *Pool) startSRP(now time.Time, params map[string]string) (any, error) {
	typed := params["USERNAME"]
	if typed == "" {
		return nil, invalidParameter("Missing required parameter USERNAME")
	}
	if params["SRP_A"] == "" {
		return nil, invalidParameter("Missing required parameter SRP_A")
	}
	publicA, err := parsePublic(params["SRP_A"])
	if err != nil {
		return nil, invalidParameter("Value of SRP_A is not a public key of the group")
	}
	c := &challenge{name: passwordVerifier, typed: typed, publicA: publicA, origin: origin{deviceKey: params["DEVICE_KEY"]}}
	var salt *big.Int
	p.mu.Lock()
	if u := p.localUser(typed); u != nil {
		// SPEC: how-to-manage-user-accounts: the error of a disabled account is
		// distinct.
		if u.Disabled && !p.faulty(FaultLateDisabled) {
			p.mu.Unlock()
			return nil, notAuthorized("User is disabled.")
		}
		c.username, c.sub, c.userID = u.Username, u.Sub, u.Username
		salt, c.verifier = new(big.Int).SetBytes(u.Salt), new(big.Int).SetBytes(u.Verifier)
	}
	p.mu.Unlock()
	if c.verifier == nil {
		c.userID = formatUUID(p.simulate("user id", typed))
		salt = new(big.Int).SetBytes(p.simulate("salt", typed)[:srpSaltBytes])
		c.verifier = srpVerifier(p.name, c.userID, string(p.simulate("password", typed)), salt)
	}
	for c.publicB == nil || c.publicB.Sign() == 0 {
		c.secretB = new(big.Int).SetBytes(p.random(srpSecretBytes))
		c.publicB = srpPublic(c.secretB, c.verifier)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return &authOutput{
		ChallengeName: passwordVerifier,
		ChallengeParameters: map[string]string{
			"SALT":            salt.Text(16), // without leading zeros, so the number of digits may be odd
			"SRP_B":           c.publicB.Text(16),
			"SECRET_BLOCK":    p.addChallenge(now, c),
			"USER_ID_FOR_SRP": c.userID,
			"USERNAME":        c.userID,
		},
	}, nil
}

// passwordStep checks a password that was sent, and returns the next step.
func (p *Pool) passwordStep(now time.Time, params map[string]string) (*authOutput, *issue, error) {
	typed, password := params["USERNAME"], params["PASSWORD"]
	if typed == "" {
		return nil, nil, invalidParameter("Missing required parameter USERNAME")
	}
	if password == "" {
		return nil, nil, invalidParameter("Missing required parameter PASSWORD")
	}
	if err := p.makeKeys(); err != nil {
		return nil, nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.localUser(typed)
	name := typed
	if u != nil {
		name = u.Username
	}
	if err := p.locked(now, factorPassword, name); err != nil {
		return nil, nil, err
	}
	if u != nil && u.Disabled {
		return nil, nil, notAuthorized("User is disabled.")
	}
	if u == nil || !u.passwordMatches(p.name, password) {
		p.failed(now, factorPassword, name)
		return nil, nil, wrongPassword()
	}
	return p.nextStep(now, u, newPasswordRequired, origin{deviceKey: params["DEVICE_KEY"]})
}

func (p *Pool) respond(now time.Time, in *respondInput) (any, error) {
	if err := p.checkAPIClient(in.ClientId, in.ChallengeName); err != nil {
		return nil, err
	}
	if in.ChallengeName == selectChallenge && p.cfg.UserAuth {
		return p.answerChoice(now, in)
	}
	return p.finish(p.answer(now, in))
}

// answer checks the response to a challenge, and returns the next step.
func (p *Pool) answer(now time.Time, in *respondInput) (*authOutput, *issue, error) {
	if in.ChallengeName == "" {
		return nil, nil, missing("challengeName")
	}
	answer, ok := map[string]func(time.Time, *respondInput) (*authOutput, *issue, error){
		passwordVerifier:    p.answerPassword,
		newPasswordRequired: p.answerNewPassword,
		softwareTokenMFA:    p.answerCode,
		mfaSetup:            p.answerSetup,
		selectMFAType:       p.answerMFAType,
		smsMFA:              p.answerSentCode,
		emailOTP:            p.answerSentCode,
		smsOTP:              p.answerSentCode,
		deviceSRPAuth:       p.answerDeviceSRP,
		deviceVerifier:      p.answerDevice,
	}[in.ChallengeName]
	if !ok {
		return nil, nil, invalidParameter("Unknown challenge name.")
	}
	if in.ChallengeResponses["USERNAME"] == "" {
		return nil, nil, invalidParameter("Missing required parameter USERNAME")
	}
	if in.ChallengeName != passwordVerifier && in.ChallengeName != deviceVerifier && in.Session == "" {
		return nil, nil, invalidParameter("Missing required parameter Session")
	}
	if err := p.makeKeys(); err != nil { // before the challenge is spent
		return nil, nil, err
	}
	return answer(now, in)
}

// finish signs the tokens of a step's issue, outside the lock.
func (p *Pool) finish(out *authOutput, issue *issue, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if issue == nil {
		return out, nil
	}
	result, err := p.sign(*issue)
	if err != nil {
		return nil, err
	}
	return &authOutput{ChallengeParameters: map[string]string{}, AuthenticationResult: result}, nil
}

// answerPassword verifies the proof of a password. The secret block identifies
// the challenge. An unknown block returns the error of a wrong password.
func (p *Pool) answerPassword(now time.Time, in *respondInput) (*authOutput, *issue, error) {
	r := in.ChallengeResponses
	for _, key := range []string{"PASSWORD_CLAIM_SECRET_BLOCK", "PASSWORD_CLAIM_SIGNATURE", "TIMESTAMP"} {
		if r[key] == "" {
			return nil, nil, invalidParameter("Missing required parameter " + key)
		}
	}
	block, err := base64.StdEncoding.DecodeString(r["PASSWORD_CLAIM_SECRET_BLOCK"])
	if err != nil {
		return nil, nil, invalidParameter("Value of PASSWORD_CLAIM_SECRET_BLOCK is not base64")
	}
	signature, err := base64.StdEncoding.DecodeString(r["PASSWORD_CLAIM_SIGNATURE"])
	if err != nil {
		return nil, nil, invalidParameter("Value of PASSWORD_CLAIM_SIGNATURE is not base64")
	}
	p.mu.Lock()
	c, err := p.findChallenge(now, r["PASSWORD_CLAIM_SECRET_BLOCK"], passwordVerifier)
	if err != nil {
		p.mu.Unlock()
		return nil, nil, wrongPassword()
	}
	name := c.username
	if name == "" {
		name = c.typed
	}
	if err := p.locked(now, factorPassword, name); err != nil {
		p.mu.Unlock()
		return nil, nil, err
	}
	c.spent = true
	p.mu.Unlock()

	good := p.goodClaim(c, r["USERNAME"], block, r["TIMESTAMP"], signature)

	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[c.username]
	// The account may have been replaced, or its password changed, meanwhile.
	if !good || u == nil || u.Sub != c.sub || c.verifier.Cmp(new(big.Int).SetBytes(u.Verifier)) != 0 {
		p.failed(now, factorPassword, name)
		return nil, nil, wrongPassword()
	}
	if key := r["DEVICE_KEY"]; key != "" {
		c.origin.deviceKey = key
	}
	return p.nextStep(now, u, newPasswordRequired, c.origin)
}

func (p *Pool) goodClaim(c *challenge, username string, block []byte, timestamp string, signature []byte) bool {
	key, err := srpKey(c.publicA, c.publicB, c.secretB, c.verifier)
	if err != nil {
		return false
	}
	want := srpClaim(key, p.name, c.userID, block, timestamp)
	return hmac.Equal(want, signature) && (username == c.userID || username == c.typed) && goodTimestamp(timestamp)
}

// goodTimestamp reports whether s has the only spelling that the service
// accepts: UTC, no zero before the day, the right weekday. The permitted
// deviation is not documented, and clients with a clock wrong by an hour do sign
// in. The time is therefore not compared with the clock: the secret block bounds
// the life of a proof.
func goodTimestamp(s string) bool {
	const layout = "Mon Jan 2 15:04:05 MST 2006"
	t, err := time.Parse(layout, s)
	return err == nil && t.Format(layout) == s && strings.HasSuffix(s[:len(s)-5], " UTC")
}

// challengeOf returns the challenge of a response, and its account. The caller
// holds p.mu.
func (p *Pool) challengeOf(now time.Time, in *respondInput) (*challenge, *user, error) {
	c, err := p.findChallenge(now, in.Session, in.ChallengeName)
	if err != nil || c.username == "" {
		return c, nil, err
	}
	u := p.users[c.username]
	name := in.ChallengeResponses["USERNAME"]
	if u == nil || u.Sub != c.sub || (name != u.Username && p.signInUser(name) != u) {
		return nil, nil, notAuthorized("Invalid session for the user.")
	}
	if u.Disabled {
		return nil, nil, notAuthorized("User is disabled.")
	}
	return c, u, nil
}

// sortedKeys returns attribute names in the order of the API's responses.
func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
