package cognito

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

const (
	totpStep        = 30 // seconds
	totpSecretBytes = 32
)

// totpVerdict is the result of checkCode.
type totpVerdict int

const (
	codeWrong totpVerdict = iota
	codeUsed              // right, but this step or a later one was used before
	codeGood
)

// checkCode compares a code with the codes of the steps around now.
//
// SPEC: user-pool-settings-mfa-totp: SHA-1 only, and "TOTP tokens that are
// within 30 seconds before or after the attempt". RFC 6238 §5.2: a code is
// accepted once; last is the latest step used.
func checkCode(secret, code string, now time.Time, last int64) (totpVerdict, int64) {
	key, err := decodeTOTPSecret(secret)
	if err != nil {
		return codeWrong, last
	}
	verdict, used := codeWrong, last
	current := now.Unix() / totpStep
	for step := current - 1; step <= current+1; step++ {
		if subtle.ConstantTimeCompare([]byte(totpCode(key, step)), []byte(code)) != 1 {
			continue
		}
		if step > last {
			return codeGood, step
		}
		verdict = codeUsed
	}
	return verdict, used
}

// totpCode is RFC 4226's truncation over RFC 6238's counter, six digits.
func totpCode(key []byte, step int64) string {
	m := hmac.New(sha1.New, key)
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(step)))
	sum := m.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	n := binary.BigEndian.Uint32(sum[at:at+4]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%1_000_000)
}

func decodeTOTPSecret(secret string) ([]byte, error) {
	return base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(secret, "="))
}

func encodeTOTPSecret(key []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(key)
}

// CodeNow returns the code that the pool sent to an account last, until it is
// used. Otherwise it returns the present code of the account's authenticator app,
// or the next code if the present one has been used. The result is "" without a
// code and an authenticator.
func (p *Pool) CodeNow(username string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[username]
	if u == nil || u.sentCode != "" {
		if u != nil {
			return u.sentCode
		}
		return ""
	}
	secret, least := u.pendingTOTP, int64(0)
	if secret == "" {
		secret, least = u.TOTPSecret, u.TOTPLast+1
	}
	key, err := decodeTOTPSecret(secret)
	if err != nil || len(key) == 0 {
		return ""
	}
	return totpCode(key, max(p.cfg.Now().Unix()/totpStep, least))
}

func (p *Pool) codeWanted(u *user) {
	if p.cfg.CodeWanted != nil {
		p.cfg.CodeWanted(u.Username)
	}
}
