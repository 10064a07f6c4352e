package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"usher/backend/sandbox"
	"usher/backend/serve"
)

// federatedGroups returns the groups that the demo's company can give.
func federatedGroups() []string {
	return []string{"finance-team", "external-auditors", "engineering"}
}

// trigger returns the inbound federation trigger of the sandbox's pool: the function
// of a deployed stack, with the event that Cognito sends.
//
// SPEC: Cognito developer guide, "Inbound federation Lambda trigger".
func trigger(ctx context.Context, d serve.Deps) (func(map[string]string) (map[string]string, error), error) {
	f, err := serve.NewFunction(ctx, []string{
		"USHER_TASK=federation", "USHER_GROUPS_CLAIM=groups", "USHER_FEDERATED_GROUPS=[" + strings.Join(federatedGroups(), ", ") + "]",
	}, d)
	if err != nil {
		return nil, err
	}
	function, ok := f.Handler.(interface {
		Invoke(ctx context.Context, payload []byte) ([]byte, error)
	})
	if !ok {
		return nil, errors.New("demo: the federation function takes no payload")
	}
	ctx = context.WithoutCancel(ctx)
	return func(assertion map[string]string) (map[string]string, error) {
		event, err := json.Marshal(map[string]any{
			"version": "1", "triggerSource": "InboundFederation_ExternalProvider", "region": sandbox.Region,
			"request": map[string]any{"providerType": "SAML", "attributes": map[string]any{"samlResponse": assertion}},
		})
		if err != nil {
			return nil, fmt.Errorf("writing the event of the trigger: %w", err)
		}
		out, err := function.Invoke(ctx, event)
		if err != nil {
			return nil, err
		}
		var answer struct {
			Response struct {
				Mapped map[string]string `json:"userAttributesToMap"`
			} `json:"response"`
		}
		if err := json.Unmarshal(out, &answer); err != nil {
			return nil, fmt.Errorf("reading the answer of the trigger: %w", err)
		}
		return answer.Response.Mapped, nil
	}, nil
}
