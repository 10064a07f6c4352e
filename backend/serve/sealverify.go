package serve

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/sealer"
	"usher/backend/audit/sqlite"
	"usher/backend/audit/tiles"
	"usher/backend/audit/tree"
)

// VerifySealed verifies a log in DynamoDB: it reads the whole table and everything
// that is sealed. The second result is the key that was used. loop is nil except in
// the sandbox and in tests. event gets every event (see sealer.VerifyConfig); nil:
// none.
func VerifySealed(ctx context.Context, c Config, v Verify, d Deps, loop *Loopback, event func(n int64, line []byte)) (sealer.Report, string, error) {
	if c.Seal.Bucket == "" {
		return sealer.Report{}, "", errors.New("the audit log is a DynamoDB table that is not sealed: configure seal to give it checkpoints")
	}
	client, err := newTables(ctx, c, d, loop)
	if err != nil {
		return sealer.Report{}, "", err
	}
	log, err := openTable(c, client, d, nil)
	if err != nil {
		return sealer.Report{}, "", err
	}
	objects, err := openVault(ctx, c, loop)
	if err != nil {
		return sealer.Report{}, "", err
	}
	key, err := sealedKey(ctx, c, v.Key, objects)
	if err != nil {
		return sealer.Report{}, "", err
	}
	known, err := knownNotes(key, v.Notes)
	if err != nil {
		return sealer.Report{}, "", err
	}
	heads := make([]tree.Head, len(known))
	for i, k := range known {
		heads[i] = k.Head
	}
	policy, err := policyOf(v.Policy, &c)
	if err != nil {
		return sealer.Report{}, "", err
	}
	keep := time.Duration(c.AuditDays) * 24 * time.Hour
	r, err := sealer.Verify(ctx, sealer.VerifyConfig{
		Log: log.Sealing(), Objects: objects, Key: key, Now: d.Now, Known: heads, Names: objects.Names, Cosigned: objects.CosignedNames, Policy: policy, Event: event,
		Expired: func(at time.Time) bool { return keep > 0 && d.Now().Sub(at) >= keep },
	})
	return r, key.Key(), err
}

// sealedKey returns the key of a sealed log: the given one, that of the
// configuration, or the one beside the log. The last one proves a
// log only to a reader with a copy of the key from elsewhere.
func sealedKey(ctx context.Context, c Config, given string, objects tiles.Objects) (*checkpoint.Verifier, error) {
	if given != "" {
		return auditVerifier(given, nil)
	}
	key := c.Seal.PublicKey
	if key == "" {
		stored, err := objects.Get(ctx, tiles.Key)
		if errors.Is(err, tiles.ErrMissing) {
			return nil, errors.New("the audit log is not sealed yet: it has no public key")
		}
		if err != nil {
			return nil, fmt.Errorf("reading the public key of the audit log: %w", err)
		}
		key = string(stored)
	}
	return checkpoint.NewVerifier(strings.TrimSpace(key))
}

// report returns the report on a sealed log in the form of that on a file.
func report(r sealer.Report) sqlite.Report {
	out := sqlite.Report{
		Head:  tree.Head{Size: r.Head.Size + r.Unsealed, Root: r.Head.Root},
		Whole: r.Whole, Signed: r.Head.Size, Checkpoints: r.Checkpoints, Policy: r.Policy, Witnessed: r.Witnessed, FaultCount: r.FaultCount,
	}
	if r.FaultCount == 0 {
		out.Whole = out.Head.Size
	}
	for _, f := range r.Faults {
		detail := f.Detail
		if f.ID != "" {
			detail = strings.TrimSuffix(fmt.Sprintf("event %.40s: %s", f.ID, detail), ": ")
		}
		out.Faults = append(out.Faults, sqlite.Fault{Kind: sqlite.FaultKind(f.Kind), Seq: f.Index, Count: f.Count, Detail: detail})
	}
	return out
}
