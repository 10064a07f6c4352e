package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/quantity"
)

// ServeOptions configures the server.
type ServeOptions struct {
	Config     string           // file
	AcceptLost bool             // start although the audit log has lost records
	Reload     <-chan os.Signal // each signal reloads the configuration, the grants and the certificate
}

// Finding is the result of one check of a server's configuration.
type Finding struct {
	Part    string // log, grants, pool, ...
	Subject string // file, pool or bucket
	Problem string // "": it works
	Fix     string // the next step
	Exit    int
}

// AuditLog names an audit log: by the server's configuration, or by its file. One
// of the fields is set.
type AuditLog struct{ Config, File string }

func (a *app) serveCommand() *cobra.Command {
	var o ServeOptions
	var check, create bool
	cmd := &cobra.Command{
		Use:     "serve",
		Short:   "Run usher's server for your user pool and buckets",
		GroupID: "machine",
		Long: `Run the server, which verifies sign-ins, decides by the grants, records each action and signs links. AWS credentials come from the standard AWS configuration. The server runs until SIGINT or SIGTERM and completes open requests; its log is JSON on stderr. SIGHUP reloads the configuration, the grants and the certificate.

With --check it does not serve: it checks the audit log, the grants, the certificate, the user pool, the credentials, each granted bucket and the receiver of each sink, and prints a line for each, with the next step after a failure. It changes nothing and can run while the server runs. With --json each line is {"part","subject","ok","problem","fix"}.

With --create-tables it does not serve: it creates the DynamoDB tables that the configuration names, and puts grants in force that allow nothing. Existing tables and grants stay. With --json each line is {"table"}.`,
		Example: `
usher serve --config /etc/usher/usher.yaml --create-tables
usher serve --config /etc/usher/usher.yaml --check
usher serve --config /etc/usher/usher.yaml
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 0, "serve takes flags only: usher serve --config FILE."); err != nil {
				return err
			}
			if o.Config == "" {
				return usagef("serve needs its configuration: usher serve --config FILE.")
			}
			if check && create {
				return usagef("Give --check or --create-tables, not both.")
			}
			if create {
				return a.createTables(cmd.Context(), o.Config)
			}
			if check {
				return a.check(cmd.Context(), o.Config)
			}
			o.Reload = a.hangup.take()
			if err := a.Serve(cmd.Context(), o); err != nil {
				return startError("usher serve cannot continue", err)
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&o.Config, "config", "", "configuration file (YAML)")
	cmd.Flags().BoolVar(&create, "create-tables", false, "create the DynamoDB tables of the configuration, and exit")
	cmd.Flags().BoolVar(&check, "check", false, "check everything that the server needs, and exit")
	cmd.Flags().BoolVar(&o.AcceptLost, "accept-lost-records", false, "start although records of the audit log are lost")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	return cmd
}

// createTables prints the name of each table.
func (a *app) createTables(ctx context.Context, config string) error {
	names, err := a.CreateTables(ctx, config)
	if err != nil {
		return startError("The tables are not ready", err)
	}
	for _, name := range names {
		if a.json {
			a.writeJSON(a.Out, tableLine{name})
			continue
		}
		fmt.Fprintln(a.Out, "ready  "+safe(name))
	}
	return nil
}

// check prints a line for each part. The exit code is that of the failures, if
// they share one.
func (a *app) check(ctx context.Context, config string) error {
	findings, err := a.Check(ctx, config)
	if err != nil {
		return startError("usher serve cannot start", err)
	}
	failed, exit := 0, api.ExitOK
	for _, f := range findings {
		a.printFinding(f)
		if f.Problem == "" {
			continue
		}
		if failed++; failed == 1 {
			exit = f.Exit
		} else if exit != f.Exit {
			exit = api.ExitMixed
		}
	}
	if failed == 0 {
		return nil
	}
	return &failedError{text: fmt.Sprintf("%d of %s failed.", failed, quantity.Plural(len(findings), "check", "checks")), exit: exit}
}

func (a *app) printFinding(f Finding) {
	if a.json {
		a.writeJSON(a.Out, findingLine{f.Part, f.Subject, f.Problem == "", f.Problem, f.Fix})
		return
	}
	word := "ok    "
	if f.Problem != "" {
		word = "FAILED"
	}
	line := word + " " + safe(strings.TrimSpace(f.Part+" "+f.Subject))
	if f.Problem != "" {
		line += ": " + safe(f.Problem) + "; " + safe(f.Fix)
	}
	fmt.Fprintln(a.Out, line)
}

// configPaths are the default configuration files of commands on the server's
// machine.
var configPaths = []string{"usher.yaml", "/etc/usher/usher.yaml"}

func (a *app) backupCommand() *cobra.Command {
	var from AuditLog
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the audit log, on the server's machine",
		Long: `Copy the audit log to a new file, on the machine of the server and while it runs. All events that are recorded when the command starts are in the copy; a plain copy of the database lacks the events in its write-ahead log. The copy is verified before it gets its name, and never replaces a file.

The log is the one that the server's configuration names. Without --config and --log the configuration is ./usher.yaml or /etc/usher/usher.yaml. The copy is a log itself: name it in a configuration to serve from it.

With --json: {"file","events","head"}.`,
		Example: `
usher audit backup /backup/audit-2026-11-28.db
usher audit backup --config /etc/usher/usher.yaml /backup/audit.db

# The log of usher demo --dir ~/usher-demo
usher audit backup --log ~/usher-demo/audit.db audit-copy.db
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 1, 1, "backup takes the name of a new file: usher audit backup FILE."); err != nil {
				return err
			}
			return a.backup(cmd.Context(), from, args[0])
		}),
	}
	cmd.Flags().StringVar(&from.Config, "config", "", "the server's configuration file")
	cmd.Flags().StringVar(&from.File, "log", "", "the log itself, an audit.db")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	_ = cmd.MarkFlagFilename("log", "db")
	return cmd
}

