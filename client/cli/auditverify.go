package cli

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/backend/event"
	"usher/client/evidence"
	"usher/client/proof"
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
	Expired     int64    // number of events that the retention deleted
	Witnessed   int64    // number of events that checkpoints with the cosignatures of the policy prove
	Policy      bool     // there is a policy of witnesses
	Decisions   int64    // number of decisions that were decided again
	Differ      int64    // of these, with another result
	Undecidable int64    // of these, without the names of the groups in the log
	Matches     *int     // number of events that match the query; nil: no query
	Faults      []string // the first 100 faults and differences
	FaultCount  int
}

// VerifyOptions name a log to verify, and everything that it is compared with.
type VerifyOptions struct {
	Log      AuditLog
	Key      string                            // public key, or a file with it
	Policy   string                            // file with the policy of the witnesses
	Notes    []KeptNote                        // checkpoints from elsewhere
	Progress func(done, events int64)          // nil: none
	Event    func(record int64, e event.Event) // receives each readable event, in order; nil: none
}

// KeptNote is a checkpoint from elsewhere. Own is one of this machine, which may be
// one of another log.
type KeptNote struct {
	From string
	Text []byte
	Own  bool
}

func (a *app) verifyCommand() *cobra.Command {
	var o VerifyOptions
	var notes []string
	var query string
	var record bool
	cmd := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Verify an audit log or an export of one, on any machine",
		Long: `Verify an audit log: the content of each event against the tree, the tree against all signed checkpoints, the index and the counts against the events, the tables against those of usher, and every recorded decision against the grants and groups of its time. A server may run meanwhile. FILE is a log or a backup of one; without FILE the log is the one that the server's configuration names.

A crash leaves unsigned events of a second, which the next start signs. Unsigned events whose times are more than 60 seconds apart are a fault, because their checkpoints were deleted. A log in its server's place (of the configuration, or with a lock file beside it) needs its head file audit.db.head; a backup has none.

--key is the log's public key, or a file with it: audit.key.pub beside the configuration. It is found through the configuration; with FILE give it yourself. Without a key no signature is verified, and a log that was written again as a whole is not found.

The log is also compared with the last checkpoint that this machine remembers, and with each --checkpoint, a file of usher audit checkpoint. Both find a log that the holder of its key rewrote. --policy is the policy of the witnesses, for logs that have some.

--query QUERY runs the query of usher audit over the verified events and compares the result with the server's answer: events that the server leaves out, changes or invents are faults. It needs a sign-in as an auditor, for the server of the log.

FILE can also be an export (usher audit export). Then the command checks each event against the proof and the signed checkpoint, the query and its counts against the record of the export in the log, every recorded decision against the grants and groups in the export, and with --complete that no event of the range is missing: the archive holds only bytes that these determine.

--record adds the result to the log of the server, as the event audit-verify. It needs a sign-in as an auditor.

The exit code is 5 if there is a fault. With --json: {"events","whole","signed","unsigned","witnessed","checkpoints","decisions","differ","undecidable","matches","root","key","faults","fault_count"}. "whole" is the number of events before the first fault. For an export: {"manifest","events","matches","expired","checkpoint","root","key","trusted","witnesses","witnessed","decided","decisions","differ","undecidable","faults","fault_count"}.`,
		Example: `
usher audit verify
usher audit verify --config /etc/usher/usher.yaml --json
usher audit verify audit-2026-11-28.db --key audit.key.pub
usher audit verify ada-2026-Q3.tar --key audit.key.pub
usher audit verify audit-2026-11-28.db --key audit.key.pub \
  --checkpoint checkpoint-2026-11-01.txt
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 1, "verify takes one file at most: usher audit verify [FILE]."); err != nil {
				return err
			}
			if len(args) == 1 {
				o.Log.File = args[0]
			}
			for _, path := range notes {
				text, err := os.ReadFile(path)
				if err != nil {
					return usagef("Can't read the checkpoint %s: %s.", safe(path), safe(err.Error()))
				}
				o.Notes = append(o.Notes, KeptNote{From: "the checkpoint in " + path, Text: text})
			}
			if query == "" && cmd.Flags().Changed("query") {
				query = "since:1970-01-01" // all events
			}
			if o.Log.File != "" && o.Log.Config == "" && evidence.IsBundle(o.Log.File) {
				if query != "" {
					return usagef("--query is for a log. Query an export with usher audit --file %s QUERY.", safe(o.Log.File))
				}
				return a.verifyExport(cmd.Context(), o, record)
			}
			return a.verify(cmd.Context(), o, query, record)
		}),
	}
	cmd.Flags().StringVar(&o.Log.Config, "config", "", "the server's configuration file")
	cmd.Flags().StringVar(&o.Key, "key", "", "the public key of the log, or a file with it")
	cmd.Flags().StringVar(&o.Policy, "policy", "", "a file with the policy of the witnesses")
	cmd.Flags().StringArrayVar(&notes, "checkpoint", nil, "a file with a checkpoint that the log must contain")
	cmd.Flags().StringVar(&query, "query", "", "compare the server's answer to this query with the verified events")
	cmd.Flags().BoolVar(&record, "record", false, "record the result in the server's log")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	_ = cmd.MarkFlagFilename("key", "pub")
	return cmd
}

func (a *app) verify(ctx context.Context, o VerifyOptions, query string, record bool) error {
	if o.Log.Config != "" && o.Log.File != "" {
		return usagef("Give --config or a file, not both.")
	}
	if o.Log == (AuditLog{}) {
		var err error
		if o.Log.Config, err = findConfig(); err != nil {
			return usagef("%s Without the server's files: usher audit verify FILE of an export, or V in the audit log of the browser.", err)
		}
	}
	for _, m := range proof.Memories(a.Folders) {
		o.Notes = append(o.Notes, KeptNote{From: "the last checkpoint of this machine", Text: m.Note, Own: true})
	}
	var check *queryCheck
	if query != "" {
		var err error
		if check, err = newQueryCheck(query, a.Now()); err != nil {
			return err
		}
		o.Event = check.take
	}
	// Most memory is short-lived: a small heap costs little time here.
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	bar := a.verifyBar()
	o.Progress = bar.show
	v, err := a.Verify(ctx, o)
	bar.end()
	if err != nil {
		return startError("The verification failed", err)
	}
	if check != nil {
		if err := a.compareQuery(ctx, check, &v); err != nil {
			return err
		}
	}
	if record {
		root, err := hex.DecodeString(v.Root)
		if err != nil {
			return err
		}
		if err := a.recordVerified(ctx, api.AuditVerifiedRequest{Of: "log", Records: v.Events, Root: base64.StdEncoding.EncodeToString(root), Faults: v.FaultCount}); err != nil {
			return err
		}
	}
	a.printVerified(v)
	if v.FaultCount > 0 {
		return &failedError{text: "The audit log has " + quantity.Plural(v.FaultCount, "fault", "faults") + ". Keep the file and its copies unchanged, and compare it with a backup.", exit: api.ExitIntegrity}
	}
	return nil
}

// compareQuery compares the server's answer to a query with the verified events.
func (a *app) compareQuery(ctx context.Context, check *queryCheck, v *Verified) error {
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	matches, wrong, err := check.compare(ctx, conn.client.AuditQuery)
	if err != nil {
		return forAuditors(err, conn.profile.Config.AuditorsGroup)
	}
	v.Matches = &matches
	v.FaultCount += len(wrong)
	v.Faults = append(v.Faults, wrong[:min(len(wrong), 100)]...)
	return nil
}

func (a *app) printVerified(v Verified) {
	if a.json {
		a.writeJSON(a.Out, verifyLine{v.Events, v.Whole, v.Signed, v.Events - v.Signed, v.Witnessed, v.Checkpoints, v.Decisions, v.Differ, v.Undecidable, v.Matches, v.Root, v.Key, append([]string{}, v.Faults...), v.FaultCount})
		return
	}
	events := quantity.Plural(int(v.Events), "event", "events") + ", " + decisionsText(v.Decisions, v.Differ, v.Undecidable)
	switch {
	case v.FaultCount > 0:
		fmt.Fprintf(a.Out, "%s; whole up to %d\n", events, v.Whole)
	case v.Key == "":
		fmt.Fprintf(a.Out, "%s; whole, but no signature was verified: give --key\n", events)
	default:
		fmt.Fprintf(a.Out, "%s; whole up to %d, unsigned tail %d\n", events, v.Signed, v.Events-v.Signed)
	}
	if v.Matches != nil {
		fmt.Fprintf(a.Out, "%s for the query; compared with the server's answer\n", quantity.Plural(*v.Matches, "event", "events"))
	}
	if v.Expired > 0 {
		fmt.Fprintf(a.Out, "%s expired; their hashes are verified\n", quantity.Plural(int(v.Expired), "event", "events"))
	}
	if v.Policy && v.FaultCount == 0 {
		fmt.Fprintf(a.Out, "confirmed by the witnesses up to %d\n", v.Witnessed)
	}
	for _, f := range v.Faults {
		fmt.Fprintln(a.Out, safe(f))
	}
}

// decisionsText describes decisions that were decided again.
func decisionsText(all, differ, undecidable int64) string {
	text := fmt.Sprintf("%s, %s differ", quantity.Plural(int(all), "decision", "decisions"), quantity.Count(int(differ)))
	if undecidable > 0 {
		text += fmt.Sprintf("; %s not decided again, because the names of their groups are not there", quantity.Count(int(undecidable)))
	}
	return text
}

// verifyBar draws the progress of a verification on a terminal.
type verifyBar struct {
	line  statusLine
	shown int64 // percentage; -1: none
}

func (a *app) verifyBar() *verifyBar { return &verifyBar{statusLine{app: a}, -1} }

func (b *verifyBar) show(done, events int64) {
	if events == 0 || 100*done/events == b.shown {
		return
	}
	b.shown = 100 * done / events
	b.line.show(fmt.Sprintf("%s  %s of %s", bar(done, events), quantity.Count(int(done)), quantity.Plural(int(events), "event", "events")))
}

// bar draws a part of a whole, with its percentage.
func bar(done, total int64) string {
	const width = 30
	full := int(done * width / total)
	return fmt.Sprintf("%s%s %3d%%", strings.Repeat("━", full), strings.Repeat("─", width-full), 100*done/total)
}

// percent shows the progress without a number of events.
func (b *verifyBar) percent(done, all int64) {
	if all == 0 || 100*done/all == b.shown {
		return
	}
	b.shown = 100 * done / all
	b.line.show(fmt.Sprintf("%3d%%", b.shown))
}

// end clears the line.
func (b *verifyBar) end() { b.line.end() }

// verifyLine is a line of JSON output.
type verifyLine struct {
	Events      int64    `json:"events"`
	Whole       int64    `json:"whole"`
	Signed      int64    `json:"signed"`
	Unsigned    int64    `json:"unsigned"`
	Witnessed   int64    `json:"witnessed"`
	Checkpoints int64    `json:"checkpoints"`
	Decisions   int64    `json:"decisions"`
	Differ      int64    `json:"differ"`
	Undecidable int64    `json:"undecidable"`
	Matches     *int     `json:"matches,omitempty"`
	Root        string   `json:"root"`
	Key         string   `json:"key"`
	Faults      []string `json:"faults"`
	FaultCount  int      `json:"fault_count"`
}
