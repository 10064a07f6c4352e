package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"usher/backend/api/shape"
)

const (
	callLimit  = 15 * time.Second // of one call to the pool, including its retries
	maxAnswer  = 256 << 10        // bytes of one answer of the pool
	maxTries   = 3
	firstPause = 200 * time.Millisecond // before the first retry; doubled before the second
)

// pause has no jitter: the renewals of one person do not collide.
func pause(attempt int, _ error) (time.Duration, error) {
	return firstPause << max(attempt-1, 0), nil
}

// pool is the user pool of a profile, called without AWS credentials. No
// configuration of the AWS SDK, neither file nor environment, can change its
// endpoint.
type pool struct {
	client   *cognito.Client
	clientID string
	host     string
	now      func() time.Time
}

func newPool(p Profile, o Options) (*pool, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	endpoint, err := cognitoEndpoint(p.Server, p.Config)
	if err != nil {
		return nil, err
	}
	web := newHTTPClient()
	if o.Wrap != nil {
		web.Transport = o.Wrap(web.Transport)
	}
	client := cognito.New(cognito.Options{
		Region:       p.Config.Region,
		BaseEndpoint: aws.String(endpoint),
		Credentials:  aws.AnonymousCredentials{},
		HTTPClient:   boundedClient{web, o.Waiting},
		Logger:       logging.Nop{},
		Retryer:      retryThrottled(),
	})
	return &pool{client: client, clientID: p.Config.ClientID, host: hostOf(endpoint), now: o.Now}, nil
}

// boundedClient sends a copy of each request and reads each answer whole.
//
// The SDK closes the body of its request as soon as the answer's headers are
// there. net/http may still read that body, and then ends the connection while
// the answer's body arrives (aws-sdk-go-v2#2737). The transport therefore gets a
// body of its own, and an answer that was cut is an error of the network.
type boundedClient struct {
	http    *http.Client
	waiting func(host string) (done func()) // may be nil
}

var errTooLong = errors.New("the answer is too long")

func (c boundedClient) Do(req *http.Request) (*http.Response, error) {
	sent := req.WithContext(req.Context())
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, fmt.Errorf("reading the request: %w", err)
		}
		sent.ContentLength = int64(len(body))
		sent.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		sent.Body, _ = sent.GetBody()
	}
	if c.waiting != nil {
		defer c.waiting(req.URL.Host)()
	}
	resp, err := c.http.Do(sent)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	// The limit keeps a host on the path from exhausting the memory.
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the answer: %w", err)
	case len(answer) > maxAnswer:
		return nil, errTooLong
	}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	return resp, nil
}

// retryThrottled retries only calls that the pool rejected without an effect. A
// password proof is never sent twice: failed attempts count towards the lockout.
func retryThrottled() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.Backoff = maxTries, retry.BackoffDelayerFunc(pause)
		o.Retryables = []retry.IsErrorRetryable{retry.RetryableErrorCode{
			Codes: map[string]struct{}{"TooManyRequestsException": {}},
		}}
	})
}

// retryLost also retries after a cut connection and after 5xx: a renewal may be
// sent twice, because the old refresh token stays valid for the grace period.
func retryLost(o *cognito.Options) {
	o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.Backoff = maxTries, retry.BackoffDelayerFunc(pause)
	})
}

// renew gets a new access token. GetTokensFromRefreshToken works for pools
// with and without rotation; REFRESH_TOKEN_AUTH is for servers without that
// call.
//
// Where the access token in the answer is unusable, renew returns an error and
// t with the new refresh token, because the refresh token in t may be spent.
// SPEC: Cognito API reference, RefreshTokenRotationType.
func (p *pool) renew(ctx context.Context, t Tokens) (Tokens, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	requestedAt := p.now()
	var result *types.AuthenticationResultType
	out, err := p.client.GetTokensFromRefreshToken(ctx, &cognito.GetTokensFromRefreshTokenInput{
		ClientId:     aws.String(p.clientID),
		RefreshToken: aws.String(t.Refresh.Reveal()),
		DeviceKey:    optional(t.DeviceKey),
	}, retryLost)
	if err == nil {
		result = out.AuthenticationResult
	} else if lacksRotation(err) {
		parameters := map[string]string{"REFRESH_TOKEN": t.Refresh.Reveal()}
		if t.DeviceKey != "" {
			parameters["DEVICE_KEY"] = t.DeviceKey
		}
		var old *cognito.InitiateAuthOutput
		old, err = p.client.InitiateAuth(ctx, &cognito.InitiateAuthInput{
			ClientId:       aws.String(p.clientID),
			AuthFlow:       types.AuthFlowTypeRefreshTokenAuth,
			AuthParameters: parameters,
		}, retryLost)
		if err == nil {
			result = old.AuthenticationResult
		}
	}
	switch {
	case err != nil:
		return Tokens{}, p.explain(ctx, err, errEnded)
	case result == nil:
		return Tokens{}, ErrGarbled
	}
	return renewed(t, p.clientID, aws.ToString(result.AccessToken), aws.ToString(result.RefreshToken), aws.ToString(result.IdToken), requestedAt)
}

// renewed checks the answer to a renewal of t. An unusable access token is an
// error with t and the new refresh token, because the old one may be spent.
func renewed(t Tokens, clientID, access, refresh, id string, requestedAt time.Time) (Tokens, error) {
	if refresh == "" {
		refresh = t.Refresh.Reveal() // without rotation the old one stays valid
	}
	fresh, err := newTokens(access, refresh, id, clientID, requestedAt)
	switch {
	case err == nil && fresh.claims.Sub != t.claims.Sub:
		return Tokens{}, ErrGarbled
	case err != nil && validRefresh(refresh):
		t.Refresh = NewSecret(refresh)
		return t, err
	case err != nil:
		return Tokens{}, err
	}
	fresh.Way, fresh.DeviceKey = t.Way, t.DeviceKey
	if fresh.Email == "" {
		fresh.Email = t.Email
	}
	return fresh, nil
}

