package demo

import (
	"encoding/json"
	"fmt"
	"time"

	"usher/backend/federation"
	"usher/backend/identity"
)

// federatedGroups returns the groups that the demo's company can give.
func federatedGroups() []string {
	return []string{"finance-team", "external-auditors", "engineering"}
}

// trigger returns the inbound federation trigger of the sandbox's pool: the one
// that a deployment runs.
func trigger(now func() time.Time) (func(map[string]string) (map[string]string, error), error) {
	allow, err := federation.NewAllow(federatedGroups(), nil)
	if err != nil {
		return nil, err
	}
	step := federation.Inbound{Claim: "groups", Attribute: identity.DefaultAttribute, Allow: allow}
	return func(assertion map[string]string) (map[string]string, error) {
		event, err := json.Marshal(map[string]any{"request": map[string]any{"attributes": map[string]any{"samlResponse": assertion}}})
		if err != nil {
			return nil, fmt.Errorf("writing the event of the trigger: %w", err)
		}
		out, err := step.Handle(event, now())
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
