package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/backend/event"
)

func (a *app) policyCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "policy [VERSION]",
		Short: "Show the grants that decided, by version",
		Long: `Without a VERSION, list the versions of the grants that were in force, the newest first, with the time of the first event of each. With a VERSION (the field policy of an event), show its grants. The audit log keeps the text of each version, also of one that changed while usher was not running; usher audit verify decides with the same text.

For auditors; each reading is an event. --file reads a copy of the log (usher audit backup) without a server.

With --json: {"version","time","who","reason"} for each version, and the JSON of usher grants list with a VERSION.`,
		Example: `
usher audit policy
usher audit policy 5f0c8d6e2b7a4c1d9e3f60718293a4b5
usher audit policy --file audit-copy.db
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 1, "policy takes at most one VERSION: usher audit policy [VERSION]."); err != nil {
				return err
			}
			if len(args) == 0 {
				return a.policies(cmd.Context(), file)
			}
			return a.policy(cmd.Context(), file, strings.ToLower(args[0]))
		}),
	}
	cmd.Flags().StringVar(&file, "file", "", "a copy of the log, instead of the server's")
	_ = cmd.MarkFlagFilename("file", "db")
	return cmd
}

// policy prints the grants of a version.
func (a *app) policy(ctx context.Context, file string, version string) error {
	out, err := a.readPolicy(ctx, file, version)
	if err != nil {
		return err
	}
	if a.json {
		a.writeJSON(a.Out, out)
		return nil
	}
	a.grantTable(out.Grants)
	return nil
}

func (a *app) readPolicy(ctx context.Context, file string, version string) (api.GrantsListResponse, error) {
	unknown := func(text string, err error) error {
		return &failedError{text: text, exit: api.ExitNotFound, cause: err}
	}
	var answer *api.Error
	if file != "" {
		out, err := a.Policy(ctx, file, version)
		switch {
		case errors.As(err, &answer) && answer.Code == api.NotFound:
			return out, unknown(fmt.Sprintf("The log keeps no grants of the version %s.", safe(version)), err)
		case err != nil:
			return out, startError("The log could not be read", err)
		}
		return out, nil
	}
	conn, err := a.connect(ctx)
	if err != nil {
		return api.GrantsListResponse{}, err
	}
	out, err := conn.client.AuditPolicy(ctx, api.AuditPolicyRequest{Version: version})
	if errors.As(err, &answer) && answer.Code == api.NotFound {
		return out, unknown(fmt.Sprintf("The log keeps no grants of the version %s, or you are not in the group %s.", safe(version), safe(conn.profile.Config.AuditorsGroup)), err)
	}
	return out, err
}

// policies prints the versions that were in force.
func (a *app) policies(ctx context.Context, file string) error {
	var all []policyLine // the newest first
	take := func(e event.Event) {
		if e.GrantsVersion == "" {
			return
		}
		line := policyLine{e.GrantsVersion, e.Time, e.User.Username, e.Reason}
		if last := len(all) - 1; last >= 0 && all[last].Version == e.GrantsVersion {
			all[last] = line // an earlier event of the same time in force
			return
		}
		all = append(all, line)
	}
	if err := a.policyEvents(ctx, file, take); err != nil {
		return err
	}
	if a.json {
		for _, line := range all {
			a.writeJSON(a.Out, line)
		}
		return nil
	}
	var t table
	t.add("SINCE", "VERSION", "BY", "CHANGE")
	for _, line := range all {
		t.add(line.Time.UTC().Format("2006-01-02 15:04:05"), safe(line.Version), safe(line.Who), safe(line.Reason))
	}
	a.writeTable(&t)
	if len(all) == 0 {
		a.hint("The log names no version of the grants.")
	}
	return nil
}

// policyEvents reads the events that name the grants in force, the newest first.
func (a *app) policyEvents(ctx context.Context, file string, use func(event.Event)) (err error) {
	from, err := a.source(ctx, auditFile{path: file})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	in := api.AuditQueryRequest{Filter: "action:" + event.GrantsChanged + " action:" + event.ServiceStart, Limit: api.MaxAuditPage}
	for {
		page, err := from.AuditQuery(ctx, in)
		if err != nil {
			return forAuditors(err, from.group)
		}
		for _, e := range page.Events {
			use(e)
		}
		if in.Cursor = page.Cursor; in.Cursor == "" {
			return nil
		}
	}
}

// policyLine is a line of JSON output.
type policyLine struct {
	Version string    `json:"version"`
	Time    time.Time `json:"time"`
	Who     string    `json:"who,omitempty"`
	Reason  string    `json:"reason,omitempty"`
}