// optional returns nil for "", which the SDK leaves out of the request.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func lacksRotation(err error) bool {
	var e smithy.APIError
	if !errors.As(err, &e) {
		return false
	}
	switch e.ErrorCode() {
	case "InvalidParameterException", "UnsupportedOperationException", "UnknownOperationException",
		"UnsupportedOperation", "Unsupported", "InvalidAction", "NotImplementedError", "OperationNotEnabledException":
		return true
	}
	return false
}

// revoke ends this session: its refresh token and all access tokens made from
// it. A session that has ended already is not an error.
func (p *pool) revoke(ctx context.Context, t Tokens) error {
	_, err := p.client.RevokeToken(ctx, &cognito.RevokeTokenInput{
		ClientId: aws.String(p.clientID),
		Token:    aws.String(t.Refresh.Reveal()),
	}, retryLost)
	if err == nil {
		return nil
	}
	if err := p.explain(ctx, err, errEnded); !errors.Is(err, ErrSignedOut) {
		return err
	}
	return nil
}

// serverTime returns the pool's clock from its answer, or the local clock if
// the answer has no date.
func (p *pool) serverTime(answer middleware.Metadata) time.Time {
	if t, ok := awsmiddleware.GetServerTime(answer); ok && !t.IsZero() {
		return t
	}
	return p.now()
}

// explain maps a failed call to a sentence. refused is the meaning of
// NotAuthorized at this step. Cognito's message is searched for markers and
// never shown.
func (p *pool) explain(ctx context.Context, err, refused error) error {
	return p.explainStep(ctx, err, refused, false)
}

// explainProven is explain for an answer to a proof of the password. Only there
// may a sentence tell apart an account that is disabled or whose temporary
// password expired: before the proof it would reveal which accounts exist.
func (p *pool) explainProven(ctx context.Context, err, refused error) error {
	return p.explainStep(ctx, err, refused, true)
}

func (p *pool) explainStep(ctx context.Context, err, refused error, proven bool) error {
	var answer smithy.APIError
	var response *smithyhttp.ResponseError
	var garbled *smithy.DeserializationError
	var unsent *smithyhttp.RequestSendError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case ctx.Err() != nil: // before the response: the SDK wraps a deadline in it
		return networkError(ctx, p.host, ctx.Err())
	case errors.Is(err, errTooLong):
		return ErrGarbled
	case errors.Is(err, io.ErrUnexpectedEOF): // an answer without a length that was cut
		return networkError(ctx, p.host, io.ErrUnexpectedEOF)
	case errors.As(err, &unsent):
		return networkError(ctx, p.host, err)
	case errors.As(err, &answer):
	case errors.As(err, &response) && response.HTTPStatusCode() >= 500:
		return ErrUnavailable
	case errors.As(err, &garbled), errors.As(err, &response):
		return ErrGarbled
	default:
		return networkError(ctx, p.host, err)
	}
	code, status := answer.ErrorCode(), 0
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	failure := p.failureOf(code, answer.ErrorMessage(), status, refused, proven)
	switch failure {
	case refused, ErrWrongPassword, ErrLocked, ErrCode, ErrCodeUsed, ErrDeviceForgotten:
		return failure // its details would distinguish cases that must read the same
	}
	e := &AnswerError{failure: failure, code: oneWord(code), requestID: "unknown"}
	var withID interface{ ServiceRequestID() string }
	if errors.As(err, &withID) {
		e.requestID = oneWord(withID.ServiceRequestID())
	}
	return e
}

// failureOf maps Cognito's exceptions to sentences.
func (p *pool) failureOf(code, message string, status int, refused error, proven bool) error {
	message = strings.ToLower(message)
	switch code {
	case "NotAuthorizedException":
		switch {
		case strings.Contains(message, "attempts exceeded"), strings.Contains(message, "too many"):
			return ErrLocked
		case strings.Contains(message, "configured with secret"), strings.Contains(message, "secret_hash"):
			return ErrClientSecret
		case !proven:
		case strings.Contains(message, "temporary password has expired"):
			return ErrTemporaryExpired
		case strings.Contains(message, "user is disabled"):
			return ErrDisabled
		}
		return refused
	case "UserNotFoundException", "RefreshTokenReuseException", "UnsupportedTokenTypeException":
		return refused
	case "TooManyFailedAttemptsException", "LimitExceededException":
		return ErrLocked
	case "CodeMismatchException", "EnableSoftwareTokenMFAException":
		return ErrCode
	case "ExpiredCodeException":
		return ErrCodeUsed
	case "InvalidPasswordException":
		return ErrPasswordRules
	case "PasswordHistoryPolicyViolationException":
		return ErrPasswordUsed
	case "PasswordResetRequiredException":
		return ErrPasswordReset
	case "UserNotConfirmedException":
		return ErrUnfinishedAccount
	case "UserLambdaValidationException", "ForbiddenException":
		return ErrRefused
	case "TooManyRequestsException", "ThrottlingException":
		return ErrThrottled
	case "ResourceNotFoundException":
		return errNoResource
	case "InvalidParameterException", "UnauthorizedException", "OperationNotEnabledException":
		return ErrMisconfigured
	}
	switch {
	case status >= 500:
		return ErrUnavailable
	case strings.HasSuffix(code, "Exception"):
		return ErrUnavailable
	}
	return ErrGarbled
}

func oneWord(s string) string {
	if shape.Word(s) {
		return s
	}
	return "unknown"
}

// String returns the pool's host.
func (p *pool) String() string { return fmt.Sprintf("pool at %s", p.host) }
