package serve

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"usher/backend/federation"
	"usher/backend/grant"
	"usher/backend/identity"
	"usher/backend/safetext"
)

// federationTask makes a function the pool's inbound federation trigger.
const federationTask = "federation"

// Variables of the federation task. All but the first two have a default.
const (
	variableGroups    = prefix + "FEDERATED_GROUPS"
	variableClaim     = prefix + "GROUPS_CLAIM"
	variableAttribute = prefix + "GROUPS_ATTRIBUTE_NAME"
	variableAdmins    = prefix + "ADMINS_GROUP"
	variableAuditors  = prefix + "AUDITORS_GROUP"
)

const defaultClaim = "groups"

// federationHandler answers the events of the pool's inbound federation trigger.
type federationHandler struct {
	step federation.Inbound
	deps Deps
}

// newFederationHandler reads the variables of the federation task. An unknown
// variable is refused, and so is an empty allow-list: a pool without groups of a
// company needs no trigger.
func newFederationHandler(environ []string, d Deps) (*federationHandler, error) {
	values := map[string]string{
		variableGroups: "", variableClaim: defaultClaim, variableAttribute: identity.DefaultAttribute,
		variableAdmins: defaultAdmins, variableAuditors: defaultAuditors,
	}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) || name == taskVariable {
			continue
		}
		if _, known := values[name]; !known {
			return nil, fmt.Errorf("%s is no variable of the federation task: correct or remove it", name)
		}
		if value != "" {
			values[name] = value
		}
	}
	reserved := []string{values[variableAdmins], values[variableAuditors]}
	for _, group := range reserved {
		if !grant.ValidGroup(group) {
			return nil, fmt.Errorf("%s and %s must be names of groups", variableAdmins, variableAuditors)
		}
	}
	var entries []string
	if err := yaml.UnmarshalWithOptions([]byte(values[variableGroups]), &entries, yaml.Strict()); err != nil || len(entries) == 0 {
		return nil, fmt.Errorf("%s must be a list of groups, like [finance-team, project-*]", variableGroups)
	}
	allow, err := federation.NewAllow(entries, reserved)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", variableGroups, err)
	}
	return &federationHandler{federation.Inbound{Claim: values[variableClaim], Attribute: values[variableAttribute], Allow: allow}, d}, nil
}

// errFederation is the text that Cognito shows to the person. The cause is in the
// function's log.
var errFederation = errors.New("the groups of this account could not be read")

// Invoke answers one event. An error fails the sign-in, so that nobody signs in
// with old groups. Attributes of people are never logged.
func (h *federationHandler) Invoke(_ context.Context, event []byte) ([]byte, error) {
	answer, err := h.step.Handle(event, h.deps.Now().UTC().Truncate(time.Second))
	if err != nil {
		h.deps.Log.Error("sign-in refused", "error", safetext.New(err.Error()))
		return nil, errFederation
	}
	return answer, nil
}
