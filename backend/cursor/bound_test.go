package cursor

import (
	"bytes"
	mrand "math/rand/v2"
	"testing"
	"time"
)

// A cursor opens only for its own query (verb, person, bucket, prefix and
// filter), and until it expires.
func TestCursorsAreBound(t *testing.T) {
	s, err := NewSealer(mrand.NewChaCha8([32]byte{3}), bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	query := Cursor{Verb: "list", Sub: "ada", Bucket: "company-reports", Prefix: "annual/", Hash: Hash("false", "")}
	sealed := query
	sealed.Token, sealed.Expires = "token", now.Add(Life)
	text, err := s.Seal(sealed)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Cursor)
		later  time.Duration
		valid  bool
	}{
		"the same query":      {func(*Cursor) {}, 0, true},
		"at its last instant": {func(*Cursor) {}, Life, true},
		"an instant later":    {func(*Cursor) {}, Life + time.Nanosecond, false},
		"another verb":        {func(c *Cursor) { c.Verb = "audit/query" }, 0, false},
		"another person":      {func(c *Cursor) { c.Sub = "alan" }, 0, false},
		"another bucket":      {func(c *Cursor) { c.Bucket = "builds" }, 0, false},
		"a folder above":      {func(c *Cursor) { c.Prefix = "" }, 0, false},
		"a recursive listing": {func(c *Cursor) { c.Hash = Hash("true", "") }, 0, false},
		"another start":       {func(c *Cursor) { c.Hash = Hash("false", "a") }, 0, false},
	} {
		want := query
		c.change(&want)
		if _, err := s.Open(text, want, now.Add(c.later)); (err == nil) != c.valid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
