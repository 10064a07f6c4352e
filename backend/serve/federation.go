package serve

import (
	"errors"
	"fmt"
	"time"

	"usher/backend/api"
	"usher/backend/federation"
	"usher/backend/identity"
)

// Values of groups_attribute.
const (
	attributeStamped   = "stamped"   // the pool has the inbound federation trigger
	attributeUnstamped = "unstamped" // the pool has not
)

// federated returns the groups of a company's directory, or nil without any.
func (c *Config) federated() (*identity.Federated, error) {
	switch {
	case c.GroupsAttribute == "" && (len(c.FederatedGroups) > 0 || c.GroupsAttributeName != ""):
		return nil, errors.New("federated_groups and groups_attribute_name need groups_attribute: stamped, or unstamped for a pool without the inbound federation trigger")
	case c.GroupsAttribute == "":
		return nil, nil
	case c.GroupsAttribute != attributeStamped && c.GroupsAttribute != attributeUnstamped:
		return nil, fmt.Errorf("groups_attribute: %q is not one of stamped and unstamped; the name of the attribute is groups_attribute_name", c.GroupsAttribute)
	case len(c.FederatedGroups) == 0:
		return nil, errors.New("groups_attribute needs federated_groups: the groups that a company can give, or a prefix that ends in *")
	case len(c.clients(api.WaySSO, api.WayDevice)) == 0:
		return nil, errors.New("groups_attribute needs a sign-in in a browser: sign_in sso_client_id or device_client_id")
	}
	allow, err := federation.NewAllow(c.FederatedGroups, []string{c.AdminsGroup, c.AuditorsGroup})
	if err != nil {
		return nil, fmt.Errorf("federated_groups: %w", err)
	}
	name := c.GroupsAttributeName
	if name == "" {
		name = identity.DefaultAttribute
	}
	return &identity.Federated{Attribute: name, Allow: allow, Unstamped: c.GroupsAttribute == attributeUnstamped}, nil
}

// people returns the pool with the groups of a company's directory, if there is
// one.
func (c *Config) people(pool *identity.Cognito, now func() time.Time) (identity.Accounts, error) {
	f, err := c.federated()
	switch {
	case err != nil:
		return nil, err
	case f == nil:
		return pool, nil
	}
	return identity.NewCompany(pool, f, now)
}
