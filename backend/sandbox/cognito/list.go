package cognito

import (
	"encoding/base64"
	"slices"
	"strings"
)

const maxPage = 60 // entries; SPEC: quotas

// page returns one page of sorted names. A token contains the name of its list and
// the last entry of its page. The addition or removal of an entry between two pages
// therefore neither repeats nor hides other entries.
func page(list string, names []string, limit *int, token string) (cut []string, next string, err error) {
	size := maxPage
	if limit != nil {
		if *limit < 0 || *limit > maxPage {
			return nil, "", invalidParameter("1 validation error detected: Value at 'limit' failed to satisfy constraint: " +
				"Member must have value less than or equal to 60")
		}
		if *limit > 0 {
			size = *limit
		}
	}
	start := 0
	if token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		after, ours := strings.CutPrefix(string(raw), list+"\x00")
		if err != nil || !ours {
			return nil, "", invalidParameter("Invalid pagination token")
		}
		at, found := slices.BinarySearch(names, after)
		if start = at; found {
			start++
		}
	}
	names = names[start:]
	if len(names) <= size {
		return names, "", nil
	}
	names = names[:size]
	return names, base64.RawURLEncoding.EncodeToString([]byte(list + "\x00" + names[size-1])), nil
}

// parseFilter parses the filter of ListUsers: one attribute, = or ^= (begins
// with), and a quoted value.
//
// SPEC: API ListUsers, Filter.
func parseFilter(filter string) (func(*user) bool, error) {
	if strings.TrimSpace(filter) == "" {
		return func(*user) bool { return true }, nil
	}
	bad := invalidParameter("Error while parsing filter.")
	left, quoted, ok := strings.Cut(filter, "=")
	if !ok {
		return nil, bad
	}
	name, prefix := strings.CutSuffix(strings.TrimSpace(left), "^")
	name = strings.Trim(strings.TrimSpace(name), `"`)
	quoted = strings.TrimSpace(quoted)
	if len(quoted) < 2 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
		return nil, bad
	}
	want := strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	field, ok := filterFields[name]
	if !ok {
		return nil, bad
	}
	if name == "status" {
		want = strings.ToLower(want)
	}
	return func(u *user) bool {
		if prefix {
			return strings.HasPrefix(field(u), want)
		}
		return field(u) == want
	}, nil
}

var filterFields = map[string]func(*user) string{
	"username":            func(u *user) string { return u.Username },
	"sub":                 func(u *user) string { return u.Sub },
	"cognito:user_status": func(u *user) string { return u.Status },
	"email":               func(u *user) string { return u.Attributes["email"] },
	"name":                func(u *user) string { return u.Attributes["name"] },
	"given_name":          func(u *user) string { return u.Attributes["given_name"] },
	"family_name":         func(u *user) string { return u.Attributes["family_name"] },
	"preferred_username":  func(u *user) string { return u.Attributes["preferred_username"] },
	"phone_number":        func(u *user) string { return u.Attributes["phone_number"] },
	"status": func(u *user) string { // enabled or disabled, not UserStatus
		if u.Disabled {
			return "disabled"
		}
		return "enabled"
	},
}
