package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) witnessCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "witness",
		Short: "Run a witness of audit logs, on a machine of its own",
		Long: `Run a witness: it cosigns the checkpoints of audit logs, and only if each log contains all events of the checkpoint before. Run it on a machine that the administrators of usher's server cannot write to; then nobody can rewrite the log alone. Releases never wait for a witness.

The configuration has listen, name, key, state and logs. The key is created at the first start, and the state must never be lost or restored from an older copy. The command prints a line for the policy of the server (its setting witnesses), and runs until SIGINT or SIGTERM. Witnesses of other programs work too (c2sp.org/tlog-witness).

With --json the line is {"address","key"}.`,
		Example: `
usher audit witness --config /etc/usher/witness.yaml
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 0, "witness takes flags only: usher audit witness --config FILE."); err != nil {
				return err
			}
			if config == "" {
				return usagef("witness needs its configuration: usher audit witness --config FILE.")
			}
			err := a.Witness(cmd.Context(), config, a.witnessReady)
			if err != nil {
				return startError("The witness cannot continue", err)
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&config, "config", "", "configuration file (YAML)")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	return cmd
}

func (a *app) witnessReady(address, key string) {
	if a.json {
		a.writeJSON(a.Out, witnessLine{address, key})
		return
	}
	fmt.Fprintf(a.Out, "witness NAME %s http://%s\n", safe(key), safe(address))
}

// witnessLine is a line of JSON output.
type witnessLine struct {
	Address string `json:"address"`
	Key     string `json:"key"`
}
