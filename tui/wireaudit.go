package tui

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"usher/backend/safetext"
	"usher/client/evidence"
	"usher/client/proof"
	"usher/tui/audit"
	"usher/tui/keys"
	"usher/tui/pane"
)

// auditPage is the audit log, for members of the auditors' group.
func auditPage(server Server, host string, group safetext.Text, w Environment) Page {
	return Page{Open: keys.OpenAudit, Name: "audit log", Group: group, New: func(env *pane.Env, on pane.Target) (pane.Pane, error) {
		return audit.New(audit.Deps{Env: env, Backend: server, Now: w.Now, Server: host, Group: group, On: on, Standing: standing(w.Watch), Exporter: exporter(server, w)})
	}}
}

// standing returns the check of the log for its page.
func standing(watch *proof.Watch) func(context.Context) (audit.Standing, error) {
	if watch == nil {
		return nil
	}
	return func(ctx context.Context) (audit.Standing, error) {
		state, err := watch.Check(ctx)
		out := audit.Standing{Events: state.Head.Size, At: state.Seen}
		var fraud *proof.Fraud
		if errors.As(err, &fraud) {
			out.Finding, err = safetext.New(fraud.Error()), nil
		}
		return out, err
	}
}

// exporter writes exports to the folder of downloads.
func exporter(server evidence.Server, w Environment) *audit.Exporter {
	return &audit.Exporter{
		Name: func() string { return filepath.Join(w.Downloads, evidence.Name(w.Now())) },
		Run: func(ctx context.Context, x audit.Export) (audit.Exported, error) {
			if filepath.Dir(x.Path) == filepath.Clean(w.Downloads) { // the first download would create it too
				if err := os.MkdirAll(w.Downloads, 0o755); err != nil {
					return audit.Exported{}, err
				}
			}
			done, err := evidence.Export(ctx, evidence.Config{
				Server: server, Key: w.Profile.Config.AuditLog.Key, Query: x.Filter, Complete: x.Complete, Path: x.Path,
				Progress: func(p evidence.Progress) {
					x.Progress(audit.Progress{Stage: p.Stage.String(), Done: p.Done, Total: p.Total, Events: p.Events})
				},
			})
			return audit.Exported{Path: done.Path, Matches: done.Matches, Events: done.Events, Size: done.Size, Checkpoint: done.Checkpoint}, err
		},
	}
}
