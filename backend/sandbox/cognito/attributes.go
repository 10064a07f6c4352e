package cognito

import (
	"slices"
	"time"
)

// standardAttributes are those of OpenID Connect that a pool has without a
// schema of its own.
//
// SPEC: user-pool-settings-attributes, "Standard attributes".
func standardAttributes() []string {
	return []string{"address", "birthdate", "email", "email_verified", "family_name", "gender", "given_name", "locale",
		"middle_name", "name", "nickname", "phone_number", "phone_number_verified", "picture", "preferred_username",
		"profile", "updated_at", "website", "zoneinfo"}
}

// checkAttribute holds a name and its value to the pool's schema.
func checkAttribute(name, value string) error {
	switch {
	case name == "":
		return missing("userAttributes.1.member.name")
	case name == "sub":
		return invalidParameter("user.sub: Attribute cannot be updated.")
	case !slices.Contains(standardAttributes(), name):
		return invalidParameter("Attributes did not conform to the schema: " + quoteID(name) + ": Attribute does not exist in the schema.")
	case len(value) > 2048:
		return invalidParameter("user." + name + ": String must be no longer than 2048 characters")
	case (name == "email_verified" || name == "phone_number_verified") && value != "true" && value != "false":
		return invalidParameter("user." + name + ": Invalid boolean value")
	}
	return nil
}

type adminUpdateAttributesInput struct {
	UserPoolId, Username string
	UserAttributes       []attribute
}

// adminUpdateUserAttributes changes attributes. A new address counts as
// verified only if the same call says so.
//
// SPEC: API AdminUpdateUserAttributes.
func (p *Pool) adminUpdateUserAttributes(now time.Time, in *adminUpdateAttributesInput) (any, error) {
	if in.UserAttributes == nil {
		return nil, missing("userAttributes")
	}
	given := map[string]string{}
	for _, a := range in.UserAttributes {
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
	return nil, p.withNamed(adminInput{in.UserPoolId, in.Username}, func(u *user) error {
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
	})
}

func aliasExists() *Error {
	return &Error{Code: "AliasExistsException", Message: "An account with the email already exists."}
}

type adminDeleteAttributesInput struct {
	UserPoolId, Username string
	UserAttributeNames   []string
}

func (p *Pool) adminDeleteUserAttributes(now time.Time, in *adminDeleteAttributesInput) (any, error) {
	if in.UserAttributeNames == nil {
		return nil, missing("userAttributeNames")
	}
	for _, name := range in.UserAttributeNames {
		if err := checkAttribute(name, "true"); err != nil {
			return nil, err
		}
	}
	return nil, p.withNamed(adminInput{in.UserPoolId, in.Username}, func(u *user) error {
		for _, name := range in.UserAttributeNames {
			delete(u.Attributes, name)
			if name == "email" || name == "phone_number" {
				delete(u.Attributes, name+"_verified")
			}
		}
		p.touch(now, u)
		return nil
	})
}

type mfaSettings struct{ Enabled, PreferredMfa bool }

type mfaPreference struct {
	SMSMfaSettings           *mfaSettings
	SoftwareTokenMfaSettings *mfaSettings
	EmailMfaSettings         *mfaSettings
}

// setMFA changes the factors of an account. It needs p.mu.
func (p *Pool) setMFA(now time.Time, u *user, in mfaPreference) error {
	for name, s := range map[string]*mfaSettings{"SMS_MFA": in.SMSMfaSettings, "EMAIL_OTP": in.EmailMfaSettings} {
		if s != nil && s.Enabled { // the pool has neither
			return invalidParameter("User does not have delivery config set to turn on " + name)
		}
	}
	if in.SoftwareTokenMfaSettings == nil {
		return nil
	}
	if in.SoftwareTokenMfaSettings.Enabled && u.TOTPSecret == "" {
		return invalidParameter("User has not verified software token mfa")
	}
	u.TOTPOn = in.SoftwareTokenMfaSettings.Enabled
	p.touch(now, u)
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
