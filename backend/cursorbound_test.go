package backend

import (
	"bytes"
	mrand "math/rand/v2"
	"testing"
	"time"
)

// A cursor opens for the question it was sealed for: the same verb, person,
// bucket, prefix and filter, until it expires.
func TestCursorsAreBound(t *testing.T) {
	s, err := NewSealer(mrand.NewChaCha8([32]byte{3}), bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	question := cursor{Verb: "list", Sub: "ada", Bucket: "company-reports", Prefix: "annual/", Hash: hashOf("false", "")}
	sealed := question
	sealed.Token, sealed.Expires = "token", now.Add(cursorLife)
	text, err := s.seal(sealed)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*cursor)
		later  time.Duration
		taken  bool
	}{
		"the same question":      {func(*cursor) {}, 0, true},
		"at its last instant":    {func(*cursor) {}, cursorLife, true},
		"an instant later":       {func(*cursor) {}, cursorLife + time.Nanosecond, false},
		"another verb":           {func(c *cursor) { c.Verb = "audit/query" }, 0, false},
		"another person":         {func(c *cursor) { c.Sub = "alan" }, 0, false},
		"another bucket":         {func(c *cursor) { c.Bucket = "builds" }, 0, false},
		"a folder above":         {func(c *cursor) { c.Prefix = "" }, 0, false},
		"a recursive listing":    {func(c *cursor) { c.Hash = hashOf("true", "") }, 0, false},
		"another place to start": {func(c *cursor) { c.Hash = hashOf("false", "a") }, 0, false},
	} {
		want := question
		c.change(&want)
		if _, err := s.open(text, want, now.Add(c.later)); (err == nil) != c.taken {
			t.Errorf("%s: %v", name, err)
		}
	}
}
