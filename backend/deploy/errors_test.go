package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"

	"usher/backend/api"
	"usher/backend/deploy"
)

// usage is an error with its own sentence.
type usage struct{ error }

func (usage) Exit() int { return api.ExitUsage }

// Each failure has a sentence with the next step.
func TestExplain(t *testing.T) {
	call := func(cause error) error {
		return &smithy.OperationError{ServiceID: "Cognito Identity Provider", OperationName: "ListGroups", Err: cause}
	}
	of := func(code string) error {
		return call(&smithy.GenericAPIError{Code: code, Message: "a \x1b[2J reason"})
	}
	for name, row := range map[string]struct {
		err  error
		want string
	}{
		"a question without a terminal": {fmt.Errorf("asking: %w", usage{errors.New("There is no terminal for the question.")}), "There is no terminal for the question."},
		"no credentials":                {call(errors.New("get identity: get credentials: failed to refresh cached credentials")), "Sign in to AWS"},
		"an absent profile":             {config.SharedConfigProfileNotExistError{Profile: "work"}, "no profile work. Correct AWS_PROFILE"},
		"a refused call":                {of("AccessDeniedException"), "may not make the call CognitoIdentityProvider ListGroups. Add the permission"},
		"ended credentials":             {of("ExpiredToken"), "Sign in to AWS again"},
		"a busy service":                {of("Throttling"), "Wait a minute"},
		"another code":                  {of("InvalidParameterException"), "CognitoIdentityProvider ListGroups failed: InvalidParameterException: a "},
		"no network":                    {call(errors.New("dial tcp: no such host")), "CognitoIdentityProvider ListGroups got no answer. Check the network and the region"},
		"a file":                        {errors.New("reading the program: no such file"), "usher stopped here: reading the program: no such file. Correct the cause"},
	} {
		got := deploy.Explain(t.Context(), row.err)
		if got == nil || !strings.Contains(got.Error(), row.want) || strings.Contains(got.Error(), "\x1b") {
			t.Errorf("%s: %v", name, got)
		}
	}
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	if got := deploy.Explain(ctx, of("Throttling")); !errors.Is(got, stopped) {
		t.Errorf("after Ctrl-C: %v", got)
	}
	if got := deploy.Explain(ctx, nil); got != nil {
		t.Errorf("without an error: %v", got)
	}
}
