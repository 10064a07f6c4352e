package cli

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api/shape"
	"usher/backend/safetext"
)

// PoolOptions names a user pool. Endpoint is set only for a pool on this machine.
type PoolOptions struct{ Region, Pool, Endpoint string }

// Person is an account of a user pool.
type Person struct {
	Username string    `json:"username"`
	Email    string    `json:"email,omitempty"`
	Enabled  bool      `json:"enabled"`
	Status   string    `json:"status"`
	Created  time.Time `json:"created"`
	Groups   []string  `json:"groups,omitempty"` // only of a single person
}

// PoolGroup is a group of a user pool.
type PoolGroup struct {
	Name  string `json:"name"`
	About string `json:"about,omitempty"`
}

// People administers a user pool with AWS credentials.
type People interface {
	List(ctx context.Context, group string, f func(Person)) error
	Add(ctx context.Context, email string, groups []string, resend bool) (Person, error)
	Enable(ctx context.Context, username string, enabled bool) (Person, error)
	Get(ctx context.Context, username string) (Person, error)
	Change(ctx context.Context, username string, add, remove []string) (Person, error)
	Groups(ctx context.Context) ([]PoolGroup, error)
	Create(ctx context.Context, group string) error
}

func (a *app) usersCommand() *cobra.Command {
	var o PoolOptions
	cmd := &cobra.Command{
		Use:     "users",
		Short:   "Administer the accounts of the user pool, with AWS credentials",
		GroupID: "machine",
		Long: `Administer the accounts of the user pool. These commands use the AWS credentials of the standard AWS configuration, and no sign-in of usher. The pool is that of the saved server, unless --pool names another one.

Cognito mails an invitation with a temporary password to a new person. A disabled person is signed out, and gets no new links after 5 seconds.`,
		Example: `
usher users add ada@example.com --group finance-team
usher users list --group finance-team
usher users groups ada@example.com --add engineering
usher users groups --create engineering
usher users disable ada@example.com
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			return unknown(cmd, args, "list, add, disable, enable or groups")
		}),
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&o.Pool, "pool", "", "user pool; the default is that of the saved server")
	flags.StringVar(&o.Region, "region", "", "region of the pool, with --pool")
	cmd.AddCommand(a.usersList(&o), a.usersAdd(&o), a.usersSwitch(&o, "disable", "Disable an account and sign it out everywhere"), a.usersSwitch(&o, "enable", "Enable an account"), a.usersGroups(&o))
	return cmd
}

// people opens the user pool.
func (a *app) people(ctx context.Context, o PoolOptions) (People, error) {
	if o.Pool == "" {
		p, err := a.Folders.Resolve(ctx, a.profile, a.server, a.Getenv)
		if err != nil {
			return nil, err
		}
		o.Region, o.Pool = p.Config.Region, p.Config.UserPoolID
		// An endpoint of a server is used only on this machine, as in sign-ins.
		if u, err := url.Parse(p.Server); err == nil && shape.Loopback(u.Hostname()) {
			o.Endpoint = p.Config.CognitoEndpoint
		}
	}
	if region, _, found := strings.Cut(o.Pool, "_"); o.Region == "" && found {
		o.Region = region
	}
	return a.Users(ctx, o)
}

func (a *app) usersList(o *PoolOptions) *cobra.Command {
	var group string
	cmd := &cobra.Command{
		Use: "list", Short: "List the accounts", Long: "List the accounts of the pool, or those of a group. With --json one account a line: {\"username\",\"email\",\"enabled\",\"status\",\"created\"}.",
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 0, "users list takes flags only."); err != nil {
				return err
			}
			p, err := a.people(cmd.Context(), *o)
			if err != nil {
				return err
			}
			var t table
			err = p.List(cmd.Context(), group, func(u Person) {
				if a.json {
					a.writeJSON(a.Out, u)
					return
				}
				t.add(safe(u.Username), safe(u.Email), enabledWord(u.Enabled), safe(u.Status), u.Created.Format(time.DateOnly))
			})
			a.writeTable(&t)
			return err
		}),
	}
	cmd.Flags().StringVar(&group, "group", "", "only the members of this group")
	return cmd
}

func enabledWord(enabled bool) string {
	if enabled {
		return "enabled"
	}
	return "disabled"
}

// showPerson prints one account with its groups.
func (a *app) showPerson(u Person) {
	if a.json {
		a.writeJSON(a.Out, u)
		return
	}
	groups := make([]string, len(u.Groups))
	for i, g := range u.Groups {
		groups[i] = safe(g)
	}
	fmt.Fprintf(a.Out, "%s  %s  %s  groups: %s\n", safe(u.Username), enabledWord(u.Enabled), safe(u.Status), orNone(strings.Join(groups, ", ")))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (a *app) usersAdd(o *PoolOptions) *cobra.Command {
	var groups []string
	var resend bool
	cmd := &cobra.Command{
		Use: "add EMAIL", Short: "Add a person and mail an invitation", Long: "Add a person. The address is the user name. Cognito mails an invitation with a temporary password, which the person changes at the first sign-in. --resend mails it again.",
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 1, 1, "users add takes one e-mail address."); err != nil {
				return err
			}
			if !strings.Contains(args[0], "@") || strings.ContainsAny(args[0], " ,") || safetext.New(args[0]).Escaped() {
				return usagef("%s is not an e-mail address.", safe(args[0]))
			}
			p, err := a.people(cmd.Context(), *o)
			if err != nil {
				return err
			}
			u, err := p.Add(cmd.Context(), args[0], groups, resend)
			if err == nil {
				a.showPerson(u)
			}
			return err
		}),
	}
	cmd.Flags().StringArrayVar(&groups, "group", nil, "a group of the person; may be repeated")
	cmd.Flags().BoolVar(&resend, "resend", false, "mail the invitation of an existing person again")
	return cmd
}

func (a *app) usersSwitch(o *PoolOptions, word, short string) *cobra.Command {
	return &cobra.Command{
		Use: word + " USER", Short: short, Long: short + ".",
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 1, 1, "users "+word+" takes one user name."); err != nil {
				return err
			}
			p, err := a.people(cmd.Context(), *o)
			if err != nil {
				return err
			}
			u, err := p.Enable(cmd.Context(), args[0], word == "enable")
			if err == nil {
				a.showPerson(u)
			}
			return err
		}),
	}
}

func (a *app) usersGroups(o *PoolOptions) *cobra.Command {
	var add, remove []string
	var create string
	cmd := &cobra.Command{
		Use: "groups [USER]", Short: "List the groups, or change those of a person", Long: "Without a USER, list the groups of the pool, after creating the one of --create. With a USER, print the person's groups after the changes. A change is in force after 5 seconds at most. With --json: {\"name\",\"about\"} for each group, or the account with its groups.",
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 1, "users groups takes at most one user name."); err != nil {
				return err
			}
			if len(args) == 0 && len(add)+len(remove) > 0 {
				return usagef("Give the user name, too: usher users groups USER --add GROUP.")
			}
			for _, g := range add {
				if slices.Contains(remove, g) {
					return usagef("%s is in --add and in --remove.", safe(g))
				}
			}
			p, err := a.people(cmd.Context(), *o)
			if err != nil {
				return err
			}
			if create != "" {
				if err := p.Create(cmd.Context(), create); err != nil {
					return err
				}
			}
			if len(args) == 0 {
				return a.listGroups(cmd.Context(), p)
			}
			u, err := p.Change(cmd.Context(), args[0], add, remove)
			if err == nil {
				a.showPerson(u)
			}
			return err
		}),
	}
	cmd.Flags().StringArrayVar(&add, "add", nil, "add the person to this group; may be repeated")
	cmd.Flags().StringArrayVar(&remove, "remove", nil, "remove the person from this group; may be repeated")
	cmd.Flags().StringVar(&create, "create", "", "create this group first")
	return cmd
}

func (a *app) listGroups(ctx context.Context, p People) error {
	all, err := p.Groups(ctx)
	if err != nil {
		return err
	}
	var t table
	for _, g := range all {
		if a.json {
			a.writeJSON(a.Out, g)
			continue
		}
		t.add(safe(g.Name), safe(g.About))
	}
	a.writeTable(&t)
	return nil
}
