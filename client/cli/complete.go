package cli

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/session"
)

// Bounds of a completion. A shell waits for it.
const (
	completeTime = 2 * time.Second
	completeLife = 10 * time.Second // of a cached folder
)

// completed is the last folder of a completion. It is kept for the next key press,
// for the same person and server.
type completed struct {
	Server string    `json:"server"`
	Person string    `json:"person"`
	Folder string    `json:"folder"`
	At     time.Time `json:"at"`
	Names  []string  `json:"names"`
}

const completeFile = "completion.json"

// completePaths completes remote paths: the names in the folder of the word, by at
// most one listing. Without a sign-in there are none.
func (a *app) completePaths(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTime)
	defer cancel()
	folder := word[:strings.LastIndexByte(word, '/')+1]
	at, err := api.ParsePath(folder)
	if err != nil {
		return nil, directive
	}
	names, err := a.namesIn(ctx, at)
	if err != nil {
		return nil, directive
	}
	var out []string
	for _, name := range names {
		if full := folder + name; strings.HasPrefix(full, word) && safe(full) == full { // a shell can't pass the others
			out = append(out, full)
		}
	}
	return out, directive
}

// namesIn returns the names in a folder, from the cache or from one listing.
func (a *app) namesIn(ctx context.Context, at api.Path) ([]string, error) {
	quiet := *a
	quiet.debug, quiet.note = false, nil
	p, err := a.Folders.Resolve(ctx, a.profile, a.server, a.Getenv)
	if err != nil {
		return nil, err
	}
	conn, err := quiet.connectTo(p, "", quiet.transport())
	if err != nil {
		return nil, err
	}
	token, err := conn.session.Token(ctx)
	if err != nil {
		return nil, err
	}
	key := completed{Server: p.Server, Person: session.Subject(token), Folder: at.String()}
	if raw, err := a.Folders.LoadState(completeFile); err == nil {
		var have completed
		age := time.Duration(-1)
		if json.Unmarshal(raw, &have) == nil {
			age = a.Now().Sub(have.At)
		}
		if have.Server == key.Server && have.Person == key.Person && have.Folder == key.Folder && age >= 0 && age < completeLife {
			return have.Names, nil
		}
	}
	page, err := conn.client.List(ctx, api.ListRequest{Bucket: at.Bucket, Prefix: at.Key})
	if err != nil {
		return nil, err
	}
	for _, e := range page.Entries {
		if e.Kind == api.KindBucket {
			e.Name += "/"
		}
		key.Names = append(key.Names, e.Name)
	}
	key.At = a.Now()
	if raw, err := json.Marshal(key); err == nil {
		_ = a.Folders.SaveState(completeFile, raw) // without the cache the next press lists again
	}
	return key.Names, nil
}

// completeProfiles completes --profile.
func (a *app) completeProfiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	names, err := a.Folders.Profiles()
	if err != nil {
		names = nil
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeWith adds the completion of paths to each command whose arguments are
// PATHs, and that has none.
func (a *app) completeWith(root *cobra.Command) {
	_ = root.RegisterFlagCompletionFunc("profile", a.completeProfiles)
	for _, c := range root.Commands() {
		if _, args, ok := strings.Cut(c.Use, " "); ok && strings.Contains(args, "PATH") && c.ValidArgsFunction == nil {
			c.ValidArgsFunction = a.completePaths
		}
	}
}
