package serve

import (
	"context"
	"errors"
	"fmt"

	"usher/backend/audit/sqlite"
	"usher/backend/event"
)

// VerifyFile verifies an audit log: the log of a configuration file, or, if config
// is empty, the log at path. key is its public key or a file with it; "" is the
// key of the configuration. The second result is the key that was used, or "".
func VerifyFile(ctx context.Context, config, path, key string) (sqlite.Report, string, error) {
	var c *Config
	if config != "" {
		loaded, err := Load(config)
		if err != nil {
			return sqlite.Report{}, "", err
		}
		c, path = &loaded, loaded.Audit
	}
	if table(path) != "" {
		return sqlite.Report{}, "", errors.New("the audit log is a DynamoDB table: it has no checkpoints to verify")
	}
	verifier, err := auditVerifier(key, c)
	if err != nil {
		return sqlite.Report{}, "", err
	}
	report, err := sqlite.VerifyFile(ctx, path, verifier)
	if err != nil && ctx.Err() != nil { // SQLite reports "interrupted"
		err = fmt.Errorf("verifying the audit log: %w", context.Cause(ctx))
	}
	if err != nil || verifier == nil {
		return report, "", logFailure(err)
	}
	return report, verifier.Key(), nil
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
