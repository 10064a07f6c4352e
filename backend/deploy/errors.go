package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"

	"usher/backend/api"
	"usher/backend/safetext"
)

// Error is a failure with a sentence for the administrator.
type Error struct {
	text  string
	exit  int
	cause error
}

func (e *Error) Error() string { return e.text }
func (e *Error) Unwrap() error { return e.cause }

// Exit returns the exit code.
func (e *Error) Exit() int { return e.exit }

// Refuse returns an error with a sentence of the caller.
func Refuse(sentence string) error { return &Error{text: sentence, exit: api.ExitUsage} }

// refuse returns an error of the person's input or of the account's state.
func refuse(format string, args ...any) error {
	return &Error{text: fmt.Sprintf(format, args...), exit: api.ExitUsage}
}

// service returns an error of AWS.
func service(cause error, format string, args ...any) error {
	return &Error{text: fmt.Sprintf(format, args...), exit: api.ExitUnavailable, cause: cause}
}

// Codes of AWS services. Each service has its own spelling.
func denied(code string) bool {
	return slices.Contains([]string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden"}, code)
}

func ended(code string) bool {
	return slices.Contains([]string{
		"ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "InvalidSignatureException",
	}, code)
}

func throttled(code string) bool {
	return slices.Contains([]string{"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown", "ServiceUnavailable", "InternalFailure", "InternalError"}, code)
}

// codeOf returns the code of an answer of AWS, or "".
func codeOf(err error) string {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		return answer.ErrorCode()
	}
	return ""
}

// has reports whether an answer of AWS has one of the codes.
func has(err error, codes ...string) bool { return err != nil && slices.Contains(codes, codeOf(err)) }

// transient reports whether a later repetition may succeed: the service is busy, or
// did not respond.
func transient(ctx context.Context, err error) bool {
	code := codeOf(err)
	return ctx.Err() == nil && (throttled(code) || code == "")
}

// Explain turns the error of a call into a sentence. It names a refused call. An
// error with its own sentence, such as that of a question without a terminal, stays.
func Explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var sentence api.Failing
	if errors.As(err, &sentence) {
		return err
	}
	var profile config.SharedConfigProfileNotExistError
	if errors.As(err, &profile) {
		return service(err, "The AWS configuration has no profile %s. Correct AWS_PROFILE, or make the profile with aws configure.", safetext.Line(profile.Profile))
	}
	call := "a call of AWS"
	var operation *smithy.OperationError
	called := errors.As(err, &operation)
	if called {
		call = strings.ReplaceAll(operation.Service(), " ", "") + " " + operation.Operation()
	}
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		if strings.Contains(err.Error(), "credentials") {
			return service(err, "There are no AWS credentials. Sign in to AWS, for example with aws login or aws sso login, or set AWS_PROFILE, and try again.")
		}
		if !called { // on this machine: a file, or the AWS configuration
			return service(err, "usher stopped here: %s. Correct the cause, and run the same command again.", safetext.Line(err.Error()))
		}
		return service(err, "%s got no answer. Check the network and the region, and try again.", call)
	}
	message := safetext.Line(answer.ErrorMessage())
	switch code := answer.ErrorCode(); {
	case denied(code):
		return service(err, "Your AWS credentials may not make the call %s. Add the permission, as in the policy of docs/deploy.md, and try again. AWS: %s", call, message)
	case ended(code):
		return service(err, "Your AWS credentials have expired or are not valid. Sign in to AWS again, and run the same command again.")
	case throttled(code):
		return service(err, "AWS refused %s because of too many calls. Wait a minute, and run the same command again.", call)
	default:
		return service(err, "%s failed: %s: %s", call, safetext.Line(code), message)
	}
}
