package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) demoCommand() *cobra.Command {
	var serve bool
	var o DemoOptions
	var endpoint string
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "Try everything on this machine, without AWS",
		GroupID: "machine",
		Long: `Run a sign-in service, a storage and usher's server on this machine, with sample people and files, and open the browser. Nothing leaves the machine, and everything is removed at the end.

With --serve there is no browser: the command prints the settings to connect with and runs until Ctrl-C. When an account needs a code, it prints the current one. With --serve --json it prints one line when everything is ready: {"server","pin","region","user_pool_id","client_id","sso_client_id","device_client_id","cognito_endpoint","issuer","hosted_ui","s3_endpoint","s3_region","s3_access_key","s3_secret_key","people":[{"username","password","groups","totp_secret","temporary","set_up_mfa","mail_codes","sso_only"}],"dir","grants_file","mail_file"}. Mail and SMS of the sign-in service (codes, first passwords) are written to mail_file, one JSON object a line. Objects in the classes GLACIER and DEEP_ARCHIVE must be restored before they can be read. A restore takes no time (Expedited), 2 seconds (Standard) or 5 (Bulk).

With --dir the next start has the same people, passwords and ports, but no uploaded files. --port N uses N for usher's server, N+1 for the storage and N+2 for the sign-in service.

With --stack usher's server runs as it does on AWS after usher deploy: as functions behind a gateway, with its log, grants and state in tables that stay in memory, an archive as a folder, and a log that is sealed every few seconds. --serve prints the command that verifies the log; with --json they are in "stack":{"config","environment","log_table","archive"}. Grants change with usher grants, not in the file.

With --witnesses the server submits the checkpoints of its log to witnesses (usher audit witness). FILE is their policy; it needs the key of the log, audit.key.pub in --dir.

With --s3-endpoint the files come from your own S3 server, to which the demo writes nothing; name your buckets in its grants file. The keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; without these the demo signs with its own s3_access_key and s3_secret_key, for a server that accepts them or checks no keys. The region comes from AWS_REGION or AWS_DEFAULT_REGION, or is us-east-1. The same keys sign admin calls to the demo's sign-in service. With keys from the environment and an https address, s3_secret_key is empty.`,
		Example: `
usher demo

# For other terminals, scripts and tools
usher demo --serve

# With the same people, passwords and addresses at each start
usher demo --dir ~/usher-demo
usher demo --serve --port 8400

# With the files of a MinIO or another S3 server
export AWS_ACCESS_KEY_ID=minioadmin AWS_SECRET_ACCESS_KEY=minioadmin
usher demo --s3-endpoint http://127.0.0.1:9000 --dir ~/usher-demo
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 0, "demo takes flags only."); err != nil {
				return err
			}
			if !serve && (a.json || !a.InTTY || !a.OutTTY) {
				return usagef("The browser needs a terminal. Without one, run usher demo --serve, and usher ls beside it.")
			}
			if o.Stack && cmd.Flags().Changed("s3-endpoint") {
				return usagef("A stack has its own storage: leave out --s3-endpoint.")
			}
			if o.Stack && o.Witnesses != "" {
				return usagef("The functions of a stack submit to no witness: leave out --witnesses.")
			}
			if cmd.Flags().Changed("s3-endpoint") {
				var err error
				if o.Storage, err = a.ownStorage(endpoint); err != nil {
					return err
				}
			}
			return a.demo(cmd.Context(), o, serve)
		}),
	}
	cmd.Flags().BoolVar(&serve, "serve", false, "no browser: print the settings to connect with, and keep running")
	cmd.Flags().StringVar(&o.Dir, "dir", "", "store everything in this directory")
	cmd.Flags().IntVar(&o.Port, "port", 0, "listen on this port and the next two")
	cmd.Flags().BoolVar(&o.Stack, "stack", false, "run usher's server as the functions of a deployed stack")
	cmd.Flags().StringVar(&endpoint, "s3-endpoint", "", "use the S3 server at this address, and its buckets")
	cmd.Flags().BoolVar(&o.AcceptLost, "accept-lost-records", false, "start although records of the audit log are lost")
	cmd.Flags().StringVar(&o.Witnesses, "witnesses", "", "submit the log's checkpoints to the witnesses of this policy")
	cmd.Flags().StringArrayVar(&o.Faults, "fault", nil, "a failure of the sign-in service, like hang:InitiateAuth; repeatable")
	_ = cmd.Flags().MarkHidden("fault")
	_ = cmd.MarkFlagDirname("dir")
	return cmd
}

// demo runs a demo and always ends it.
func (a *app) demo(ctx context.Context, o DemoOptions, serve bool) (err error) {
	wanted := make(chan string, 16)
	o.CodeWanted = func(username string) {
		select {
		case wanted <- username:
		default: // more codes than a person can read
		}
	}
	demo, err := a.Demo(ctx, o)
	if err != nil {
		return startError("The demo can't start", err)
	}
	defer func() {
		if cerr := demo.Close(); err == nil && cerr != nil {
			err = startError("The demo did not end cleanly", cerr)
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { cancel(demo.Wait()) }()
	if serve {
		a.introduceDemo(demo, o)
		if err := a.unwritten(); err != nil {
			return err
		}
		a.showCodes(ctx, demo, wanted)
		var signal *stopped
		if cause := context.Cause(ctx); !errors.As(cause, &signal) {
			return startError("The demo's server ended", cause)
		}
		return nil // ended by a signal
	}
	a.Folders, a.server, a.profile = demo.Folders, demo.Server, ""
	p, err := a.resolve(ctx)
	if err != nil {
		return err
	}
	return a.open(ctx, p, "", filepath.Join(demo.Facts.Dir, "downloads"), demo)
}

// showCodes prints the code of each account that needs one, until ctx ends. So
// the demo needs no authenticator app.
func (a *app) showCodes(ctx context.Context, demo RunningDemo, wanted <-chan string) {
	for {
		select {
		case <-ctx.Done():
			return
		case username := <-wanted:
			if !a.json { // stdout has one line, for a program
				fmt.Fprintln(a.Out, demo.codeLine(username))
			}
		}
	}
}

func (w RunningDemo) codeLine(username string) string {
	return safe(username) + ": the current code is " + w.CodeNow(username)
}

// ownStorage reads the keys and the region of an S3 server from the standard AWS
// variables.
func (a *app) ownStorage(endpoint string) (*DemoStorage, error) {
	s := &DemoStorage{
		Endpoint: endpoint, Region: a.Getenv("AWS_REGION"),
		AccessKey: a.Getenv("AWS_ACCESS_KEY_ID"), SecretKey: a.Getenv("AWS_SECRET_ACCESS_KEY"),
	}
	if s.Region == "" {
		s.Region = a.Getenv("AWS_DEFAULT_REGION")
	}
	switch {
	case (s.AccessKey == "") != (s.SecretKey == ""):
		return nil, usagef("Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither. Without them the demo signs with its own keys.")
	case s.AccessKey != "" && a.Getenv("AWS_SESSION_TOKEN") != "":
		// A link must expire before the key that signs it, and the variables have no expiry.
		return nil, usagef("AWS_SESSION_TOKEN is set: the demo can't sign with temporary keys, because their expiry is unknown. Use keys without a session token.")
	}
	return s, nil
}

// introduceDemo prints the settings to connect with. The passwords are valid in
// the demo only. A secret key from the environment is printed with --json alone,
// and only for a server on this machine.
func (a *app) introduceDemo(demo RunningDemo, o DemoOptions) {
	f := demo.Facts
	foreign := o.Storage != nil && o.Storage.AccessKey != ""
	if foreign && !strings.HasPrefix(f.S3Endpoint, "http://") {
		f.S3SecretKey = ""
	}
	if a.json {
		a.writeJSON(a.Out, f)
		return
	}
	fmt.Fprintf(a.Out, "usher demo is ready. Leave it running, and in another terminal:\n\n"+
		"  export USHER_SERVER=%s\n  usher login --username %s\n  usher ls\n\nPeople\n", f.Server, first(f.People))
	var t table
	for _, p := range f.People {
		t.add("  "+p.Username, p.Password, p.About())
	}
	a.writeTable(&t)
	for _, p := range f.People {
		if p.TOTPSecret != "" {
			fmt.Fprintf(a.Out, "\n%s, secret of the authenticator app %s\n", demo.codeLine(p.Username), p.TOTPSecret)
		}
	}
	keys := "access key " + f.S3AccessKey + ", secret key " + f.S3SecretKey
	if foreign {
		keys = "access key " + safe(f.S3AccessKey) + " with its secret key from the environment"
	}
	change := "you can change it while this runs"
	if f.Stack != nil {
		change = "in force at the start; usher grants changes them"
	}
	fmt.Fprintf(a.Out, "\nGrants     %s (%s)\nStorage    %s, %s\nSign-in    %s, pool %s, client %s\nMail       %s\n",
		safe(f.GrantsFile), change, safe(f.S3Endpoint), keys, f.CognitoEndpoint, f.UserPoolID, f.ClientID, safe(f.MailFile))
	if f.AccessLog != "" {
		fmt.Fprintf(a.Out, "Access log %s (usher audit reconcile reads it)\n", safe(f.AccessLog))
	}
	fmt.Fprintln(a.Out)
	a.introduceStack(f)
	if o.Dir == "" {
		fmt.Fprintln(a.Out, "Press Ctrl-C to end the demo and remove everything.")
	} else {
		fmt.Fprintf(a.Out, "Press Ctrl-C to end the demo; %s is kept.\n", safe(f.Dir))
	}
}

// introduceStack prints the parts of a stack.
func (a *app) introduceStack(f DemoFacts) {
	s := f.Stack
	if s == nil {
		return
	}
	fmt.Fprintf(a.Out, "Stack      tables in memory, archive %s\n\nVerify the log of the stack, about ten seconds after an action:\n\n", safe(s.Archive))
	for _, v := range s.Environment {
		fmt.Fprintf(a.Out, "  export %s\n", safe(v))
	}
	fmt.Fprintf(a.Out, "  usher audit verify --config %s\n\n", safe(s.Config))
}

func first(people []Account) string {
	if len(people) == 0 {
		return "NAME"
	}
	return people[0].Username
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version of usher",
		GroupID: "machine",
		Long:    `Show the version of usher. With --json: {"version","commit","date","go","platform","modified"}. A build without version control has no commit, date and modified.`,
		Example: `
usher version
usher version --json
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 0, "version takes no arguments."); err != nil {
				return err
			}
			if a.json {
				a.writeJSON(a.Out, a.build())
				return nil
			}
			b := a.build()
			fmt.Fprintln(a.Out, "usher", a.Version)
			a.debugf("commit %s, %s, %s, %s", cmp.Or(b.Commit, "unknown"), cmp.Or(b.Date, "unknown date"), b.Go, b.Platform)
			return nil
		}),
	}
}
