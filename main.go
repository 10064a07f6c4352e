//go:build !lambda.norpc

// Usher is a terminal program to browse and download the S3 folders that the
// user's groups can see, without AWS credentials. This file is the table of
// contents: it reads the environment, builds the parts, runs one of them, and
// returns the exit code.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"golang.org/x/term"

	"usher/backend/api"
	"usher/backend/audit/bundle"
	"usher/backend/demo"
	"usher/backend/event"
	"usher/backend/serve"
	"usher/client/cli"
	"usher/session"
	"usher/tui"
)

func main() {
	if serve.OnLambda(os.Getenv) {
		serveDeps().Log.Error("this build of usher does not run on AWS Lambda: use the one with the tags nosandbox,lambda.norpc (make lambda)")
		os.Exit(api.ExitUsage)
	}
	// The start allocates some megabytes that stay in use. A collection of garbage would
	// only delay it.
	usual := debug.SetGCPercent(400)
	p := program()
	p.Started = func() { debug.SetGCPercent(usual) }
	os.Exit(cli.Main(context.Background(), p, os.Args[1:]))
}

// program returns the commands with this process as their environment.
func program() cli.Program {
	isTTY := func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
	from := source()
	return cli.Program{
		Version: version,
		Source:  cli.Source{Commit: from.hash, Date: from.date, Modified: from.modified},
		Folders: session.DefaultFolders(),
		Getenv:  os.Getenv,
		Now:     time.Now,
		Started: func() {},
		In:      os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTTY: isTTY(os.Stdin), OutTTY: isTTY(os.Stdout), ErrTTY: isTTY(os.Stderr),
		ReadPassword: func() (string, error) {
			raw, err := term.ReadPassword(int(os.Stdin.Fd()))
			return string(raw), err
		},
		Browse:       browse,
		BrowseLog:    browseLog,
		CheckKeys:    tui.CheckKeys,
		Demo:         startDemo,
		Serve:        serveFile,
		Check:        check,
		CreateTables: createTables,
		Backup:       backup,
		Verify:       verify,
		VerifyExport: verifyExport,
		OpenLog:      openLog,
		Policy:       policy,
		Restart:      restart,
		Witness:      runWitness,
		Reindex:      reindex,
		Deployer:     deployer{},
		Users:        users,
	}
}

// serveFile runs the backend for a user pool and buckets on AWS.
func serveFile(ctx context.Context, o cli.ServeOptions) error {
	return serve.RunFile(ctx, o.Config, o.AcceptLost, o.Reload, serveDeps())
}

// createTables creates the DynamoDB tables of a configuration.
func createTables(ctx context.Context, file string) ([]string, error) {
	return serve.CreateTablesFile(ctx, file, serveDeps())
}

// check checks the dependencies of a server.
func check(ctx context.Context, file string) ([]cli.Finding, error) {
	found, err := serve.CheckFile(ctx, file, serveDeps())
	out := make([]cli.Finding, len(found))
	for i, f := range found {
		out[i] = cli.Finding(f)
	}
	return out, err
}

// backup copies an audit log of this machine.
func backup(ctx context.Context, from cli.AuditLog, file string) (cli.BackedUp, error) {
	head, err := serve.BackupFile(ctx, from.Config, from.File, file)
	return cli.BackedUp{Events: head.Size, Head: hex.EncodeToString(head.Root[:])}, err
}

// verify verifies an audit log of this machine.
func verify(ctx context.Context, o cli.VerifyOptions) (cli.Verified, error) {
	v := serve.Verify{Config: o.Log.Config, Path: o.Log.File, Key: o.Key, Policy: o.Policy, Progress: o.Progress, Event: o.Event}
	for _, n := range o.Notes {
		v.Notes = append(v.Notes, serve.Note(n))
	}
	r, err := serve.VerifyFile(ctx, v, serveDeps())
	out := cli.Verified{
		Events: r.Head.Size, Whole: r.Whole, Signed: r.Signed, Expired: r.Expired, Witnessed: r.Witnessed, Policy: r.Policy, Checkpoints: r.Checkpoints,
		Root: hex.EncodeToString(r.Head.Root[:]), Key: r.Key, FaultCount: r.FaultCount + int(r.Decisions.Differ),
		Decisions: r.Decisions.Decisions, Differ: r.Decisions.Differ, Undecidable: r.Decisions.Undecidable,
	}
	for _, f := range r.Faults {
		out.Faults = append(out.Faults, f.String())
	}
	for _, d := range r.Decisions.Differences {
		out.Faults = append(out.Faults, d.String())
		out.Whole = min(out.Whole, d.Record-1)
	}
	return out, err
}

// verifyExport verifies an export on this machine.
func verifyExport(ctx context.Context, path string, check bundle.Check) (cli.CheckedExport, error) {
	r, err := serve.VerifyExport(ctx, path, check)
	out := cli.CheckedExport{Report: r.Report, Decided: r.Decided, Decisions: r.Decisions.Decisions, Differ: r.Decisions.Differ, Undecidable: r.Decisions.Undecidable}
	for _, d := range r.Decisions.Differences {
		out.Differences = append(out.Differences, d.String())
	}
	return out, err
}

