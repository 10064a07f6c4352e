package device

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

const (
	// alphabet has no vowels, so a code spells no word.
	// SPEC: RFC 8628 §6.1.
	alphabet = "BCDFGHJKLMNPQRSTVWXZ"
	// userLength gives 20^8 codes (34.6 bits).
	userLength = 8

	secretBytes  = 32 // of a device code, a state and a cookie
	numberDigits = 6
)

// userCode returns a random user code without a separator.
func userCode(random io.Reader) (string, error) {
	out := make([]byte, 0, userLength)
	for b := make([]byte, 1); len(out) < userLength; {
		if _, err := io.ReadFull(random, b); err != nil {
			return "", fmt.Errorf("making a user code: %w", err)
		}
		// Bytes above the last whole multiple of 20 would favor the first letters.
		if int(b[0]) < 256/len(alphabet)*len(alphabet) {
			out = append(out, alphabet[int(b[0])%len(alphabet)])
		}
	}
	return string(out), nil
}

// ShowUserCode returns a user code as people read it: BCDF-GHJK.
func ShowUserCode(code string) string {
	if len(code) != userLength {
		return code
	}
	return code[:userLength/2] + "-" + code[userLength/2:]
}

// ParseUserCode accepts a user code in any letter case, with spaces and hyphens
// anywhere.
// SPEC: RFC 8628 §6.1.
func ParseUserCode(text string) (string, bool) {
	if len(text) > 4*userLength {
		return "", false
	}
	code := strings.ToUpper(strings.NewReplacer("-", "", " ", "", "\t", "").Replace(text))
	if len(code) != userLength || strings.Trim(code, alphabet) != "" {
		return "", false
	}
	return code, true
}

// parseNumber accepts the number of the page, with spaces anywhere.
func parseNumber(text string) (string, bool) {
	number := strings.ReplaceAll(text, " ", "")
	if len(text) > 4*numberDigits || len(number) != numberDigits || strings.Trim(number, "0123456789") != "" {
		return "", false
	}
	return number, true
}

// secret returns a random secret in base64url.
func secret(random io.Reader) (string, error) {
	b := make([]byte, secretBytes)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("making a secret: %w", err)
	}
	return encode(b), nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// validSecret reports whether a text has the form of secret.
func validSecret(text string) bool {
	b, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && len(b) == secretBytes
}

// key makes digests. Each purpose has its own digests.
type key []byte

func (k key) sum(purpose, text string) []byte {
	h := hmac.New(sha256.New, k)
	_, _ = h.Write([]byte(purpose + "\x00" + text))
	return h.Sum(nil)
}

func (k key) digest(purpose, text string) string { return encode(k.sum(purpose, text)) }

// matches compares a text with a digest in constant time.
func (k key) matches(purpose, text, digest string) bool {
	return digest != "" && hmac.Equal([]byte(k.digest(purpose, text)), []byte(digest))
}

// number derives the number of a state, so that a reloaded page shows the same
// number. The bias of the remainder is below 1 in 2^40.
func (k key) number(state string) string {
	return fmt.Sprintf("%06d", binary.BigEndian.Uint64(k.sum("number of", state))%1_000_000)
}
