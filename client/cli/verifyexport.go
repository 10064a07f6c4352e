package cli

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"usher/backend/api"
	"usher/backend/audit/bundle"
	"usher/backend/audit/checkpoint"
	"usher/client/proof"
	"usher/client/quantity"
)

// CheckedExport is the result of the verification of an export.
type CheckedExport struct {
	bundle.Report
	Decided     bool     // the decisions were decided again
	Decisions   int64    // number of decisions that were decided again
	Differ      int64    // of these, with another result
	Undecidable int64    // of these, without the names of the groups in the export
	Differences []string // the first 100
}

// verifyExport verifies an export.
func (a *app) verifyExport(ctx context.Context, o VerifyOptions, record bool) error {
	check := bundle.Check{}
	var err error
	if check.Key, err = keyOf(o.Key); err != nil {
		return err
	}
	if o.Policy != "" {
		text, err := os.ReadFile(o.Policy)
		if err == nil {
			check.Policy, err = checkpoint.ParsePolicy(string(text))
		}
		if err != nil {
			return usagef("Can't use the policy %s: %s.", safe(o.Policy), safe(err.Error()))
		}
	}
	bar := a.verifyBar()
	check.Progress = bar.percent
	r, err := a.VerifyExport(ctx, o.Log.File, check)
	bar.end()
	if err != nil {
		return startError("The verification failed", err)
	}
	line := exportVerified{
		Manifest: r.Manifest, Events: r.Events, Matches: r.Matches, Expired: r.Expired, Checkpoint: r.Head.Size, Root: hex.EncodeToString(r.Head.Root[:]),
		Key: r.Key, Trusted: check.Key != nil, Witnesses: append([]string{}, r.Witnesses...), Witnessed: r.Witnessed, Faults: []string{}, FaultCount: r.FaultCount + int(r.Differ),
		Decided: r.Decided, Decisions: r.Decisions, Differ: r.Differ, Undecidable: r.Undecidable,
	}
	for _, f := range r.Faults {
		line.Faults = append(line.Faults, f.String())
	}
	line.Faults = append(line.Faults, r.Differences...)
	if err := a.compareNotes(r.Report, o.Notes, &line); err != nil {
		return err
	}
	if check.Policy != nil && !r.Satisfied {
		line.fault("witness: the cosignatures in the export do not satisfy the policy")
	}
	if record {
		err := a.recordVerified(ctx, api.AuditVerifiedRequest{Of: "export", Records: r.Events, Root: r.Head.Root.String(), Faults: line.FaultCount})
		if err != nil {
			return err
		}
	}
	a.printExport(line, check.Policy != nil)
	if line.FaultCount > 0 {
		return &failedError{text: "The export has " + quantity.Plural(line.FaultCount, "fault", "faults") + ". Keep it unchanged, and export the query again from the server.", exit: api.ExitIntegrity}
	}
	return nil
}

// compareNotes compares the checkpoint of an export with kept ones of the same number
// of events, and looks for its key among the servers that this machine knows.
func (a *app) compareNotes(r bundle.Report, notes []KeptNote, line *exportVerified) error {
	for _, m := range proof.Memories(a.Folders) {
		line.Trusted = line.Trusted || m.Key == r.Key
		notes = append(notes, KeptNote{From: "the last checkpoint of this machine", Text: m.Note, Own: true})
	}
	key, err := checkpoint.NewVerifier(r.Key)
	if err != nil {
		return nil // a fault of the export
	}
	for _, n := range notes {
		head, err := key.Open(n.Text)
		switch {
		case err != nil && n.Own: // of another log
		case err != nil:
			return usagef("%s is no checkpoint that the key of this log signed.", safe(n.From))
		case head.Size == r.Head.Size && head.Root != r.Head.Root:
			line.fault("checkpoint: " + n.From + " proves another log with the same number of events")
		case head.Size != r.Head.Size && !n.Own && !a.json:
			fmt.Fprintf(a.Err, "%s is of %s and the export of %s, so they were not compared.\n", safe(n.From), quantity.Plural(int(head.Size), "event", "events"), quantity.Count(int(r.Head.Size)))
		}
	}
	return nil
}

