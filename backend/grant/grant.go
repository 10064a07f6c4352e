package grant

import (
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"usher/backend/api/shape"
)

// Effect is allow or deny.
type Effect string

// The two effects. An empty effect means Allow.
const (
	Allow Effect = "allow"
	Deny  Effect = "deny"
)

// Bounds of a grant's texts.
const (
	MaxKey    = shape.MaxKey // bytes
	MaxReason = 1024         // bytes
)

// Grant allows or denies a group the read of one object or of one prefix. If
// Object is set, the grant covers that one object, and Prefix is empty.
// Otherwise the grant covers every key that begins with Prefix, and an empty
// Prefix is the whole bucket. A parser of grants must distinguish a missing
// prefix from one written as "".
//
// A grant is in force from NotBefore (inclusive) to Expires (exclusive); a zero
// instant sets no bound.
type Grant struct {
	Group     string
	Bucket    string
	Prefix    string
	Object    string
	Effect    Effect
	NotBefore time.Time
	Expires   time.Time
	Reason    string
}

// Problem is one fault of a grant: the field (as the grants file spells it),
// the fault, and the fix. It holds no text of the grant.
type Problem struct {
	Field, Text, Fix string
}

// Error returns the problem as one sentence.
func (p Problem) Error() string { return p.Field + " " + p.Text + ": " + p.Fix }

// Validate returns all Problems of the grant, joined, or nil.
func (g Grant) Validate() error {
	var errs []error
	for _, p := range g.Problems() {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

// Problems returns the result of Validate as a list, with the field of each
// problem.
func (g Grant) Problems() []Problem {
	var all []Problem
	wrong := func(field, text, fix string) { all = append(all, Problem{field, text, fix}) }
	switch {
	case g.Group == "":
		wrong("group", "is empty", "name the Cognito group")
	case !ValidGroup(g.Group):
		wrong("group", "is not a name that Cognito accepts", "use 1 to 128 letters, digits, symbols and punctuation, and no spaces")
	}
	switch {
	case g.Bucket == "":
		wrong("bucket", "is empty", "name the bucket")
	case !ValidBucket(g.Bucket):
		wrong("bucket", "is not a bucket name", "use 3 to 63 of a-z, 0-9, dot and hyphen, as in S3's naming rules")
	}
	switch {
	case g.Prefix != "" && g.Object != "":
		wrong("object", "is set together with a prefix", "keep one of the two, or write two grants")
	case g.Object != "" && !ValidKey(g.Object):
		wrong("object", "is not an object key", "use 1 to 1024 bytes of UTF-8 without NUL")
	case g.Prefix != "" && !ValidKey(g.Prefix):
		wrong("prefix", "is not the beginning of an object key", "use at most 1024 bytes of UTF-8 without NUL")
	case !ValidPrefix(g.Prefix):
		wrong("prefix", `does not end in "/"`, `put a "/" at its end for a folder, or write object: for one object`)
	}
	if g.Effect != "" && g.Effect != Allow && g.Effect != Deny {
		wrong("effect", "is neither allow nor deny", "write allow or deny; without effect, the grant allows")
	}
	if !validInstant(g.NotBefore) {
		wrong("not_before", "is outside the years 1970 to 9999", "write a time such as 2026-12-31T00:00:00Z")
	}
	if !validInstant(g.Expires) {
		wrong("expires", "is outside the years 1970 to 9999", "write a time such as 2026-12-31T00:00:00Z")
	}
	if !g.NotBefore.IsZero() && !g.Expires.IsZero() && !g.NotBefore.Before(g.Expires) {
		wrong("expires", "is not after not_before", "the window must end after it starts")
	}
	if len(g.Reason) > MaxReason || !utf8.ValidString(g.Reason) {
		wrong("reason", "is too long or not UTF-8", "use at most 1024 bytes of UTF-8")
	}
	return all
}

func validInstant(t time.Time) bool {
	return t.IsZero() || t.UTC().Year() >= 1970 && t.UTC().Year() <= 9999
}

// String returns the grant on one line, without its reason. Two grants of
// different meaning never have the same line: the path, which may hold any
// character, comes last.
//
//	allow finance-team company-reports/quarterly/
//	deny contractors until 2026-12-31T00:00:00Z object builds/latest.zip
func (g Grant) String() string {
	var b strings.Builder
	b.WriteString(string(g.effect()))
	b.WriteByte(' ')
	b.WriteString(g.Group)
	if !g.NotBefore.IsZero() {
		b.WriteString(" from " + g.NotBefore.UTC().Format(time.RFC3339Nano))
	}
	if !g.Expires.IsZero() {
		b.WriteString(" until " + g.Expires.UTC().Format(time.RFC3339Nano))
	}
	if g.Object != "" {
		b.WriteString(" object")
	}
	b.WriteString(" " + g.Bucket + "/" + g.path())
	return b.String()
}

// effect returns the effect, with the default applied.
func (g *Grant) effect() Effect {
	if g.Effect == "" {
		return Allow
	}
	return g.Effect
}

// path returns the object key or the prefix of the grant.
func (g *Grant) path() string {
	if g.Object != "" {
		return g.Object
	}
	return g.Prefix
}

// inForce reports whether now is within the grant's window.
func (g *Grant) inForce(now time.Time) bool {
	return (g.NotBefore.IsZero() || !now.Before(g.NotBefore)) && (g.Expires.IsZero() || now.Before(g.Expires))
}

// reaches reports whether the grant's own path covers a key.
func (g *Grant) reaches(bucket, key string) bool {
	if g.Bucket != bucket {
		return false
	}
	if g.Object != "" {
		return g.Object == key
	}
	return strings.HasPrefix(key, g.Prefix)
}

// ValidKey reports whether a request can name an object of this key. See
// shape.KeyProblem.
func ValidKey(key string) bool { return key != "" && shape.KeyProblem(key) == "" }

// ValidPrefix reports whether a text names a folder: either a key that ends in
// "/", or the empty text for the bucket itself.
func ValidPrefix(prefix string) bool {
	return prefix == "" || ValidKey(prefix) && prefix[len(prefix)-1] == '/'
}

// ValidGroup reports whether Cognito accepts a group of this name.
func ValidGroup(name string) bool { return shape.CognitoName(name) }

// ValidBucket reports whether a text is the name of a general purpose bucket.
func ValidBucket(name string) bool { return shape.BucketProblem(name) == "" }
