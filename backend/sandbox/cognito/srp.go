package cognito

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"math/big"
)

// The server's side of SRP-6a in Cognito's variant. The group is the 3072-bit
// group of RFC 5054 appendix A with generator 2; the hash is SHA-256. AWS
// publishes the construction only in its clients. The references are therefore
// amazon-cognito-identity-js and cognito-srp-helper.
//
//	k = H(pad N | pad g)    x = H(pad salt | H(pool | user ":" password))    v = g^x
//	B = k·v + g^b           u = H(pad A | pad B)                             S = (A·v^u)^b
//	key = HKDF-SHA256(secret: pad S, salt: pad u, info: "Caldera Derived Key", 16 bytes)
//	claim = HMAC-SHA256(key, pool | user | secret block | timestamp)
//
// pool is the part of the pool id after the underscore and user is
// USER_ID_FOR_SRP. Numbers are padded to their own length, not to that of the
// group. A client with another padding fails once in 256 times.

const srpPrimeHex = "" +
	"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD" +
	"EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED" +
	"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F" +
	"83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B" +
	"E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510" +
	"15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7" +
	"ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C" +
	"BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF"

// These are constants: nothing writes to them.
var (
	srpN, _ = new(big.Int).SetString(srpPrimeHex, 16)
	srpG    = big.NewInt(2)
	srpK    = new(big.Int).SetBytes(hash(pad(srpN), pad(srpG)))
)

const (
	srpSecretBytes = 32 // the server's b: twice the group's security level in bits
	srpSaltBytes   = 16
	srpMaxHex      = 2*384 + 2 // a padded 3072-bit number
)

var errNumber = errors.New("not a number of the group")

// pad returns n as the shortest big-endian two's complement. The only leading
// zero byte is one that keeps the sign bit clear.
func pad(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) == 0 || b[0]&0x80 != 0 {
		return append([]byte{0}, b...)
	}
	return b
}

func hash(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// parsePublic parses a client's SRP_A: hexadecimal digits only, in 1..N-1.
//
// SPEC: RFC 5054 §2.5.4: a server must abort if A mod N is zero, because the
// client could then compute S without a password.
func parsePublic(s string) (*big.Int, error) {
	if len(s) == 0 || len(s) > srpMaxHex {
		return nil, errNumber
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return nil, errNumber // SetString would accept a sign
		}
	}
	n, ok := new(big.Int).SetString(s, 16)
	if !ok || n.Sign() == 0 || n.Cmp(srpN) >= 0 {
		return nil, errNumber
	}
	return n, nil
}

// srpVerifier returns the verifier that the pool stores in place of a password.
func srpVerifier(pool, userID, password string, salt *big.Int) *big.Int {
	inner := hash([]byte(pool + userID + ":" + password))
	x := new(big.Int).SetBytes(hash(pad(salt), inner))
	return x.Exp(srpG, x, srpN)
}

// srpPublic returns the server's B for its secret b and an account's verifier.
func srpPublic(b, v *big.Int) *big.Int {
	B := new(big.Int).Mul(srpK, v)
	B.Add(B, new(big.Int).Exp(srpG, b, srpN))
	return B.Mod(B, srpN)
}

// srpKey returns the key of 16 bytes that both sides share if the password is
// right.
func srpKey(A, B, b, v *big.Int) ([]byte, error) {
	u := new(big.Int).SetBytes(hash(pad(A), pad(B)))
	if u.Sign() == 0 {
		return nil, errNumber
	}
	S := new(big.Int).Exp(v, u, srpN)
	S.Mul(S, A).Mod(S, srpN).Exp(S, b, srpN)
	return hkdf.Key(sha256.New, pad(S), pad(u), "Caldera Derived Key", 16)
}

// srpClaim returns the proof of the password for one challenge.
func srpClaim(key []byte, pool, userID string, block []byte, timestamp string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(pool))
	m.Write([]byte(userID))
	m.Write(block)
	m.Write([]byte(timestamp))
	return m.Sum(nil)
}
