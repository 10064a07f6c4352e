package federation

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Inbound is the step of the pool's inbound federation trigger: a Lambda function
// that receives the attributes of an identity provider at each sign-in, before
// Cognito stores them.
//
// SPEC: Cognito developer guide, "Inbound federation Lambda trigger".
type Inbound struct {
	// Claim is the provider's attribute with the groups: a claim or the name of a
	// SAML attribute.
	Claim string
	// Attribute is the attribute of the pool, and its own source in the attribute
	// mapping: custom:groups.
	Attribute string
	Allow     *Allow
}

var errInbound = errors.New("inbound federation: claim, attribute and allow-list are needed")

// Attributes returns the attributes to map: all of the provider's texts, without
// its groups, and the stamped groups. The result is never empty: to Cognito an
// empty one means "keep all attributes as they are". A value that Cognito cannot
// store is left out, because it would fail the sign-in.
func (i Inbound) Attributes(provider map[string]any, at time.Time) (map[string]string, error) {
	if i.Claim == "" || i.Attribute == "" || i.Allow == nil {
		return nil, errInbound
	}
	out := map[string]string{}
	for name, value := range provider {
		if name == i.Claim {
			continue
		}
		if s, ok := text(value); ok && len(s) <= MaxValue {
			out[name] = s
		}
	}
	groups, _ := text(provider[i.Claim])
	out[i.Attribute] = Format(at, i.Allow.Filter(List(groups)))
	return out, nil
}

// text returns a value as Cognito stores it: a list is a text in square brackets.
func text(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case bool, float64, json.Number:
		return fmt.Sprint(v), true
	case []any:
		var encoded []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				encoded = append(encoded, url.QueryEscape(s))
			}
		}
		return "[" + strings.Join(encoded, ",") + "]", true
	}
	return "", false
}

// attributes are the provider's attributes in an event of the trigger.
type attributes struct {
	IDToken  map[string]any `json:"idToken"`
	UserInfo map[string]any `json:"userInfo"`
	SAML     map[string]any `json:"samlResponse"`
}

// Handle answers an event of the trigger: the same event with
// response.userAttributesToMap. An error fails the sign-in, so a person never
// signs in with old groups.
func (i Inbound) Handle(event []byte, at time.Time) ([]byte, error) {
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(event, &whole); err != nil {
		return nil, fmt.Errorf("inbound federation: reading the event: %w", err)
	}
	var request struct {
		Attributes *attributes `json:"attributes"`
	}
	if err := unmarshal(whole["request"], &request); err != nil {
		return nil, fmt.Errorf("inbound federation: reading the request: %w", err)
	}
	if request.Attributes == nil {
		return nil, errors.New("inbound federation: the event has no attributes")
	}
	// The ID token is signed, so its claims win over those of userInfo.
	all := map[string]any{}
	for _, source := range []map[string]any{request.Attributes.SAML, request.Attributes.UserInfo, request.Attributes.IDToken} {
		for name, value := range source {
			all[name] = value
		}
	}
	mapped, err := i.Attributes(all, at)
	if err != nil {
		return nil, err
	}
	response, err := json.Marshal(map[string]any{"userAttributesToMap": mapped})
	if err != nil {
		return nil, fmt.Errorf("inbound federation: writing the response: %w", err)
	}
	whole["response"] = response
	return json.Marshal(whole)
}

// unmarshal keeps numbers as they are written.
func unmarshal(raw []byte, into any) error {
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	return d.Decode(into)
}
