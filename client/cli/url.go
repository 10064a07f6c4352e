package cli

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/backend/api/shape"
	localname "usher/client/download/name"
	"usher/client/download/ticket"
	"usher/session"
)

func (a *app) urlCommand() *cobra.Command {
	var paths pathFlags
	var curl bool
	cmd := &cobra.Command{
		Use:        "url PATH",
		SuggestFor: []string{"presign"},
		Short:      "Print a short-lived download link",
		GroupID:    "files",
		Long: `Print a link to one file that any browser or curl can use. Whoever has the link can fetch the file until it ends, mostly a minute later; the log says that you asked for it.

With --json: {"path","url","life","event"}, life in seconds.`,
		Example: `
usher url company-reports/annual/audited/letter.pdf

# A line to paste on a machine without usher
usher url --curl builds/nightly/usher.tar.gz
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := exactly(cmd, args, 1, 1, "url takes the PATH of one file."); err != nil {
				return err
			}
			t, err := parsePath(args[0], paths.escaped)
			if err != nil {
				return err
			}
			if t.Key == "" {
				return isFolder(t)
			}
			return a.link(cmd, t, curl)
		}),
	}
	paths.add(cmd, false)
	cmd.Flags().BoolVar(&curl, "curl", false, "print a curl command instead")
	return cmd
}

func (a *app) link(cmd *cobra.Command, t api.Path, curl bool) error {
	at, err := a.connect(cmd.Context())
	if err != nil {
		return err
	}
	if t.IsFolder() { // an object with bytes is a file, also where its key ends in "/"
		facts, err := at.client.Stat(cmd.Context(), api.StatRequest{Bucket: t.Bucket, Key: t.Key})
		if errors.Is(err, &api.Error{Code: api.NotFound}) || err == nil && facts.Size == 0 {
			return isFolder(t)
		}
		if err != nil {
			return err
		}
	}
	check, err := ticket.New(ticket.Config{Hosts: at.profile.Config.S3Hosts, AllowHTTP: ownMachine(at.profile)})
	if err != nil {
		return err
	}
	object, asked := api.ReleaseObject{Bucket: t.Bucket, Key: t.Key}, a.Now()
	answer, err := at.client.Release(cmd.Context(), api.ReleaseRequest{Objects: []api.ReleaseObject{object}, Purpose: api.PurposeLink})
	if err != nil {
		return err
	}
	item := answer.Items[0]
	if item.Error != nil {
		return &api.Error{Code: item.Error.Code, RequestID: answer.RequestID}
	}
	if _, err := check.Check(object, item, asked); err != nil {
		return err
	}
	switch {
	case a.json:
		a.writeJSON(a.Out, struct {
			Path  string `json:"path"`
			URL   string `json:"url"`
			Life  int    `json:"life"`
			Event string `json:"event"`
		}{t.String(), item.URL, item.Life, item.Event})
		return nil
	case curl:
		name, flags := localname.Local(t.Base()), ""
		if strings.Contains(name, "/") { // one that is too long for a file system goes on in a folder
			flags = " --create-dirs"
		}
		// The path as it is: curl would follow dots in a key.
		fmt.Fprintf(a.Out, "curl --fail --path-as-is%s --output %s %s\n", flags, shellQuote("./"+name), shellQuote(item.URL))
	default:
		fmt.Fprintln(a.Out, item.URL)
	}
	if a.ErrTTY {
		fmt.Fprintf(a.Err, "The link works for %d s, for whoever has it.\n", item.Life)
	}
	return nil
}

func isFolder(t api.Path) error {
	return usagef("A link is for one file, and %s is a folder. To fetch it: usher get %s", safe(t.String()), shellQuote(t.String()))
}

// ownMachine says that a profile's server is on this machine.
func ownMachine(p session.Profile) bool {
	u, err := url.Parse(p.Server)
	return err == nil && shape.Loopback(u.Hostname())
}
