package cognito

import (
	"slices"
	"time"
)

// GroupsAttribute is the pool's only custom attribute: the groups of a person of
// an external identity provider. No app client of the API can write it.
const GroupsAttribute = "custom:groups"

// standardAttributes returns the OpenID Connect attributes of a pool.
//
// SPEC: user-pool-settings-attributes, "Standard attributes".
func standardAttributes() []string {
	return []string{"address", "birthdate", "email", "email_verified", "family_name", "gender", "given_name", "locale",
		"middle_name", "name", "nickname", "phone_number", "phone_number_verified", "picture", "preferred_username",
		"profile", "updated_at", "website", "zoneinfo"}
}

// checkAttribute checks an attribute's name and value against the pool's schema.
func checkAttribute(name, value string) error {
	switch {
	case name == "":
		return missing("userAttributes.1.member.name")
	case name == "sub":
		return invalidParameter("user.sub: Attribute cannot be updated.")
	case name != GroupsAttribute && !slices.Contains(standardAttributes(), name):
		return invalidParameter("Attributes did not conform to the schema: " + quoteID(name) + ": Attribute does not exist in the schema.")
	case len(value) > 2048:
		return invalidParameter("user." + name + ": String must be no longer than 2048 characters")
	case (name == "email_verified" || name == "phone_number_verified") && value != "true" && value != "false":
		return invalidParameter("user." + name + ": Invalid boolean value")
	}
	return nil
}

type updateAttributesInput struct {
	UserPoolId, Username, AccessToken string
	UserAttributes                    []attribute
}

// adminUpdateUserAttributes changes attributes. A new address is unverified
// unless the same call sets email_verified.
//
// SPEC: API AdminUpdateUserAttributes.
func (p *Pool) adminUpdateUserAttributes(now time.Time, in *updateAttributesInput) (any, error) {
	given, err := givenAttributes(in.UserAttributes)
	if err != nil {
		return nil, err
	}
	return nil, p.withNamed(adminInput{in.UserPoolId, in.Username}, func(u *user) error {
		return p.setAttributes(now, u, given)
	})
}

// updateUserAttributes changes the caller's own attributes. It refuses
// email_verified.
//
// SPEC: API UpdateUserAttributes.
func (p *Pool) updateUserAttributes(now time.Time, in *updateAttributesInput) (any, error) {
	for _, a := range in.UserAttributes {
		if a.Name == "email_verified" || a.Name == "phone_number_verified" || a.Name == GroupsAttribute {
			return nil, notAuthorized("A client attempted to write unauthorized attribute")
		}
	}
	given, err := givenAttributes(in.UserAttributes)
	if err != nil {
		return nil, err
	}
	return struct{ CodeDeliveryDetailsList []codeDelivery }{[]codeDelivery{}}, p.withUser(now, in.AccessToken, scopeAdmin, func(u *user) error {
		return p.setAttributes(now, u, given)
	})
}

// givenAttributes returns the changes of a call, including implied changes.
func givenAttributes(list []attribute) (map[string]string, error) {
	if list == nil {
		return nil, missing("userAttributes")
	}
	given := map[string]string{}
	for _, a := range list {
		if err := checkAttribute(a.Name, a.Value); err != nil {
			return nil, err
		}
		given[a.Name] = a.Value
	}
	for _, name := range []string{"email", "phone_number"} {
		_, changed := given[name]
		if _, said := given[name+"_verified"]; changed && !said {
			given[name+"_verified"] = "false"
		}
	}
	return given, nil
}

// setAttributes requires that the caller holds p.mu.
func (p *Pool) setAttributes(now time.Time, u *user, given map[string]string) error {
	next := func(name string) string {
		if v, ok := given[name]; ok {
			return v
		}
		return u.Attributes[name]
	}
	if email := next("email"); email != "" && next("email_verified") == "true" {
		if other := p.signInUser(email); other != nil && other != u {
			return aliasExists()
		}
	}
	for name, value := range given {
		if value == "" { // SPEC: an empty value removes the attribute
			delete(u.Attributes, name)
			continue
		}
		u.Attributes[name] = value
	}
	p.touch(now, u)
	return nil
}

func aliasExists() *Error {
	return &Error{Code: "AliasExistsException", Message: "An account with the email already exists."}
}

type deleteAttributesInput struct {
	UserPoolId, Username, AccessToken string
	UserAttributeNames                []string
}

func (p *Pool) adminDeleteUserAttributes(now time.Time, in *deleteAttributesInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	return nil, p.withNamed(adminInput{in.UserPoolId, in.Username}, func(u *user) error {
		p.removeAttributes(now, u, in.UserAttributeNames)
		return nil
	})
}

func (p *Pool) deleteUserAttributes(now time.Time, in *deleteAttributesInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if slices.Contains(in.UserAttributeNames, GroupsAttribute) {
		return nil, notAuthorized("A client attempted to write unauthorized attribute")
	}
	return nil, p.withUser(now, in.AccessToken, scopeAdmin, func(u *user) error {
		p.removeAttributes(now, u, in.UserAttributeNames)
		return nil
	})
}

func (in *deleteAttributesInput) check() error {
	if in.UserAttributeNames == nil {
		return missing("userAttributeNames")
	}
	for _, name := range in.UserAttributeNames {
		if err := checkAttribute(name, "true"); err != nil {
			return err
		}
	}
	return nil
}

// removeAttributes requires that the caller holds p.mu.
func (p *Pool) removeAttributes(now time.Time, u *user, names []string) {
	for _, name := range names {
		delete(u.Attributes, name)
		if name == "email" || name == "phone_number" {
			delete(u.Attributes, name+"_verified")
		}
	}
	p.touch(now, u)
}

type mfaSettings struct{ Enabled, PreferredMfa bool }

type mfaPreference struct {
	SMSMfaSettings           *mfaSettings
	SoftwareTokenMfaSettings *mfaSettings
	EmailMfaSettings         *mfaSettings
}

// setMFA changes the MFA preference of an account. The caller holds p.mu.
func (p *Pool) setMFA(now time.Time, u *user, in mfaPreference) error {
	factors := []struct {
		name string
		set  *mfaSettings
		on   *bool
	}{{smsMFA, in.SMSMfaSettings, &u.SMSMFA}, {emailOTP, in.EmailMfaSettings, &u.EmailMFA}, {softwareTokenMFA, in.SoftwareTokenMfaSettings, &u.TOTPOn}}
	for _, f := range factors {
		switch {
		case f.set == nil || !f.set.Enabled:
		case f.name == softwareTokenMFA && u.TOTPSecret == "":
			return invalidParameter("User has not verified software token mfa")
		case f.name != softwareTokenMFA && (!p.sends(f.name) || u.address(f.name) == ""):
			return invalidParameter("User does not have delivery config set to turn on " + f.name)
		}
	}
	for _, f := range factors {
		if f.set == nil {
			continue
		}
		*f.on = f.set.Enabled
		switch {
		case f.set.Enabled && f.set.PreferredMfa:
			u.Preferred = f.name
		case u.Preferred == f.name:
			u.Preferred = ""
		}
		p.touch(now, u)
	}
	return nil
}

type adminMFAPreferenceInput struct {
	UserPoolId, Username string
	mfaPreference
}

func (p *Pool) adminSetUserMFAPreference(now time.Time, in *adminMFAPreferenceInput) (any, error) {
	return nil, p.withNamed(adminInput{in.UserPoolId, in.Username}, func(u *user) error {
		return p.setMFA(now, u, in.mfaPreference)
	})
}
