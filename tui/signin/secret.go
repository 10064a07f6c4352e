package signin

import (
	"crypto/subtle"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
)

// maxSecret is Cognito's limit for a password.
// SPEC: Cognito API reference, PasswordType: at most 256 characters.
const maxSecret = 256

// secret is a hidden text. Its buffer has a fixed size, so that growth leaves no
// copy in memory, and is zeroed after use.
type secret struct {
	buf [maxSecret * utf8.UTFMax]byte
	n   int
}

func (s *secret) insert(text string) {
	for _, r := range text {
		if r >= ' ' && r != 0x7f && s.n+utf8.UTFMax <= len(s.buf) && s.len() < maxSecret {
			s.n += utf8.EncodeRune(s.buf[s.n:], r)
		}
	}
}

func (s *secret) key(msg tea.KeyPressMsg) {
	switch msg.String() {
	case "backspace":
		_, size := utf8.DecodeLastRune(s.buf[:s.n])
		clear(s.buf[s.n-size : s.n])
		s.n -= size
	case "ctrl+u", "ctrl+w":
		s.zero()
	default:
		s.insert(msg.Text)
	}
}

// len returns the number of characters.
func (s *secret) len() int { return utf8.RuneCount(s.buf[:s.n]) }

func (s *secret) zero() {
	clear(s.buf[:])
	s.n = 0
}

// take returns a copy for one call and zeroes the field. The caller clears the copy.
func (s *secret) take() []byte {
	out := append([]byte(nil), s.buf[:s.n]...)
	s.zero()
	return out
}

func (s *secret) equal(o *secret) bool {
	return subtle.ConstantTimeCompare(s.buf[:s.n], o.buf[:o.n]) == 1
}

// String keeps a secret out of all output.
func (s *secret) String() string { return "[hidden]" }
