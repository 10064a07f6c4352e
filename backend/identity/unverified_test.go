package identity_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"usher/backend/identity"
)

// The session of a token that nobody has checked is its origin_jti, or nothing.
func TestUnverified(t *testing.T) {
	token := func(payload string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
	}
	for text, want := range map[string]string{
		token(`{"origin_jti":"one"}`):                              "one",
		token(`{"origin_jti":"one","origin_jti":"two"}`):           "",
		token(`{"origin_jti":"with space"}`):                       "",
		token(`{"origin_jti":"` + strings.Repeat("x", 129) + `"}`): "",
		token(`{"origin_jti":7}`):                                  "",
		token(`{}`):                                                "",
		token(`null`):                                              "",
		token(`{"a":"` + strings.Repeat("x", 32<<10) + `","origin_jti":"one"}`): "",
		"":       "",
		"a.b":    "",
		"a.b!.c": "",
		"a.b.c":  "",
	} {
		if got := identity.Unverified(text); got != want {
			t.Errorf("%.60q: %q, want %q", text, got, want)
		}
	}
}
