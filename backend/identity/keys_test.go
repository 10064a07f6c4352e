package identity

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// A key set yields only keys of the form that Cognito publishes: RSA keys of
// 2,048 bits for RS256 signatures.
func TestAcceptedKeys(t *testing.T) {
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	good := jose.JSONWebKey{Key: &long.PublicKey, KeyID: "good", Use: "sig", Algorithm: "RS256"}
	for name, c := range map[string]struct {
		change   func(*jose.JSONWebKey)
		accepted bool
	}{
		"as published":      {func(*jose.JSONWebKey) {}, true},
		"1,024 bits":        {func(k *jose.JSONWebKey) { k.Key = &short.PublicKey }, false},
		"exponent 1":        {func(k *jose.JSONWebKey) { k.Key = &rsa.PublicKey{N: long.N, E: 1} }, false},
		"an even exponent":  {func(k *jose.JSONWebKey) { k.Key = &rsa.PublicKey{N: long.N, E: 65536} }, false},
		"for encryption":    {func(k *jose.JSONWebKey) { k.Use = "enc" }, false},
		"another algorithm": {func(k *jose.JSONWebKey) { k.Algorithm = "RS512" }, false},
		"without an id":     {func(k *jose.JSONWebKey) { k.KeyID = "" }, false},
		"a shared secret":   {func(k *jose.JSONWebKey) { k.Key = []byte("a secret of 32 bytes, that's all") }, false},
	} {
		key, other := good, good
		c.change(&key)
		other.KeyID = "other" // a set needs one good key
		body, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key, other}})
		if err != nil {
			t.Fatal(err)
		}
		keys, err := parseKeys(body)
		if err != nil || len(keys) == 0 {
			t.Errorf("%s: %v, %d keys", name, err, len(keys))
		}
		if (len(keys) == 2) != c.accepted {
			t.Errorf("%s: %d keys are accepted", name, len(keys))
		}
	}
}
