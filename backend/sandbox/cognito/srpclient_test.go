package cognito

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// srpClient is the client's side of the exchange. It is independent of srp.go
// except for the prime's digits: it computes on hexadecimal text, as the
// service's own clients do, and contains its own HKDF.
type srpClient struct {
	pool   string
	a, A   *big.Int
	padded func(*big.Int) string // the rule under test
}

func newSRPClient(pool string, a *big.Int) *srpClient {
	return &srpClient{pool: pool, a: a, A: new(big.Int).Exp(big.NewInt(2), a, clientPrime()), padded: paddedHex}
}

func clientPrime() *big.Int {
	n, ok := new(big.Int).SetString(srpPrimeHex, 16)
	if !ok {
		panic("the prime is not a number")
	}
	return n
}

func paddedHex(n *big.Int) string {
	s := n.Text(16)
	if len(s)%2 == 1 {
		return "0" + s
	}
	if strings.ContainsRune("89abcdef", rune(s[0])) {
		return "00" + s
	}
	return s
}

func hexHash(hexText string) string {
	raw, err := hex.DecodeString(hexText)
	if err != nil {
		panic(err)
	}
	h := sha256.Sum256(raw)
	return hex.EncodeToString(h[:])
}

func hexNumber(s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 16)
	if !ok {
		panic("not hexadecimal: " + s)
	}
	return n
}

// key returns the password authentication key, or an error if the server's B is
// invalid.
func (c *srpClient) key(userID, password string, B, salt *big.Int) ([]byte, error) {
	N := clientPrime()
	if new(big.Int).Mod(B, N).Sign() == 0 {
		return nil, fmt.Errorf("B is zero")
	}
	u := hexNumber(hexHash(c.padded(c.A) + c.padded(B)))
	k := hexNumber(hexHash("00" + srpPrimeHex + "02"))
	userHash := sha256.Sum256([]byte(c.pool + userID + ":" + password))
	x := hexNumber(hexHash(c.padded(salt) + hex.EncodeToString(userHash[:])))
	base := new(big.Int).Sub(B, new(big.Int).Mul(k, new(big.Int).Exp(big.NewInt(2), x, N)))
	base.Mod(base, N)
	S := base.Exp(base, new(big.Int).Add(c.a, new(big.Int).Mul(u, x)), N)

	ikm, _ := hex.DecodeString(c.padded(S))
	prkSalt, _ := hex.DecodeString(c.padded(u))
	prk := hmac.New(sha256.New, prkSalt)
	prk.Write(ikm)
	okm := hmac.New(sha256.New, prk.Sum(nil))
	okm.Write([]byte("Caldera Derived Key\x01"))
	return okm.Sum(nil)[:16], nil
}

// answer returns the ChallengeResponses of PASSWORD_VERIFIER.
func (c *srpClient) answer(challenge map[string]string, password string, now time.Time) (map[string]string, error) {
	userID := challenge["USER_ID_FOR_SRP"]
	key, err := c.key(userID, password, hexNumber(challenge["SRP_B"]), hexNumber(challenge["SALT"]))
	if err != nil {
		return nil, err
	}
	block, err := base64.StdEncoding.DecodeString(challenge["SECRET_BLOCK"])
	if err != nil {
		return nil, err
	}
	timestamp := now.UTC().Format("Mon Jan 2 15:04:05 UTC 2006")
	m := hmac.New(sha256.New, key)
	for _, part := range [][]byte{[]byte(c.pool), []byte(userID), block, []byte(timestamp)} {
		m.Write(part)
	}
	return map[string]string{
		"USERNAME":                    userID,
		"PASSWORD_CLAIM_SECRET_BLOCK": challenge["SECRET_BLOCK"],
		"PASSWORD_CLAIM_SIGNATURE":    base64.StdEncoding.EncodeToString(m.Sum(nil)),
		"TIMESTAMP":                   timestamp,
	}, nil
}
