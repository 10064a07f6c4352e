package cli

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client"
	"usher/client/download"
	"usher/session"
)

func (a *app) urlCommand() *cobra.Command {
	var paths pathFlags
	var curl bool
	cmd := &cobra.Command{
		Use:     "url PATH",
		Short:   "Print a short-lived download link",
		GroupID: "files",
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
			if t.folder() {
				return usagef("A link is for one file, and %s is a folder. To fetch it: usher get %s", safe(t.path()), shellQuote(t.path()))
			}
			return a.link(cmd, t, curl)
		}),
	}
	paths.add(cmd, false)
	cmd.Flags().BoolVar(&curl, "curl", false, "print a curl command instead")
	return cmd
}

func (a *app) link(cmd *cobra.Command, t target, curl bool) error {
	at, err := a.connect(cmd.Context())
	if err != nil {
		return err
	}
	answer, err := at.client.Release(cmd.Context(), api.ReleaseRequest{
		Objects: []api.ReleaseObject{{Bucket: t.bucket, Key: t.key}}, Purpose: api.PurposeLink,
	})
	if err != nil {
		return err
	}
	item := answer.Items[0]
	if item.Error != nil {
		return &api.Error{Code: item.Error.Code, RequestID: answer.RequestID}
	}
	if err := checkLink(item, t, at.profile); err != nil {
		return err
	}
	switch {
	case a.json:
		a.writeJSON(a.Out, struct {
			Path  string `json:"path"`
			URL   string `json:"url"`
			Life  int    `json:"life"`
			Event string `json:"event"`
		}{t.path(), item.URL, item.Life, item.Event})
		return nil
	case curl:
		_, name := t.parent()
		name, flags := download.LocalName(name), ""
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

// ownMachine says that a profile's server is on this machine.
func ownMachine(p session.Profile) bool {
	u, err := url.Parse(p.Server)
	return err == nil && client.Loopback(u.Hostname())
}

// checkLink refuses a link that is not what was asked for: the server decides
// who may fetch, and not where a person is sent.
func checkLink(item api.ReleaseItem, t target, p session.Profile) error {
	refuse := func(why string) error {
		return &download.Error{Kind: download.ErrBadURL, Path: t.path(), Detail: why}
	}
	u, err := url.Parse(item.URL)
	if err != nil || len(item.URL) > 16<<10 || strings.ContainsFunc(item.URL, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return refuse("it does not parse")
	}
	own := ownMachine(p)
	known := func(bucket string) bool {
		return slices.ContainsFunc(p.Config.S3Hosts, func(h string) bool { return strings.EqualFold(u.Host, bucket+h) })
	}
	path := "/" + t.key
	switch {
	case u.User != nil || u.Fragment != "" || u.Opaque != "":
		return refuse("it holds more than an address")
	case u.Scheme != "https" && !(u.Scheme == "http" && own && client.Loopback(u.Hostname())):
		return refuse("it is not encrypted")
	case known(""):
		path = "/" + t.bucket + path
	case !known(t.bucket + "."):
		return refuse("its host is not the configured storage")
	}
	switch {
	case u.Path != path:
		return refuse("it names another object")
	case item.Life < 1 || item.Life > 900:
		return refuse("its life is out of bounds")
	}
	return nil
}
