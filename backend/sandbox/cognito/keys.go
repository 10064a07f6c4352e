package cognito

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
)

// keyring holds the pool's signing keys.
//
// SPEC: using-tokens-verifying-a-jwt: RS256 with 2048-bit keys, one pair for
// ID tokens and one for access tokens, so two keys in the JWKS.
type keyring struct {
	mu     sync.Mutex
	making sync.Mutex // held during key generation, about 0.2 s per pair
	access *keyPair
	id     *keyPair
	old    []*keyPair // previous pairs: published, and valid for verification
}

type keyPair struct {
	kid string
	use string // type of the signed tokens: "access" or "id"
	key *rsa.PrivateKey
}

// Warm generates the signing keys, which takes about a third of a second.
// Without Warm, the first sign-in generates them. For a fast start, call Warm in
// the background after the first frame.
func (p *Pool) Warm() error {
	if err := p.makeKeys(); err != nil {
		return err
	}
	return p.save()
}

// RotateKeys generates new signing keys and uses them from now on. The previous
// keys stay in the JWKS until ForgetOldKeys.
func (p *Pool) RotateKeys() error {
	if err := p.newKeys(true); err != nil {
		return err
	}
	return p.save()
}

// ForgetOldKeys removes the previous keys from the JWKS. Their tokens are
// invalid from now on.
func (p *Pool) ForgetOldKeys() error {
	p.keys.mu.Lock()
	p.keys.old = nil
	p.keys.mu.Unlock()
	p.keysChanged()
	return p.save()
}

func (p *Pool) makeKeys() error {
	if access, _ := p.keys.pairs(); access != nil {
		return nil
	}
	return p.newKeys(false)
}

// newKeys generates two pairs concurrently. Without replace, existing pairs
// stay, including those of a concurrent call.
func (p *Pool) newKeys(replace bool) error {
	p.keys.making.Lock()
	defer p.keys.making.Unlock()
	if access, _ := p.keys.pairs(); access != nil && !replace {
		return nil
	}
	var pairs [2]*keyPair
	var failures [2]error
	var wait sync.WaitGroup
	for i, use := range []string{"access", "id"} {
		wait.Go(func() {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				failures[i] = err
				return
			}
			kid := base64.StdEncoding.EncodeToString(p.random(32)) // ends in "=", like the service's
			pairs[i] = &keyPair{kid: kid, use: use, key: key}
		})
	}
	wait.Wait()
	if err := errors.Join(failures[:]...); err != nil {
		return fmt.Errorf("cognito: making signing keys: %w", err)
	}
	p.keys.mu.Lock()
	if p.keys.access != nil {
		p.keys.old = append(p.keys.old, p.keys.access, p.keys.id)
	}
	p.keys.access, p.keys.id = pairs[0], pairs[1]
	p.keys.mu.Unlock()
	p.keysChanged()
	return nil
}

func (p *Pool) keysChanged() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed++
}

func (k *keyring) pairs() (access, id *keyPair) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.access, k.id
}

// all returns the published pairs, the current ones first.
func (k *keyring) all() []*keyPair {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.access == nil {
		return nil
	}
	return append([]*keyPair{k.access, k.id}, k.old...)
}

// jwt signs claims.
//
// SPEC: using-the-access-token: the header has kid and alg, and no typ.
func (k *keyPair) jwt(claims any) (string, error) {
	header, err := json.Marshal(struct {
		Kid string `json:"kid"`
		Alg string `json:"alg"`
	}{k.kid, "RS256"})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("cognito: writing claims: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	signing := encode(header) + "." + encode(body)
	digest := sha256.Sum256([]byte(signing))
	signature, err := rsa.SignPKCS1v15(nil, k.key, crypto.SHA256, digest[:])
	if err != nil {
		return "", fmt.Errorf("cognito: signing a token: %w", err)
	}
	return signing + "." + encode(signature), nil
}

// SignAccess signs arbitrary claims with the access tokens' key. Tests of a
// verifier create hostile tokens with it.
func (p *Pool) SignAccess(claims map[string]any) (string, error) {
	if err := p.makeKeys(); err != nil {
		return "", err
	}
	access, _ := p.keys.pairs()
	return access.jwt(claims)
}

// readAccess verifies an access token's signature and returns its claims. It
// checks neither expiry nor revocation.
func (p *Pool) readAccess(token string) (*accessClaims, error) {
	invalid := notAuthorized("Invalid Access Token")
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, invalid
	}
	var raw [3][]byte
	for i, part := range parts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil {
			return nil, invalid
		}
		raw[i] = b
	}
	var header struct{ Kid, Alg string }
	if json.Unmarshal(raw[0], &header) != nil || header.Alg != "RS256" {
		return nil, invalid
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	for _, k := range p.keys.all() {
		if k.kid != header.Kid || k.use != "access" {
			continue
		}
		var claims accessClaims
		if rsa.VerifyPKCS1v15(&k.key.PublicKey, crypto.SHA256, digest[:], raw[2]) != nil ||
			json.Unmarshal(raw[1], &claims) != nil || claims.TokenUse != "access" {
			return nil, invalid
		}
		return &claims, nil
	}
	return nil, invalid
}

// jwks returns the pool's published key set.
func (p *Pool) jwks() any {
	type jwk struct {
		Alg string `json:"alg"`
		E   string `json:"e"`
		Kid string `json:"kid"`
		Kty string `json:"kty"`
		N   string `json:"n"`
		Use string `json:"use"`
	}
	encode := base64.RawURLEncoding.EncodeToString
	keys := []jwk{}
	for _, k := range p.keys.all() {
		e := big.NewInt(int64(k.key.E)).Bytes()
		keys = append(keys, jwk{"RS256", encode(e), k.kid, "RSA", encode(k.key.N.Bytes()), "sig"})
	}
	return map[string]any{"keys": keys}
}
