package checkpoint

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// algCosignature is the algorithm of a timestamped Ed25519 cosignature.
// SPEC: https://c2sp.org/tlog-cosignature, https://c2sp.org/signed-note
const algCosignature = 4

// Witness verifies the cosignatures of one witness. It implements note.Verifier.
type Witness struct {
	key  string // NAME+HASH+KEY
	name string
	hash uint32
	pub  ed25519.PublicKey
}

// NewWitness parses the public key of a witness.
func NewWitness(vkey string) (*Witness, error) {
	vkey = strings.TrimSpace(vkey)
	malformed := errors.New("the public key of a witness is malformed")
	name, rest, ok := strings.Cut(vkey, "+")
	hex, encoded, ok2 := strings.Cut(rest, "+")
	hash, err := strconv.ParseUint(hex, 16, 32)
	key, err2 := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || !ok2 || !validName(name) || len(hex) != 8 || errors.Join(err, err2) != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != algCosignature {
		return nil, malformed
	}
	if uint32(hash) != keyHash(name, key) {
		return nil, malformed
	}
	return &Witness{vkey, name, uint32(hash), key[1:]}, nil
}

// validName reports whether a name can be that of a key.
// SPEC: https://c2sp.org/signed-note: no spaces and no plus signs.
func validName(name string) bool {
	return name != "" && utf8.ValidString(name) && strings.IndexFunc(name, unicode.IsSpace) < 0 && !strings.Contains(name, "+")
}

// keyHash identifies a key of a name: the first four bytes of a SHA-256.
func keyHash(name string, key []byte) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"), key...))
	return binary.BigEndian.Uint32(sum[:])
}

// Name implements note.Verifier.
func (w *Witness) Name() string { return w.name }

// KeyHash implements note.Verifier.
func (w *Witness) KeyHash() uint32 { return w.hash }

// Key returns the public key: NAME+HASH+KEY.
func (w *Witness) Key() string { return w.key }

// Verify implements note.Verifier.
func (w *Witness) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	if _, _, err := parse(string(msg)); err != nil {
		return false
	}
	at := binary.BigEndian.Uint64(sig)
	return at < 1<<63 && ed25519.Verify(w.pub, cosigned(at, msg), sig[8:])
}

// cosigned returns the bytes that a witness signs.
func cosigned(at uint64, msg []byte) []byte {
	return append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", at), msg...)
}

// Cosigner makes cosignatures.
type Cosigner struct {
	Witness
	secret ed25519.PrivateKey
	now    func() time.Time
}

// GenerateWitness makes the key of a witness. secret is the text of a key file.
func GenerateWitness(rand io.Reader, name string) (secret string, err error) {
	if !validName(name) {
		return "", errors.New("the name of a witness has no spaces and no plus signs")
	}
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(rand, seed); err != nil {
		return "", fmt.Errorf("generating the key of the witness: %w", err)
	}
	return secretWord + name + "+" + base64.StdEncoding.EncodeToString(seed), nil
}

const secretWord = "USHER+WITNESS+KEY+"

// NewCosigner parses the result of GenerateWitness.
func NewCosigner(secret string, now func() time.Time) (*Cosigner, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(secret), secretWord)
	name, encoded, ok2 := strings.Cut(rest, "+")
	seed, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || !ok2 || !validName(name) || err != nil || len(seed) != ed25519.SeedSize {
		return nil, errors.New("the secret key of the witness is malformed") // its text is secret
	}
	private := ed25519.NewKeyFromSeed(seed)
	public := append([]byte{algCosignature}, private.Public().(ed25519.PublicKey)...)
	hash := keyHash(name, public)
	w, err := NewWitness(fmt.Sprintf("%s+%08x+%s", name, hash, base64.StdEncoding.EncodeToString(public)))
	if err != nil {
		return nil, err
	}
	return &Cosigner{*w, private, now}, nil
}

// Cosign returns the line of a cosignature of a checkpoint, with its newline. The
// caller has verified the checkpoint and stored its head.
func (c *Cosigner) Cosign(signed []byte) ([]byte, error) {
	text, _, ok := strings.Cut(string(signed), "\n\n")
	if _, _, err := parse(text + "\n"); !ok || err != nil {
		return nil, ErrMalformed
	}
	at := uint64(c.now().Unix())
	sig := binary.BigEndian.AppendUint32(nil, c.hash)
	sig = binary.BigEndian.AppendUint64(sig, at)
	sig = append(sig, ed25519.Sign(c.secret, cosigned(at, []byte(text+"\n")))...)
	return fmt.Appendf(nil, "— %s %s\n", c.name, base64.StdEncoding.EncodeToString(sig)), nil
}

// Cosignature is one valid cosignature of a checkpoint.
type Cosignature struct {
	Witness string // name
	Key     string // public key of the witness
	Time    time.Time
	Line    []byte // with its newline
}

// Cosignatures returns the valid cosignatures of witnesses in a checkpoint, or in
// the lines that a witness answered for it: only the lines of known witnesses
// count, and the others are ignored.
func Cosignatures(signed, lines []byte, witnesses ...*Witness) []Cosignature {
	text, _, ok := strings.Cut(string(signed), "\n\n")
	if !ok {
		return nil
	}
	var found []Cosignature
	for _, line := range strings.SplitAfter(string(lines), "\n") {
		for _, w := range witnesses {
			opened, err := note.Open([]byte(text+"\n\n"+line), note.VerifierList(w))
			if err != nil || len(opened.Sigs) != 1 {
				continue
			}
			raw, err := base64.StdEncoding.DecodeString(opened.Sigs[0].Base64)
			if err != nil || len(raw) < 12 {
				continue
			}
			at := time.Unix(int64(binary.BigEndian.Uint64(raw[4:])), 0).UTC()
			found = append(found, Cosignature{w.name, w.key, at, []byte(line)})
		}
	}
	return found
}

// Signatures returns the lines of signatures of a note.
func Signatures(signed []byte) []byte {
	_, lines, _ := strings.Cut(string(signed), "\n\n")
	return []byte(lines)
}