// openLog opens a copy of an audit log of this machine.
func openLog(path string) (cli.LogFile, error) {
	log, err := serve.OpenCopy(path, time.Now)
	if err != nil {
		return nil, err // a nil pointer in an interface is not nil
	}
	return log, nil
}

// policy returns a version of the grants that a copy of a log keeps.
func policy(ctx context.Context, path, version string) (api.GrantsListResponse, error) {
	return serve.PolicyFile(ctx, path, version)
}

// restart begins a new audit log on this machine.
func restart(ctx context.Context, log cli.AuditLog, reason string) (cli.Restarted, error) {
	r, err := serve.RestartFile(ctx, log.Config, log.File, reason, serveDeps())
	return cli.Restarted(r), err
}

// runWitness runs a witness of audit logs.
func runWitness(ctx context.Context, config string, ready func(address, key string)) error {
	return serve.WitnessFile(ctx, config, serveDeps(), ready)
}

// reindex rebuilds the index of an audit log in DynamoDB.
func reindex(ctx context.Context, config string, progress func(time.Time)) error {
	return serve.ReindexFile(ctx, config, serveDeps(), progress)
}

// startDemo runs the sandbox and the real backend in this process.
func startDemo(ctx context.Context, o cli.DemoOptions) (cli.RunningDemo, error) {
	options := demo.Options{
		Dir: o.Dir, KeepPort: o.Dir != "", Port: o.Port, CodeWanted: o.CodeWanted, AcceptLost: o.AcceptLost, Faults: o.Faults, Stack: o.Stack, Witnesses: o.Witnesses, NewID: event.IDs(rand.Reader), Versions: true,
	}
	if o.Storage != nil {
		storage := demo.Storage(*o.Storage)
		options.Storage = &storage
	}
	w, err := demo.Start(ctx, options)
	if err != nil {
		return cli.RunningDemo{}, err
	}
	facts := cli.DemoFacts{
		Server: w.Server, Pin: w.Pin, Region: w.Region, UserPoolID: w.UserPoolID, ClientID: w.ClientID, SSOClientID: w.SSOClientID, DeviceClientID: w.DeviceClientID, HostedUI: w.HostedUI,
		CognitoEndpoint: w.CognitoEndpoint, Issuer: w.Issuer, S3Endpoint: w.S3Endpoint, S3Region: w.S3Region,
		S3AccessKey: w.S3AccessKey, S3SecretKey: w.S3SecretKey, Dir: w.Dir, GrantsFile: w.GrantsFile, MailFile: w.MailFile,
	}
	if o.Storage == nil {
		facts.AccessLog = w.AccessLog
	}
	if w.StackConfig != "" {
		facts.Stack = &cli.Stack{Config: w.StackConfig, Environment: w.StackEnvironment(), LogTable: w.LogTable, Archive: w.ArchiveDir}
	}
	for _, p := range w.People {
		facts.People = append(facts.People, cli.Account{
			Username: p.Username, Password: p.Password, Groups: p.Groups, TOTPSecret: p.TOTPSecret, Temporary: p.Temporary, SetUpMFA: p.SetUpMFA,
			MailCodes: p.MailCodes, SSOOnly: p.SSOOnly,
		})
	}
	return cli.RunningDemo{
		Server: w.Server, Facts: facts, Close: w.Close, Wait: w.Wait, CodeNow: w.Sandbox.CodeNow,
		Folders: session.Folders{Config: filepath.Join(w.Dir, "config"), State: filepath.Join(w.Dir, "state")},
	}, nil
}

// browseLog runs the full-screen page of a log in a file.
func browseLog(ctx context.Context, l cli.LogScreen) error {
	d := tui.LogFileDeps{
		Log: l.Log, Name: l.Name, Filter: l.Query, Now: l.Now, Sent: l.Sent, Verify: func(ctx context.Context) (fault, text string) {
			s, err := l.Verify(ctx)
			if err != nil {
				return err.Error(), ""
			}
			return s.Fault, s.Text
		},
	}
	model, err := tui.NewLogFile(d.Terminal(os.Getenv, l.Theme, tui.Screen(l.Screen)))
	if err != nil {
		return err
	}
	err = tui.Run(ctx, model, terminalOf(l.Screen))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// terminalOf is the terminal of this process.
func terminalOf(s cli.Screen) tui.Terminal {
	return tui.Terminal{In: os.Stdin, Out: os.Stdout, Lines: s.Lines}
}

// browse runs the full-screen program.
func browse(ctx context.Context, s cli.Start) error {
	var parts browserParts
	err := tui.Start(ctx, tui.StartPage{Server: s.Server, Load: func(ctx context.Context, show func(string)) (*tui.Model, error) {
		b, err := s.Load(ctx, show)
		if err != nil {
			return nil, err
		}
		err = parts.build(b)
		return parts.model, err
	}}, terminalOf(s.Screen))
	if cerr := parts.close(); err == nil {
		err = cerr
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
