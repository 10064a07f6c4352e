package cursor

import (
	"bytes"
	"encoding/base64"
	mrand "math/rand/v2"
	"testing"
	"time"
)

// flipped seals cursors, flips one random bit of each, and returns the number
// that still open.
func flipped(s *Sealer, n int) (accepted int, err error) {
	rng := mrand.New(mrand.NewPCG(8, 2))
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	query := Cursor{Verb: "list", Sub: "11111111-2222-3333-4444-555555555555", Bucket: "company-reports", Prefix: "annual/audited/", Hash: Hash("false", "")}
	var raw []byte
	for i := range n {
		if i%100 == 0 {
			c := query
			c.Resume.Token, c.Root, c.Expires = "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=", "pannual/audited/", now.Add(Life)
			text, err := s.Seal(c)
			if err != nil {
				return 0, err
			}
			if _, err := s.Open(text, query, now); err != nil {
				return 0, err
			}
			if raw, err = base64.RawURLEncoding.DecodeString(text); err != nil {
				return 0, err
			}
		}
		at, bit := rng.IntN(len(raw)), byte(1)<<rng.IntN(8)
		raw[at] ^= bit
		if _, err := s.Open(base64.RawURLEncoding.EncodeToString(raw), query, now); err == nil {
			accepted++
		}
		raw[at] ^= bit
	}
	return accepted, nil
}

func TestFlippedCursors(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 5_000
	}
	random := mrand.NewChaCha8([32]byte{1})
	s, err := NewSealer(random, bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{8}, 32)) // as during a rotation
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := flipped(s, n)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("CURSOR flips=%d accepted=%d", n, accepted)
	if accepted != 0 {
		t.Errorf("%d of %d cursors with one flipped bit open", accepted, n)
	}
}

// During a rotation the new key seals and both keys open. Afterwards cursors of
// the old key are refused.
func TestCursorKeysRotate(t *testing.T) {
	random := mrand.NewChaCha8([32]byte{2})
	old, next := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	sealer := func(keys ...[]byte) *Sealer {
		s, err := NewSealer(random, keys...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before, during, after := sealer(old), sealer(next, old), sealer(next)
	now := time.Now()
	c := Cursor{Verb: "list", Sub: "s", Expires: now.Add(time.Minute)}
	for name, x := range map[string]struct {
		by, at *Sealer
		opens  bool
	}{
		"sealed before, opened during": {before, during, true}, "sealed during, opened after": {during, after, true},
		"sealed during, opened during": {during, during, true}, "sealed before, opened after": {before, after, false}, "sealed during, opened before": {during, before, false},
	} {
		text, err := x.by.Seal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.at.Open(text, c, now); (err == nil) != x.opens {
			t.Errorf("%s: %v", name, err)
		}
	}
}
