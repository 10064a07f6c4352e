package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/backend/event"
	"usher/client/glob"
)

// completeTime bounds a completion. A shell waits for it; ctrl+c ends it. The first call
// of a function of AWS Lambda can take seconds.
const completeTime = 5 * time.Second

// offer returns exact completions to a shell. cobra trims the names that it prints.
func (a *app) offer(words []string) ([]string, cobra.ShellCompDirective) {
	a.answers = words
	return words, cobra.ShellCompDirectiveNoFileComp
}

// completeWith adds the completion of arguments and of --profile to all commands.
func (a *app) completeWith(root *cobra.Command) {
	_ = root.RegisterFlagCompletionFunc("profile", a.completeProfiles)
	eachOf(root, func(c *cobra.Command) {
		for name, values := range map[string][]string{"names": {"local", "portable"}, "progress": {"auto", "json", "off"}, "sort": {"name", "size", "time"}, "keyring": {"auto", "always", "never"}} {
			if c.Flags().Lookup(name) != nil {
				_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
			}
		}
		for _, name := range []string{"group", "add", "remove"} {
			if c.Flags().Lookup(name) != nil {
				_ = c.RegisterFlagCompletionFunc(name, func(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
					return a.offer(matching(a.groupNames(cmd.Context()), word))
				})
			}
		}
		if c.ValidArgsFunction == nil {
			c.ValidArgsFunction = a.completeArgs
		}
	})
}

// eachOf visits a command and all below it.
func eachOf(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		eachOf(sub, visit)
	}
}

