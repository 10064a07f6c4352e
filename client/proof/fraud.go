package proof

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/audit/tree"
	"usher/backend/safetext"
)

// Kind is the kind of a finding.
type Kind string

// Kinds of findings.
const (
	RolledBack Kind = "rolled back" // the log has fewer events than before
	Forked     Kind = "forked"      // the log does not contain the events that it had
	NewKey     Kind = "new key"     // the log has another key without a restart
	NoProof    Kind = "no proof"    // the checkpoint has no valid signature, or is malformed
)

// Fraud is a log that does not continue the log that this machine knows. The file
// at Path has both signed notes.
type Fraud struct {
	Kind  Kind
	Host  safetext.Text
	Now   int64         // number of events; 0: unknown
	Known int64         // number of events
	Path  safetext.Text // "": the file could not be written
}

func (e *Fraud) Error() string {
	var what string
	switch e.Kind {
	case RolledBack:
		what = fmt.Sprintf("was rolled back: it has %s, and had %d", events(e.Now), e.Known)
	case Forked:
		what = fmt.Sprintf("was rewritten: it does not contain the %s that it had", events(e.Known))
	case NewKey:
		what = "has a new key, which the key before it did not sign"
	default:
		what = "gives no valid proof that it continues the previous log"
	}
	text := fmt.Sprintf("The audit log of %s %s.", e.Host, what)
	if e.Path.Raw() != "" {
		text += fmt.Sprintf(" The proof is in %s.", e.Path)
	}
	return text + " Send it to your security team. usher starts no downloads until you trust the server again with usher configure."
}

func events(n int64) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}

// Exit returns the exit code of a command that ends with this error.
func (e *Fraud) Exit() int { return api.ExitIntegrity }

// found writes the file with both notes and returns the finding.
func (w *Watch) found(kind Kind, m memory, now, known tree.Head, shown string) error {
	f := &Fraud{Kind: kind, Host: safetext.New(w.c.Host), Now: now.Size, Known: known.Size}
	var b strings.Builder
	fmt.Fprintf(&b, "The audit log of %s, %s: %s\n\nKey of the log:\n%s\n\nCheckpoint that this machine had, of %s:\n\n%s\n\nWhat the server shows:\n\n%s\n",
		safetext.Line(w.c.Host), w.c.Now().UTC().Format(time.RFC3339), kind, safetext.Line(m.Key), m.Seen.UTC().Format(time.RFC3339), m.Note, shown)
	// One file for one pair of notes.
	sum := sha256.Sum256([]byte(m.Note + "\x00" + shown))
	name := "audit-proof-" + hex.EncodeToString(sum[:6]) + ".txt"
	if _, err := w.c.Files.LoadState(name); err == nil || w.c.Files.SaveState(name, []byte(b.String())) == nil {
		f.Path = safetext.New(w.c.Files.StateFile(name))
	}
	after := m
	after.Found = &finding{kind, f.Now, f.Known, f.Path.Raw()}
	if after.Key != "" { // the first checkpoint of a log can be malformed, but not a fraud
		_, _ = w.memory.replace(m, after) // the next check finds it again
	}
	return f
}

// stored returns the finding of an earlier check, or nil.
func (w *Watch) stored(m memory) *Fraud {
	if m.Found == nil {
		return nil
	}
	return &Fraud{Kind: m.Found.Kind, Host: safetext.New(w.c.Host), Now: m.Found.Now, Known: m.Found.Known, Path: safetext.New(m.Found.Path)}
}
