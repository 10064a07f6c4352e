package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/backend/api/shape"
	"usher/client/download/ticket"
	"usher/client/link"
	"usher/client/proof"
	"usher/session"
)

func (a *app) urlCommand() *cobra.Command {
	var paths pathFlags
	var version versionFlag
	var curl bool
	cmd := &cobra.Command{
		Use:        "url PATH...",
		SuggestFor: []string{"presign"},
		Short:      "Print short-lived download links",
		GroupID:    "files",
		Long: `Print a link to each file that any browser or curl can use. Any person with the link can download the file until it expires, usually after a minute. The audit log records the link under your name. With --version the link is for one version, also of a file that is deleted.

With --json: {"path","url","life","event"}, life in seconds.`,
		Example: `
usher url company-reports/annual/audited/restated/why.md

# A command for a machine without usher
usher url --curl builds/usher/1.4.0/build.log

# The oldest version
usher url builds/README.md --version \
  "$(usher versions builds/README.md --jq .version | tail -n 1)"
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 1, -1, "url takes the PATH of a file."); err != nil {
				return err
			}
			var targets []target
			for _, arg := range args {
				t, err := parsePath(arg, paths.escaped)
				if err != nil {
					return err
				}
				if t.IsRoot() {
					return usagef("Name a file, like bucket/folder/file.")
				}
				if t.Key == "" {
					return isFolder(t)
				}
				targets = append(targets, target{Path: t})
			}
			if err := version.check(targets); err != nil {
				return err
			}
			conn, err := a.connectFiles(cmd.Context(), proof.Every)
			if err != nil {
				return err
			}
			return a.eachPath(cmd.Context(), targets, func(t target) error { return a.link(cmd, conn, t.Path, version.id, curl) })
		}),
	}
	paths.add(cmd, false)
	version.add(cmd)
	cmd.Flags().BoolVar(&curl, "curl", false, "print a curl command instead")
	return cmd
}

func (a *app) link(cmd *cobra.Command, conn connection, t api.Path, version string, curl bool) error {
	if file, err := isFile(cmd.Context(), conn.client, t); err != nil {
		return err
	} else if !file {
		return isFolder(t)
	}
	check, err := ticket.New(ticket.Config{Hosts: conn.profile.Config.S3Hosts, AllowHTTP: ownMachine(conn.profile)})
	if err != nil {
		return err
	}
	maker, err := link.New(link.Config{Server: conn.client, Check: check, Now: a.Now})
	if err != nil {
		return err
	}
	made, err := maker.Make(cmd.Context(), link.Object{Path: t, Version: version})
	if err != nil {
		return err
	}
	l := made[0]
	switch {
	case l.Err != nil:
		return l.Err
	case a.json:
		a.writeJSON(a.Out, linkLine{t.String(), l.URL(), l.Life, l.Event})
		return nil
	case curl:
		fmt.Fprintln(a.Out, l.Curl())
	default:
		fmt.Fprintln(a.Out, l.URL())
	}
	if a.ErrTTY {
		fmt.Fprintf(a.Err, "The link works for %d s, for any person who has it.\n", l.Life)
	}
	return nil
}

// stater returns the facts of one object.
type stater interface {
	Stat(ctx context.Context, req api.StatRequest) (api.StatResponse, error)
}

// statOf returns the request for the facts of an object.
func statOf(p api.Path) api.StatRequest { return api.StatRequest{Bucket: p.Bucket, Key: p.Key} }

// isFile reports whether a path can be a single file: it does not end in "/", or
// an object with bytes has this key.
func isFile(ctx context.Context, from stater, t api.Path) (bool, error) {
	switch {
	case t.Key == "":
		return false, nil
	case !t.IsFolder():
		return true, nil
	}
	facts, err := from.Stat(ctx, statOf(t))
	if errors.Is(err, &api.Error{Code: api.NotFound}) {
		return false, nil
	}
	return err == nil && facts.Size > 0, err
}

func isFolder(t api.Path) error {
	return usagef("A link is for one file, and %s is a folder. To fetch it: usher get %s", safe(t.String()), shellQuote(t.String()))
}

// ownMachine reports whether a profile's server is on this machine.
func ownMachine(p session.Profile) bool {
	u, err := url.Parse(p.Server)
	return err == nil && shape.Loopback(u.Hostname())
}

// linkLine is a line of JSON output.
type linkLine struct {
	Path  string `json:"path"`
	URL   string `json:"url"`
	Life  int    `json:"life"`
	Event string `json:"event"`
}