// completeArgs completes an argument by its placeholder in the command's use.
func (a *app) completeArgs(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	places := strings.Fields(cmd.Use)[1:]
	at := len(args)
	if last := len(places) - 1; at > last {
		if last < 0 || !strings.Contains(places[last], "...") {
			return a.offer(nil)
		}
		at = last
	}
	switch strings.Trim(places[at], "[].") {
	case "PATH":
		if !cmd.HasParent() && !strings.Contains(word, "/") { // the first word of a command line
			return a.offer(nil)
		}
		return a.offer(a.pathsFor(cmd, word))
	case "USER":
		return a.offer(matching(a.userNames(cmd.Context()), word))
	case "GROUP":
		return a.offer(matching(a.groupNames(cmd.Context()), word))
	case "QUERY":
		return a.offer(a.terms(cmd.Context(), word))
	case "FILE":
		return nil, cobra.ShellCompDirectiveDefault
	case "DIR":
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	return a.offer(nil)
}

// matching returns the names that begin with a word and that a shell can pass.
func matching(names []string, word string) (out []string) {
	for _, name := range names {
		if strings.HasPrefix(name, word) && safe(name) == name {
			out = append(out, name)
		}
	}
	return out
}

// pathsFor completes a remote path: the names in the folder of the word, by at most
// one listing. Where a command takes patterns, the wildcards of a name are escaped.
func (a *app) pathsFor(cmd *cobra.Command, word string) []string {
	patterns := false
	if f := cmd.Flags().Lookup("literal"); f != nil {
		patterns = !f.Changed
	}
	return a.paths(cmd.Context(), word, patterns)
}

func (a *app) paths(ctx context.Context, word string, patterns bool) (out []string) {
	typed := word[:strings.LastIndexByte(word, '/')+1]
	folder := typed
	if patterns && strings.ContainsAny(folder, glob.Signs) {
		var literal bool
		if folder, literal = glob.Literal(folder); !literal {
			return nil
		}
	}
	at, err := api.ParsePath(folder)
	if err != nil {
		return nil
	}
	for _, name := range a.namesIn(ctx, at) {
		if patterns && strings.ContainsAny(folder+name, glob.Signs) {
			name = glob.Escape(name)
			if !strings.ContainsAny(typed, glob.Signs) {
				typed = glob.Escape(folder)
			}
		}
		out = append(out, typed+name)
	}
	return matching(out, word)
}

// namesIn returns the names in a folder; that of a bucket has a slash here.
func (a *app) namesIn(ctx context.Context, at api.Path) []string {
	return a.remembered(ctx, "path "+at.String(), pathLife, func(ctx context.Context, conn connection) (lists, error) {
		page, err := conn.client.List(ctx, api.ListRequest{Bucket: at.Bucket, Prefix: at.Key})
		if err != nil {
			return nil, err
		}
		var names []string
		for _, e := range page.Entries {
			if e.Kind == api.KindBucket {
				e.Name += "/"
			}
			names = append(names, e.Name)
		}
		return lists{"path " + at.String(): names}, nil
	})
}

// userNames returns user names: those with access to the first buckets of the grants for
// admins, and those in the newest events for auditors.
func (a *app) userNames(ctx context.Context) []string {
	names := a.remembered(ctx, "people", namesLife, func(ctx context.Context, conn connection) (lists, error) {
		grants, err := conn.client.GrantsList(ctx)
		if err != nil {
			return nil, err
		}
		var buckets, names []string
		for _, g := range grants.Grants {
			if !slices.Contains(buckets, g.Bucket) {
				buckets = append(buckets, g.Bucket)
			}
		}
		for _, b := range buckets[:min(len(buckets), 3)] {
			who, err := conn.client.Who(ctx, api.WhoRequest{Bucket: b})
			if err != nil {
				return nil, err
			}
			for _, p := range who.People {
				names = append(names, p.Username)
			}
		}
		slices.Sort(names)
		return lists{"people": slices.Compact(names)}, nil
	})
	if len(names) > 0 {
		return names
	}
	return a.eventValues(ctx, event.ByWho)
}

// groupNames returns the groups of the grants, for admins.
func (a *app) groupNames(ctx context.Context) []string {
	return a.remembered(ctx, "groups", namesLife, func(ctx context.Context, conn connection) (lists, error) {
		page, err := conn.client.GrantsList(ctx)
		if err != nil {
			return nil, err
		}
		var names []string
		for _, g := range page.Grants {
			names = append(names, g.Group)
		}
		slices.Sort(names)
		return lists{"groups": slices.Compact(names)}, nil
	})
}

// eventValues returns the values of a field in the newest events, for auditors. One
// query has those of all fields.
func (a *app) eventValues(ctx context.Context, field event.Field) []string {
	return a.remembered(ctx, "events "+string(field), namesLife, func(ctx context.Context, conn connection) (lists, error) {
		page, err := conn.client.AuditQuery(ctx, api.AuditQueryRequest{Limit: api.MaxAuditPage})
		if err != nil {
			return nil, err
		}
		out := lists{}
		add := func(field event.Field, value string) {
			if value != "" {
				out["events "+string(field)] = append(out["events "+string(field)], value)
			}
		}
		for _, e := range page.Events {
			add(event.ByWho, e.User.Username)
			add(event.ByBucket, e.Bucket)
			add(event.ByIP, e.SourceIP)
			for _, g := range e.GroupNames {
				add(event.ByGroup, g)
			}
		}
		for key, values := range out {
			slices.Sort(values)
			out[key] = slices.Compact(values)
		}
		return out, nil
	})
}

// terms completes a term of an audit query: its field, and then the values of the
// field. A term may begin with "-".
func (a *app) terms(ctx context.Context, word string) (out []string) {
	word, negated := strings.CutPrefix(word, "-")
	sign := ""
	if negated {
		sign = "-"
	}
	field, value, has := strings.Cut(word, ":")
	if !has {
		for _, f := range event.Fields() {
			out = append(out, sign+string(f)+":")
		}
		return matching(out, sign+word)
	}
	var values []string
	switch f := event.Field(field); f {
	case event.ByAction:
		values = event.Actions()
	case event.ByOutcome:
		values = event.Outcomes()
	case event.ByPurpose:
		values = []string{event.PurposeDownload, event.PurposePreview, event.PurposeLink}
	case event.BySince, event.ByUntil:
		values = []string{"1h", "24h", "7d", "30d", "today", "yesterday"}
	case event.ByWho, event.ByBucket, event.ByIP, event.ByGroup:
		values = a.eventValues(ctx, f)
	case event.ByPath:
		exact := value[:len(value)-len(strings.TrimPrefix(value, "="))]
		for _, path := range a.paths(ctx, strings.TrimPrefix(value, "="), false) {
			values = append(values, exact+path)
		}
	}
	for _, v := range values {
		if !strings.ContainsAny(v, " \t\"*") { // the grammar of filters needs quotes for them
			out = append(out, sign+field+":"+v)
		}
	}
	return matching(out, sign+word)
}

// completeProfiles completes the name of a profile.
func (a *app) completeProfiles(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	names, err := a.Folders.Profiles()
	if err != nil {
		return a.offer(nil)
	}
	return a.offer(matching(names, word))
}
