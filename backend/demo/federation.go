package demo

import (
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
		raw := make(map[string]any, len(assertion))
		for name, value := range assertion {
			raw[name] = value
		}
		return step.Attributes(raw, now())
	}, nil
}
