package checkpoint

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/mod/sumdb/note"

	"usher/backend/audit/tree"
)

// Restart names the log that a new log replaces. It is signed by the key of the
// replaced log, so a holder of that key alone can announce it.
type Restart struct {
	Old    string    // public key of the replaced log
	Head   tree.Head // last known head of the replaced log
	Kept   int64     // number of events of the replaced log that still exist
	New    string    // public key of the new log
	Time   time.Time // in seconds
	Reason string    // one line, of at most MaxReason bytes
}

// MaxReason is the greatest length of a Reason in bytes.
const MaxReason = 300

const restartWord = "usher-audit-restart/v1"

// ErrRestart: a text is no restart of a log with the given key.
var ErrRestart = errors.New("the restart of the audit log is not signed by the key of the log before it")

func (r Restart) valid() bool {
	_, err1 := NewVerifier(r.Old)
	_, err2 := NewVerifier(r.New)
	printable := strings.IndexFunc(r.Reason, func(c rune) bool { return c == unicode.ReplacementChar || unicode.IsControl(c) }) < 0
	return err1 == nil && err2 == nil && r.Old != r.New && r.Head.Size >= 0 && r.Kept >= 0 && r.Kept <= r.Head.Size &&
		r.Reason != "" && len(r.Reason) <= MaxReason && printable && r.Time.Year() < 10_000
}

// SignRestart returns the signed note of a restart. s is the signer of the
// replaced log.
func SignRestart(s *Signer, r Restart) ([]byte, error) {
	r.Old = s.Key()
	if !r.valid() {
		return nil, errors.New("a restart has two keys, at most as many kept events as there were, and a reason in one line")
	}
	text := fmt.Sprintf("%s\n%s\n%d\n%s\n%d\n%s\n%s\n%s\n", restartWord, r.Old, r.Head.Size, r.Head.Root, r.Kept, r.New,
		r.Time.UTC().Format(time.RFC3339), r.Reason)
	signed, err := note.Sign(&note.Note{Text: text}, s.note)
	if err != nil {
		return nil, fmt.Errorf("signing the restart of the audit log: %w", err)
	}
	return signed, nil
}

// OpenRestart verifies a restart of v's log.
func (v *Verifier) OpenRestart(signed []byte) (Restart, error) {
	opened, err := note.Open(signed, note.VerifierList(v.note))
	if err != nil {
		return Restart{}, ErrRestart
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 9 || lines[0] != restartWord || lines[1] != v.key || lines[8] != "" {
		return Restart{}, ErrRestart
	}
	size, err1 := strconv.ParseInt(lines[2], 10, 64)
	root, err2 := base64.StdEncoding.Strict().DecodeString(lines[3])
	kept, err3 := strconv.ParseInt(lines[4], 10, 64)
	at, err4 := time.Parse(time.RFC3339, lines[6])
	if errors.Join(err1, err2, err3, err4) != nil || len(root) != len(tree.Hash{}) {
		return Restart{}, ErrRestart
	}
	r := Restart{Old: lines[1], Head: tree.Head{Size: size, Root: tree.Hash(root)}, Kept: kept, New: lines[5], Time: at, Reason: lines[7]}
	if !r.valid() {
		return Restart{}, ErrRestart
	}
	return r, nil
}

// Chain returns the restarts that lead from the log with the key old to the one
// with the key now, in order. There are none for equal keys. The error is
// ErrRestart if the restarts do not lead there.
func Chain(old, now string, restarts [][]byte) ([]Restart, error) {
	old, now = strings.TrimSpace(old), strings.TrimSpace(now)
	var chain []Restart
	for old != now {
		v, err := NewVerifier(old)
		if err != nil {
			return nil, err
		}
		found := false
		for _, signed := range restarts {
			if r, err := v.OpenRestart(signed); err == nil {
				chain, old, found = append(chain, r), r.New, true
				break
			}
		}
		if !found || len(chain) > len(restarts) {
			return nil, ErrRestart
		}
	}
	return chain, nil
}
