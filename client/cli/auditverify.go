package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/quantity"
)

// Verified is the result of the verification of an audit log.
type Verified struct {
	Events      int64    // number of events
	Whole       int64    // the events up to this number have no fault
	Signed      int64    // number of events that checkpoints prove; 0 without a key
	Checkpoints int64    // number of valid checkpoints
	Root        string   // of the tree of all events, in hexadecimal
	Key         string   // public key; "" without one
	Faults      []string // the first 100
	FaultCount  int
}

func (a *app) verifyCommand() *cobra.Command {
	var from AuditLog
	var key string
	cmd := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Verify an audit log, on the server's machine or from a copy",
		Long: `Verify an audit log: the content of each event against the tree, the tree against all signed checkpoints, the index and the counts against the events, and the tables against those of usher. A server may run meanwhile. FILE is a log or a backup of one; without FILE the log is the one that the server's configuration names.

--key is the log's public key, or a file with it: audit.key.pub beside the configuration. It is found through the configuration; with FILE give it yourself. Without a key no signature is verified, and a log that was written again as a whole is not found.

The exit code is 5 if the log has a fault. With --json: {"events","whole","signed","unsigned","checkpoints","root","key","faults","fault_count"}. "whole" is the number of events before the first fault.`,
		Example: `
usher audit verify
usher audit verify --config /etc/usher/usher.yaml --json
usher audit verify audit-2026-11-28.db --key audit.key.pub
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 1, "verify takes one file at most: usher audit verify [FILE]."); err != nil {
				return err
			}
			if len(args) == 1 {
				from.File = args[0]
			}
			return a.verify(cmd.Context(), from, key)
		}),
	}
	cmd.Flags().StringVar(&from.Config, "config", "", "the server's configuration file")
	cmd.Flags().StringVar(&key, "key", "", "the public key of the log, or a file with it")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	_ = cmd.MarkFlagFilename("key", "pub")
	return cmd
}

func (a *app) verify(ctx context.Context, from AuditLog, key string) error {
	if from.Config != "" && from.File != "" {
		return usagef("Give --config or a file, not both.")
	}
	if from == (AuditLog{}) {
		var err error
		if from.Config, err = findConfig(); err != nil {
			return err
		}
	}
	v, err := a.Verify(ctx, from, key)
	if err != nil {
		return startError("The verification failed", err)
	}
	a.printVerified(v)
	if v.FaultCount > 0 {
		return &failedError{text: "The audit log has " + quantity.Plural(v.FaultCount, "fault", "faults") + ". Keep the file and its copies unchanged, and compare it with a backup.", exit: api.ExitIntegrity}
	}
	return nil
}

func (a *app) printVerified(v Verified) {
	if a.json {
		a.writeJSON(a.Out, struct {
			Events      int64    `json:"events"`
			Whole       int64    `json:"whole"`
			Signed      int64    `json:"signed"`
			Unsigned    int64    `json:"unsigned"`
			Checkpoints int64    `json:"checkpoints"`
			Root        string   `json:"root"`
			Key         string   `json:"key"`
			Faults      []string `json:"faults"`
			FaultCount  int      `json:"fault_count"`
		}{v.Events, v.Whole, v.Signed, v.Events - v.Signed, v.Checkpoints, v.Root, v.Key, append([]string{}, v.Faults...), v.FaultCount})
		return
	}
	events := quantity.Plural(int(v.Events), "event", "events")
	switch {
	case v.FaultCount > 0:
		fmt.Fprintf(a.Out, "%s; whole up to %d\n", events, v.Whole)
	case v.Key == "":
		fmt.Fprintf(a.Out, "%s; whole, but no signature was verified: give --key\n", events)
	default:
		fmt.Fprintf(a.Out, "%s; whole up to %d, unsigned tail %d\n", events, v.Signed, v.Events-v.Signed)
	}
	for _, f := range v.Faults {
		fmt.Fprintln(a.Out, safe(f))
	}
}
