package serve

import (
	"context"
	"errors"
	"fmt"
	"os"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/sqlite"
	"usher/backend/event"
)

// Verify names a log to verify, and everything that it is compared with.
type Verify struct {
	Config   string // file of a configuration, or
	Path     string // file of a log
	Key      string // public key or a file with it; "": that of the configuration
	Policy   string // file with the policy of the witnesses; "": that of the configuration
	Notes    []Note // checkpoints from elsewhere
	Progress func(done, events int64)
}

// Note is a checkpoint from elsewhere.
type Note struct {
	From string // for people: "the checkpoint in FILE"
	Text []byte
	// Own is a checkpoint of this machine: without a signature of the log's key it
	// is one of another log, and ignored. Any other is refused.
	Own bool
}

// ErrNote: a checkpoint is none of the log's key.
var ErrNote = errors.New("it is no checkpoint that the key of this log signed")

// VerifyFile verifies an audit log. The second result is the key that was used, or
// "".
func VerifyFile(ctx context.Context, v Verify, d Deps) (sqlite.Report, string, error) {
	var c *Config
	if v.Config != "" {
		loaded, err := Load(v.Config)
		if err != nil {
			return sqlite.Report{}, "", err
		}
		c, v.Path = &loaded, loaded.Audit
	}
	if table(v.Path) != "" {
		if c == nil {
			return sqlite.Report{}, "", errors.New("the audit log is a DynamoDB table: name the server's configuration with --config")
		}
		r, used, err := VerifySealed(ctx, *c, v, d, nil, nil)
		return report(r), used, err
	}
	check := sqlite.Check{Progress: v.Progress}
	var err error
	if check.Key, err = auditVerifier(v.Key, c); err != nil {
		return sqlite.Report{}, "", err
	}
	if check.Policy, err = policyOf(v.Policy, c); err != nil {
		return sqlite.Report{}, "", err
	}
	if check.Known, err = knownNotes(check.Key, v.Notes); err != nil {
		return sqlite.Report{}, "", err
	}
	report, err := sqlite.VerifyFile(ctx, v.Path, check)
	if err != nil && ctx.Err() != nil { // SQLite reports "interrupted"
		err = fmt.Errorf("verifying the audit log: %w", context.Cause(ctx))
	}
	if err != nil || check.Key == nil {
		return report, "", logFailure(err)
	}
	return report, check.Key.Key(), nil
}

// knownNotes opens checkpoints from elsewhere.
func knownNotes(key *checkpoint.Verifier, notes []Note) (all []sqlite.Known, err error) {
	for _, n := range notes {
		if key == nil {
			if n.Own {
				continue
			}
			return nil, errors.New("a checkpoint needs the public key of the log: give --key")
		}
		head, err := key.Open(n.Text)
		if err != nil && n.Own {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.From, ErrNote)
		}
		all = append(all, sqlite.Known{Head: head, From: n.From})
	}
	return all, nil
}

// policyOf returns the policy of the witnesses in a file, or that of the
// configuration, or nil.
func policyOf(file string, c *Config) (*checkpoint.Policy, error) {
	if file == "" && (c == nil || c.Witnesses == "") {
		return nil, nil
	}
	if file == "" {
		file = c.Witnesses
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the policy of the witnesses: %w", err)
	}
	return checkpoint.ParsePolicy(string(raw))
}

// verification is the event of a verification by the server.
func verification(r sqlite.Report) event.Event {
	e := event.Event{Action: event.LogVerified, Outcome: event.Allowed}
	e.Reason = fmt.Sprintf("%d events; whole up to %d, unsigned tail %d", r.Head.Size, r.Signed, r.Unsigned())
	if err := r.Err(); err != nil {
		e.Outcome, e.Reason = event.Failed, err.Error()
	}
	return e
}
