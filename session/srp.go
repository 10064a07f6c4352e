package session

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"
)

// The client's side of Cognito's Secure Remote Password protocol, which proves
// a password without sending it. It is SRP-6a (RFC 5054 §2.5, with S as §2.6)
// over SHA-256, with these deviations as in Amazon's own client
// (amazon-cognito-identity-js, AuthenticationHelper and CognitoUser):
//
//   - the group is the 3072-bit one of RFC 3526 §4 with generator 2
//     (RFC 5054's own 3072-bit group is the same prime with generator 5);
//   - numbers are hashed as two's complement of minimal length (pad below),
//     not padded to the length of N;
//   - the identity is pool name + user id, and the key is HKDF-SHA-256
//     (RFC 5869) of S, salt u, info "Caldera Derived Key", 16 bytes;
//   - the proof is HMAC-SHA-256 over pool name, user id, secret block and
//     timestamp. The server proves nothing.
const srpPrime = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74" +
	"020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437" +
	"4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED" +
	"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05" +
	"98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB" +
	"9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B" +
	"E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718" +
	"3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33" +
	"A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7" +
	"ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864" +
	"D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E2" +
	"08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF"

// srpTime is the layout of the timestamp in the proof, in UTC. The day has no
// leading zero.
const srpTime = "Mon Jan 2 15:04:05 UTC 2006"

// srpClient is one attempt; a is its ephemeral secret.
type srpClient struct {
	n, g, a, bigA *big.Int
	pool          string // the part of the pool ID after the region
}

// srpChallenge holds the parameters of Cognito's challenge.
type srpChallenge struct {
	userID      string // USER_ID_FOR_SRP
	salt, bigB  *big.Int
	secretBlock []byte
}

var errSRP = errors.New("the challenge is not one of SRP")

// newSRP draws an ephemeral secret of 128 bytes, as Amazon's client does.
func newSRP(random io.Reader, poolID string) (*srpClient, error) {
	secret := make([]byte, 128)
	if _, err := io.ReadFull(random, secret); err != nil {
		return nil, fmt.Errorf("drawing randomness: %w", err)
	}
	return srpFrom(new(big.Int).SetBytes(secret), poolID)
}

func srpFrom(a *big.Int, poolID string) (*srpClient, error) {
	_, pool, ok := strings.Cut(poolID, "_")
	n, parsed := new(big.Int).SetString(srpPrime, 16)
	if !ok || !parsed || a.Sign() <= 0 {
		return nil, errSRP
	}
	g := big.NewInt(2)
	return &srpClient{n: n, g: g, a: a, bigA: new(big.Int).Exp(g, a, n), pool: pool}, nil
}

// publicA returns SRP_A.
func (c *srpClient) publicA() string { return c.bigA.Text(16) }

// readChallenge checks the parameters of PASSWORD_VERIFIER.
func (c *srpClient) readChallenge(parameters map[string]string) (srpChallenge, error) {
	ch := srpChallenge{userID: parameters["USER_ID_FOR_SRP"]}
	var okSalt, okB bool
	ch.salt, okSalt = hexNumber(parameters["SALT"], 256)
	ch.bigB, okB = hexNumber(parameters["SRP_B"], 768)
	block, err := base64.StdEncoding.DecodeString(parameters["SECRET_BLOCK"])
	ch.secretBlock = block
	if err != nil || !okSalt || !okB || ch.userID == "" || len(block) == 0 || len(block) > 16<<10 {
		return ch, errSRP
	}
	// SPEC: RFC 5054 §2.5.4: the client aborts if B % N is zero, because the
	// proof would not depend on the password's verifier.
	if new(big.Int).Mod(ch.bigB, c.n).Sign() == 0 {
		return ch, errSRP
	}
	return ch, nil
}

func hexNumber(s string, limit int) (*big.Int, bool) {
	if s == "" || len(s) > limit || strings.Trim(s, "0123456789abcdefABCDEF") != "" {
		return nil, false
	}
	return new(big.Int).SetString(s, 16)
}

// key derives the key of the proof from the password.
func (c *srpClient) key(ch srpChallenge, password []byte) ([]byte, error) {
	u := hashNumber(pad(c.bigA), pad(ch.bigB))
	if u.Sign() == 0 {
		return nil, errSRP
	}
	x := c.x(ch.userID, password, ch.salt)
	k := hashNumber(pad(c.n), pad(c.g))
	// S = (B - k·g^x) ^ (a + u·x) mod N
	base := new(big.Int).Exp(c.g, x, c.n)
	base.Sub(ch.bigB, base.Mul(base, k)).Mod(base, c.n)
	exponent := new(big.Int).Add(c.a, new(big.Int).Mul(u, x))
	s := new(big.Int).Exp(base, exponent, c.n)
	return hkdf.Key(sha256.New, pad(s), pad(u), "Caldera Derived Key", 16)
}

// x returns the private number of a password.
func (c *srpClient) x(userID string, password []byte, salt *big.Int) *big.Int {
	h := sha256.New()
	h.Write([]byte(c.pool + userID + ":"))
	h.Write(password)
	return hashNumber(pad(salt), h.Sum(nil))
}

// proof returns PASSWORD_CLAIM_SIGNATURE and the TIMESTAMP it covers.
func (c *srpClient) proof(ch srpChallenge, password []byte, now time.Time) (signature, timestamp string, err error) {
	key, err := c.key(ch, password)
	if err != nil {
		return "", "", err
	}
	timestamp = now.UTC().Format(srpTime)
	mac := hmac.New(sha256.New, key)
	for _, part := range [][]byte{[]byte(c.pool), []byte(ch.userID), ch.secretBlock, []byte(timestamp)} {
		mac.Write(part)
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil)), timestamp, nil
}

// pad returns a number as two's complement of minimal length: with a zero byte
// in front if the highest bit is set.
func pad(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) == 0 || b[0]&0x80 != 0 {
		return append([]byte{0}, b...)
	}
	return b
}

func hashNumber(parts ...[]byte) *big.Int {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return new(big.Int).SetBytes(h.Sum(nil))
}
