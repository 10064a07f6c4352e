package backend

import (
	"crypto/rand"
	"log/slog"
	"maps"
	"slices"
	"time"

	"usher/backend/api"
)

// Verbs are all paths that take a token, so that no test forgets one.
func Verbs() []string {
	b, err := New(Config{
		Public: api.Config{Region: "none", AuditorsGroup: "none", AdminsGroup: "none"}, Verifier: struct{ Verifier }{}, Directory: struct{ Directory }{}, Grants: struct{ Grants }{}, Objects: struct{ Objects }{},
		Signer: struct{ Signer }{}, Clock: struct{ Clock }{}, Audit: struct{ Log }{}, Access: struct{ Access }{}, Cursors: Unsealed(), URLLife: time.Minute,
		Hosts: []string{"none"}, Now: time.Now, NewID: func(time.Time) string { return "" }, Log: slog.Default(),
	})
	if err != nil {
		panic(err)
	}
	return slices.Sorted(maps.Keys(b.routes))
}

// Flipped is the check of the seal on cursors, for its negative control.
var Flipped = flipped

// Unsealed is the seal on cursors switched off.
func Unsealed() *Sealer {
	s, err := NewSealer(rand.Reader, make([]byte, 32))
	if err != nil {
		panic(err)
	}
	s.ciphers[0] = unsealed{s.ciphers[0]}
	return s
}