func (a *app) printExport(v exportVerified, policy bool) {
	if a.json {
		a.writeJSON(a.Out, v)
		return
	}
	if v.Manifest.Event != "" {
		kind := "Events"
		if v.Manifest.Complete {
			kind = "All events of the range"
		}
		fmt.Fprintf(a.Out, "%s for %s, by %s at %s UTC\n", kind, orAll(safe(v.Manifest.Query)), safe(v.Manifest.By), v.Manifest.At.UTC().Format("2006-01-02 15:04:05"))
	}
	fmt.Fprintf(a.Out, "%s, %s match; checkpoint of %s\n", quantity.Plural(int(v.Events), "event", "events"), quantity.Count(int(v.Matches)), quantity.Plural(int(v.Checkpoint), "event", "events"))
	if v.Decided {
		fmt.Fprintln(a.Out, decisionsText(v.Decisions, v.Differ, v.Undecidable))
		if v.Undecidable > 0 {
			fmt.Fprintln(a.Out, "The person who made the export marked these names as removed by retention. The export cannot prove that; usher audit verify of the log can.")
		}
	} else {
		fmt.Fprintln(a.Out, "its decisions were not decided again: an export of this form (v1) has no names of groups. The person who made the export can choose this form; newer versions of usher write another one")
	}
	if v.Expired > 0 {
		fmt.Fprintf(a.Out, "%s of the range had expired, as the log's events of its retention state\n", quantity.Plural(int(v.Expired), "event", "events"))
	}
	if len(v.Witnesses) > 0 {
		whose := ""
		if !policy { // anyone can make a key and name it
			whose = ", by the keys in the export itself: give --policy"
		}
		fmt.Fprintf(a.Out, "the checkpoint of %s is cosigned by %s%s\n", quantity.Plural(int(v.Witnessed), "event", "events"), safe(strings.Join(v.Witnesses, ", ")), whose)
	}
	switch {
	case v.FaultCount > 0:
	case !v.Trusted:
		fmt.Fprintln(a.Out, "whole, but verified with the key in the export itself: give --key")
	case policy:
		fmt.Fprintln(a.Out, "whole, and confirmed by the witnesses")
	default:
		fmt.Fprintln(a.Out, "whole")
	}
	for _, f := range v.Faults {
		fmt.Fprintln(a.Out, safe(f))
	}
}

// exportVerified is the JSON form of the verification of an export.
type exportVerified struct {
	Manifest    bundle.Manifest `json:"manifest"`
	Events      int64           `json:"events"`
	Matches     int64           `json:"matches"`
	Expired     int64           `json:"expired"`
	Checkpoint  int64           `json:"checkpoint"` // number of events
	Root        string          `json:"root"`
	Key         string          `json:"key"`
	Trusted     bool            `json:"trusted"` // the key is that of --key, or of a server that this machine knows
	Witnesses   []string        `json:"witnesses"`
	Witnessed   int64           `json:"witnessed"`
	Decided     bool            `json:"decided"`     // the decisions were decided again; false for an export of the form v1
	Decisions   int64           `json:"decisions"`   // that were decided again
	Differ      int64           `json:"differ"`      // of these, with another result
	Undecidable int64           `json:"undecidable"` // of these, without the names of their groups
	Faults      []string        `json:"faults"`
	FaultCount  int             `json:"fault_count"`
}

func (v *exportVerified) fault(text string) {
	v.FaultCount++
	v.Faults = append(v.Faults, text)
}

// recordVerified records the result of a verification in the server's log.
func (a *app) recordVerified(ctx context.Context, result api.AuditVerifiedRequest) error {
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	if _, err := conn.client.AuditVerified(ctx, result); err != nil {
		return forAuditors(err, conn.profile.Config.AuditorsGroup)
	}
	return nil
}
