package tui

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/safetext"
	"usher/client/proof"
	"usher/tui/audit"
	"usher/tui/keys"
	"usher/tui/pane"
)

// verifyPage is the verification of the audit log, for members of the auditors'
// group.
func verifyPage(server Server, host string, group safetext.Text, w Environment) Page {
	return Page{Open: keys.OpenProof, Name: "verification of the log", Group: group, New: func(env *pane.Env, _ pane.Target) (pane.Pane, error) {
		if w.Watch == nil {
			return nil, errors.New("this program cannot verify the log")
		}
		return audit.NewVerify(audit.VerifyDeps{
			Env: env, Server: host,
			Compare: func(ctx context.Context, path string) (audit.Compared, error) {
				return compareLog(ctx, server, w, path)
			},
			Check: func(ctx context.Context) (audit.Checked, error) { return verifyLog(ctx, server, w) },
			Save: func(_ context.Context, c audit.Checked) (string, error) {
				path := filepath.Join(w.Downloads, "audit-report-"+c.At.UTC().Format("20060102T150405Z")+".txt")
				return path, saveReport(path, c.Report(host))
			},
		})
	}}
}

// verifyLog takes the latest checkpoint, and the last verification by the server.
func verifyLog(ctx context.Context, server audit.Backend, w Environment) (out audit.Checked, err error) {
	state, err := w.Watch.Check(ctx)
	out = audit.Checked{At: w.Now(), Key: keyName(w.Profile.Config.AuditLog.Key)}
	var fraud *proof.Fraud
	switch {
	case errors.As(err, &fraud):
		out.Finding, out.Expected, out.Events, out.Proof = safetext.New(fraud.Error()), fraud.Known, fraud.Now, fraud.Path
	case err != nil:
		return out, err
	default:
		out.Events, out.Root = state.Head.Size, hex.EncodeToString(state.Head.Root[:])
		out.Before, out.Since = state.Before.Size, state.Since
		out.Witness = audit.Witnessed{Policy: state.Policy != "", Events: state.Witnessed.Size, At: state.WitnessedAt}
	}
	found, err := server.AuditQuery(ctx, api.AuditQueryRequest{Filter: "action:" + event.LogVerified, Limit: 1})
	if err != nil {
		return out, err
	}
	if len(found.Events) > 0 {
		e := found.Events[0]
		out.Server = &audit.ServerCheck{At: e.Time, Whole: e.Outcome == event.Allowed, Text: safetext.New(e.Reason), Event: e.ID}
	}
	return out, nil
}

// keyName returns the name of a public key.
func keyName(key string) string {
	name, _, _ := strings.Cut(key, "+")
	return safetext.Line(name)
}

// saveReport writes a new file in the folder of downloads.
func saveReport(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		return errors.Join(fmt.Errorf("writing the report: %w", err), f.Close())
	}
	return f.Close()
}
