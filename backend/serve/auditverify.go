package serve

import (
	"context"
	"errors"
	"fmt"
	"os"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/sqlite"
	"usher/backend/event"
	"usher/backend/grant"
	grantdynamo "usher/backend/grant/dynamo"
	"usher/backend/redecide"
)

// Verify names a log to verify, and everything that it is compared with.
type Verify struct {
	Config   string // file of a configuration, or
	Path     string // file of a log
	Key      string // public key or a file with it; "": that of the configuration
	Policy   string // file with the policy of the witnesses; "": that of the configuration
	Notes    []Note // checkpoints from elsewhere
	Progress func(done, events int64)
	Event    func(record int64, e event.Event) // receives each readable event, in order; nil: none
}

// take passes an event to its receivers.
func (v Verify) take(ctx context.Context, record int64, e *event.Event, again *redecide.Decider) {
	again.Event(ctx, record, e)
	if v.Event != nil {
		v.Event(record, *e)
	}
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

// Verified is the result of VerifyFile.
type Verified struct {
	sqlite.Report
	Decisions redecide.Result // of the readable events
	Key       string          // the key that was used, or ""
}

// tries bounds the repetitions of a verification. A server deletes expired events once
// an hour.
const tries = 3

// VerifyFile verifies an audit log, and decides every recorded decision again with
// the kept grants.
func VerifyFile(ctx context.Context, v Verify, d Deps) (out Verified, err error) {
	var c *Config
	if v.Config != "" {
		loaded, err := Load(v.Config)
		if err != nil {
			return out, err
		}
		c, v.Path = &loaded, loaded.Audit
	}
	switch {
	case table(v.Path) == "":
		for range tries {
			if out, err = verifyPath(ctx, v, c); !errors.Is(err, sqlite.ErrDeleted) || v.Event != nil { // Event has some events already
				break
			}
		}
	case c == nil:
		err = errors.New("the audit log is a DynamoDB table: name the server's configuration with --config")
	default:
		out, err = verifyTable(ctx, v, *c, d, nil)
	}
	if err != nil && ctx.Err() != nil { // SQLite reports "interrupted"
		err = fmt.Errorf("verifying the audit log: %w", context.Cause(ctx))
	}
	return out, logFailure(err)
}

// verifyPath verifies a log in a file. c is its configuration, or nil.
func verifyPath(ctx context.Context, v Verify, c *Config) (out Verified, err error) {
	check := sqlite.Check{Server: c != nil, Progress: v.Progress, Grants: func(version string, text []byte) error {
		_, err := unpacked(version, text)
		return err
	}}
	if check.Key, err = auditVerifier(v.Key, c); err != nil {
		return out, err
	}
	if check.Policy, err = policyOf(v.Policy, c); err != nil {
		return out, err
	}
	if check.Known, err = knownNotes(check.Key, v.Notes); err != nil {
		return out, err
	}
	again, err := redecide.New(redecide.Config{Grants: func(ctx context.Context, version string) (*grant.Set, error) {
		return keptGrants(ctx, v.Path, version)
	}})
	if err != nil {
		return out, err
	}
	check.Event = func(seq int64, e *event.Event) { v.take(ctx, seq, e, again) }
	if out.Report, err = sqlite.VerifyFile(ctx, v.Path, check); err != nil {
		return out, err
	}
	if check.Key != nil {
		out.Key = check.Key.Key()
	}
	out.Decisions, err = again.Result()
	return out, err
}

// verifyTable verifies a log in DynamoDB. Old events of a table expire, so the names
// of groups can be missing. loop is nil except in the sandbox and in tests.
func verifyTable(ctx context.Context, v Verify, c Config, d Deps, loop *Loopback) (out Verified, err error) {
	grants, err := tableGrants(ctx, c, d, loop)
	if err != nil {
		return out, err
	}
	again, err := redecide.New(redecide.Config{Grants: versionsOf(grants), Pruned: c.AuditDays > 0})
	if err != nil {
		return out, err
	}
	sealed, used, err := VerifySealed(ctx, c, v, d, loop, func(n int64, line []byte) {
		if e, err := event.Parse(line); err == nil { // an unreadable line is a fault of the log
			v.take(ctx, n, &e, again)
		}
	})
	if err != nil {
		return out, err
	}
	out.Report, out.Key = report(sealed), used
	out.Decisions, err = again.Result()
	return out, err
}

// versionsOf returns the versions of the grants in a table.
func versionsOf(s *grantdynamo.Store) redecide.Grants {
	return func(ctx context.Context, version string) (*grant.Set, error) {
		set, err := s.Version(ctx, version)
		if errors.Is(err, grantdynamo.ErrDamaged) {
			err = fmt.Errorf("%w: %w", redecide.ErrBadPolicy, err)
		}
		return set, err
	}
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
