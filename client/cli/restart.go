package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"usher/client/quantity"
)

// Restarted is the result of the restart of a log.
type Restarted struct {
	Events int64    // of the old log, as far as they are known
	Kept   int64    // of the old log, in the kept file
	Files  []string // of the old log, under their new names
	Key    string   // public key of the new log
}

func (a *app) restartCommand() *cobra.Command {
	var from AuditLog
	var reason string
	cmd := &cobra.Command{
		Use:   "restart --reason TEXT",
		Short: "Begin a new audit log that names the old one, on the server's machine",
		Long: `Begin a new audit log while the server is stopped: after the log was lost or damaged, or after an older copy was restored. The old files are kept under other names. The new log has a new key, and the old key signs the restart: the number of events and the root of the old log, the number of events that still exist, and the reason. The first event of the new log has the same.

Clients accept the new log because the old key signed it, and each one shows the reason and the number of events that are missing. If the old key is lost, every person has to trust the server again with usher configure.

With --json: {"events","kept","files","key"}.`,
		Example: `
usher audit restart --reason "disk failed, restored from 2026-11-27"
usher audit restart --config /etc/usher/usher.yaml \
  --reason "moved to another machine"

# The log of usher demo --dir ~/usher-demo
usher audit restart --log ~/usher-demo/audit.db --reason "a test"
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 0, "restart takes flags only: usher audit restart --reason TEXT."); err != nil {
				return err
			}
			return a.restart(cmd.Context(), from, reason)
		}),
	}
	cmd.Flags().StringVar(&from.Config, "config", "", "the server's configuration file")
	cmd.Flags().StringVar(&from.File, "log", "", "the log itself, an audit.db with its audit.key beside it")
	cmd.Flags().StringVar(&reason, "reason", "", "the reason, which every person of the server can read")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	_ = cmd.MarkFlagFilename("log", "db")
	return cmd
}

func (a *app) restart(ctx context.Context, from AuditLog, reason string) error {
	if reason == "" {
		return usagef("restart needs a reason: usher audit restart --reason TEXT.")
	}
	if from.Config != "" && from.File != "" {
		return usagef("Give --config or --log, not both.")
	}
	if from == (AuditLog{}) {
		var err error
		if from.Config, err = findConfig(); err != nil {
			return err
		}
	}
	r, err := a.Restart(ctx, from, reason)
	if err != nil {
		return startError("The log was not restarted", err)
	}
	if a.json {
		a.writeJSON(a.Out, restartLine(r))
		return nil
	}
	fmt.Fprintf(a.Out, "new log with the key %s\n", safe(r.Key))
	fmt.Fprintf(a.Out, "the old log had %s, of which %d are kept\n", quantity.Plural(int(r.Events), "event", "events"), r.Kept)
	for _, f := range r.Files {
		fmt.Fprintf(a.Out, "kept  %s\n", safe(f))
	}
	return nil
}

// restartLine is a line of JSON output.
type restartLine struct {
	Events int64    `json:"events"`
	Kept   int64    `json:"kept"`
	Files  []string `json:"files"`
	Key    string   `json:"key"`
}
