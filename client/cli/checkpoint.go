package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/quantity"
)

func (a *app) checkpointCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "checkpoint",
		Short: "Show the latest checkpoint of the audit log, or keep it in a file",
		Long: `Take the latest checkpoint of the server's audit log: the number of events and the root of their tree, signed by the server. usher verifies that the log contains all events of the last checkpoint of this machine, and remembers the new one. Everyone who is signed in can run it.

-o keeps the checkpoint in a new file, for usher audit verify --checkpoint. A copy on another machine proves later that no event before it was changed or removed.

The exit code is 5 if the log does not continue the last checkpoint of this machine. With witnesses the command also prints the number of events that they confirm.

With --json: {"events","root","checkpoint","witnessed","file"}.`,
		Example: `
usher audit checkpoint
usher audit checkpoint -o checkpoint-2026-11-28.txt
usher audit verify audit-copy.db --key audit.key.pub \
  --checkpoint checkpoint-2026-11-28.txt
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 0, "checkpoint takes flags only: usher audit checkpoint -o FILE."); err != nil {
				return err
			}
			return a.checkpoint(cmd.Context(), file)
		}),
	}
	cmd.Flags().VarP(newFile{textFlag{&file, "file"}}, "output", "o", "keep the checkpoint in this new file")
	return cmd
}

func (a *app) checkpoint(ctx context.Context, file string) error {
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	if conn.profile.Config.AuditLog.Key == "" {
		return &failedError{text: fmt.Sprintf("The audit log of %s has no checkpoints.", hostOf(conn.profile)), exit: api.ExitNotFound}
	}
	state, err := conn.watch.Check(ctx)
	if err != nil {
		return err
	}
	a.warnOf(state)
	if file != "" {
		if err := writeNew(file, state.Note); err != nil {
			return err
		}
	}
	if a.json {
		a.writeJSON(a.Out, checkpointLine{state.Head.Size, hex.EncodeToString(state.Head.Root[:]), string(state.Note), state.Witnessed.Size, file})
		return nil
	}
	if state.Witnessed.Size > 0 {
		fmt.Fprintf(a.Err, "The witnesses confirm %s.\n", quantity.Plural(int(state.Witnessed.Size), "event", "events"))
	}
	if file == "" {
		fmt.Fprintln(a.Out, lines(errors.New(string(state.Note))))
		return nil
	}
	fmt.Fprintf(a.Err, "%s has the checkpoint of %s.\n", safe(file), quantity.Plural(int(state.Head.Size), "event", "events"))
	return nil
}

// writeNew writes a file that does not exist yet.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return &failedError{text: safe(path) + " exists already, and a checkpoint never replaces a file. Choose another name.", exit: api.ExitDisk, cause: err}
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// checkpointLine is a line of JSON output.
type checkpointLine struct {
	Events     int64  `json:"events"`
	Root       string `json:"root"`
	Checkpoint string `json:"checkpoint"`
	Witnessed  int64  `json:"witnessed"`
	File       string `json:"file,omitempty"`
}