func (a *app) reindexCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "reindex",
		Short: "Rebuild the index of an audit log in DynamoDB",
		Long: `Rebuild the index of an audit log in DynamoDB from the log itself: after the index table was lost, or restored from an older copy. Servers may run meanwhile. The command reads the whole log and changes only the index. It can be repeated and interrupted.

The log is the one that the server's configuration names. Without --config the configuration is ./usher.yaml or /etc/usher/usher.yaml.`,
		Example: `
usher audit reindex --config /etc/usher/usher.yaml
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 0, "reindex takes flags only: usher audit reindex --config FILE."); err != nil {
				return err
			}
			if config == "" {
				var err error
				if config, err = findConfig(); err != nil {
					return err
				}
			}
			return a.reindex(cmd.Context(), config)
		}),
	}
	cmd.Flags().StringVar(&config, "config", "", "the server's configuration file")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	return cmd
}

func (a *app) reindex(ctx context.Context, config string) error {
	hours := 0
	err := a.Reindex(ctx, config, func(hour time.Time) {
		if hours++; a.ErrTTY && hour.Hour() == 0 {
			fmt.Fprintln(a.Err, "indexing", hour.UTC().Format("2006-01-02"))
		}
	})
	if err != nil {
		return startError("The index was not rebuilt", err)
	}
	if a.json {
		a.writeJSON(a.Out, reindexLine{hours})
		return nil
	}
	fmt.Fprintf(a.Out, "The index is rebuilt from %s of the log.\n", quantity.Plural(hours, "hour", "hours"))
	return nil
}

func (a *app) backup(ctx context.Context, from AuditLog, file string) error {
	if from.Config != "" && from.File != "" {
		return usagef("Give --config or --log, not both.")
	}
	if file == "-" {
		return usagef("A backup is a file, and does not go to stdout. For a file of the name - write ./-")
	}
	if from == (AuditLog{}) {
		var err error
		if from.Config, err = findConfig(); err != nil {
			return err
		}
	}
	done, err := a.Backup(ctx, from, file)
	if err != nil {
		return startError("The backup failed", err)
	}
	if a.json {
		return a.writeBackup(file, done)
	}
	fmt.Fprintf(a.Out, "%s: %s, verified.\n", safe(file), quantity.Plural(int(done.Events), "event", "events"))
	return nil
}

// BackedUp is a finished backup: its number of events, and the root of their
// tree in hexadecimal.
type BackedUp struct {
	Events int64
	Head   string
}

func (a *app) writeBackup(file string, done BackedUp) error {
	a.writeJSON(a.Out, backupLine{file, done.Events, done.Head})
	return nil
}

func findConfig() (string, error) {
	for _, path := range configPaths {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
	}
	return "", usagef("There is no usher.yaml here and no /etc/usher/usher.yaml. Name the server's configuration with --config, or the log with --log.")
}

// startError returns an error for the administrator of a server. Its sentence
// includes the cause, which names the setting or file to change.
func startError(what string, err error) error {
	if err == nil {
		err = errors.New("it ended without an error")
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	exit := api.ExitUsage
	var network *net.OpError
	var disk *fs.PathError
	var known api.Failing
	switch {
	case errors.As(err, &known):
		exit = known.Exit()
	case errors.As(err, &network):
		exit = api.ExitUnavailable
	case errors.As(err, &disk) && !errors.Is(err, fs.ErrNotExist):
		exit = api.ExitDisk
	}
	return &failedError{text: what + ": " + lines(err), exit: exit, cause: err}
}

// tableLine is a line of JSON output.
type tableLine struct {
	Table string `json:"table"`
}

// findingLine is a line of JSON output.
type findingLine struct {
	Part    string `json:"part"`
	Subject string `json:"subject"`
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty"`
	Fix     string `json:"fix,omitempty"`
}

// reindexLine is a line of JSON output.
type reindexLine struct {
	Hours int `json:"hours"`
}

// backupLine is a line of JSON output.
type backupLine struct {
	File   string `json:"file"`
	Events int64  `json:"events"`
	Head   string `json:"head"`
}
