package shape

import (
	"regexp"
	"sync"
)

// Form is the form of a text. See NewForm.
type Form struct{ compiled func() *regexp.Regexp }

// NewForm returns the form of a regular expression, which is compiled at its first
// use: a counted repetition such as {1,512} takes up to milliseconds, and every start
// of the program would wait for all of them. A faulty expression panics.
func NewForm(expression string) Form {
	return Form{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })}
}

// Matches reports whether a text has the form.
func (f Form) Matches(s string) bool { return f.compiled().MatchString(s) }

// Parts returns the text and its parenthesized parts, nil if it does not have the form.
func (f Form) Parts(s string) []string { return f.compiled().FindStringSubmatch(s) }

var word = NewForm(`^[0-9A-Za-z-]{1,64}$`)

// Word reports whether a text is one word of at most 64 ASCII letters, digits and
// hyphens, as are the ids of events and requests, and the error codes of AWS.
func Word(s string) bool { return word.Matches(s) }
