package api_test

import (
	"testing"

	"usher/backend/api"
)

// The broken rules of a password are named, and no others.
func TestPasswordLacks(t *testing.T) {
	rules := api.DefaultPasswordRules()
	for _, c := range []struct {
		rules    api.PasswordRules
		password string
		want     string
	}{
		{rules, "Correct-Horse-7", ""}, {rules, "Correct Horse 7", ""},
		{rules, "correct-horse-7", "an uppercase letter"},
		{rules, "Correct-Horse", "a digit"},
		{rules, "CorrectHorse7", "a symbol such as ! or #"},
		{rules, "CORRECTHORSE", "a lowercase letter, a digit and a symbol such as ! or #"},
		{rules, "Aa1!äöü", "1 more character"}, {rules, "Aa1!", "4 more characters"},
		{api.PasswordRules{Length: 12}, "elevenchars", "1 more character"}, {api.PasswordRules{Length: 6}, "abcdef", ""},
	} {
		if got := c.rules.Lacks([]byte(c.password)); got != c.want {
			t.Errorf("%q lacks %q, want %q", c.password, got, c.want)
		}
	}
}
