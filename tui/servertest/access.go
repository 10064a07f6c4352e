package servertest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"usher/backend/api"
	"usher/tui/access"
)

// AccessBed is a server whose access queries are open to the caller. Rules are
// its only grants, and Members its people, beside others in other groups.
type AccessBed struct {
	Server access.Backend
	// Ask sends a request for access of suite-amy to a path of suite-bucket. Only the
	// beds of Requests need it.
	Ask func(path, reason string) error
}

// Rule is a grant: of a folder, whose path ends in "/", or of an object.
type Rule struct {
	Group, Bucket, Path string
	Deny                bool
}

// Rules are the grants of an AccessBed.
func Rules() []Rule {
	return []Rule{
		{Group: "suite-guests", Bucket: "suite-bucket", Path: "docs/open/"},
		{Group: "suite-guests", Bucket: "suite-bucket", Path: "letter.pdf"},
		{Group: "suite-team", Bucket: "suite-bucket", Path: "docs/"},
		{Group: "suite-team", Bucket: "suite-bucket", Path: "docs/secret/", Deny: true},
	}
}

// Members are the people of an AccessBed, each with their groups.
func Members() map[string][]string {
	return map[string][]string{
		"suite-amy": {"suite-team"},
		"suite-bob": {"suite-guests"},
		"suite-cyn": {"suite-guests", "suite-team"},
	}
}

// Access returns the checks of access queries.
func Access() []Promise[AccessBed] {
	return []Promise[AccessBed]{
		{"the readers of a folder are groups and people", readers},
		{"a denial below a folder leaves parts of it", parts},
		{"a denied object has no readers", noReaders},
		{"an allowed object is explained by its allow", explainAllowed},
		{"a denied object is explained by its denial", explainDenied},
		{"an object without a grant is explained by grants that would help", explainMissing},
		{"a person's roots are the fewest", roots},
		{"an unknown person is not found", stranger},
		{"all grants are listed, with a version", grantList},
	}
}

func who(ctx context.Context, b AccessBed, key string) (groups, people []string, err error) {
	r, err := b.Server.Who(ctx, api.WhoRequest{Bucket: "suite-bucket", Key: key})
	for _, g := range r.Groups {
		groups = append(groups, fmt.Sprintf("%s %t %q", g.Group, g.Whole, grantTexts(g.Grants)))
	}
	for _, p := range r.People {
		people = append(people, fmt.Sprintf("%s %t %q", p.Username, p.Whole && p.Enabled, p.Groups))
	}
	return groups, people, err
}

func grantTexts(all []api.Grant) []string {
	out := make([]string, len(all))
	for i, g := range all {
		out[i] = g.Text
	}
	return out
}

// same compares two lists of texts.
func same(name string, got, want []string) error {
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s: %q, want %q", name, got, want)
	}
	return nil
}

const (
	allowOpen   = "allow suite-guests suite-bucket/docs/open/"
	allowLetter = "allow suite-guests object suite-bucket/letter.pdf"
	allowDocs   = "allow suite-team suite-bucket/docs/"
	denySecret  = "deny suite-team suite-bucket/docs/secret/"
)

func readers(ctx context.Context, b AccessBed) error {
	groups, people, err := who(ctx, b, "docs/open/")
	return errors.Join(err,
		same("groups", groups, []string{
			fmt.Sprintf("suite-guests true %q", []string{allowOpen}),
			fmt.Sprintf("suite-team true %q", []string{allowDocs}),
		}),
		same("people", people, []string{
			`suite-amy true ["suite-team"]`, `suite-bob true ["suite-guests"]`, `suite-cyn true ["suite-guests" "suite-team"]`,
		}))
}

func parts(ctx context.Context, b AccessBed) error {
	groups, people, err := who(ctx, b, "docs/")
	return errors.Join(err,
		same("groups", groups, []string{
			fmt.Sprintf("suite-guests false %q", []string{allowOpen}),
			fmt.Sprintf("suite-team false %q", []string{allowDocs, denySecret}),
		}),
		same("people", people, []string{
			`suite-amy false ["suite-team"]`, `suite-bob false ["suite-guests"]`, `suite-cyn false ["suite-guests" "suite-team"]`,
		}))
}

func noReaders(ctx context.Context, b AccessBed) error {
	groups, people, err := who(ctx, b, "docs/secret/plan.txt")
	return errors.Join(err, same("groups", groups, nil), same("people", people, nil))
}

// explain returns an explanation as lines: the verdict, then each list of
// grants that is not empty.
func explain(ctx context.Context, b AccessBed, user, key string) ([]string, error) {
	r, err := b.Server.Explain(ctx, api.ExplainRequest{User: user, Bucket: "suite-bucket", Key: key})
	out := []string{fmt.Sprintf("allowed %t", r.Allowed)}
	for _, list := range []struct {
		name   string
		grants []api.Grant
	}{{"allows", r.Allows}, {"denies", r.Denies}, {"asleep", r.Asleep}, {"nearest", r.Nearest}, {"others", r.Others}, {"missing", r.Missing}} {
		if len(list.grants) > 0 {
			out = append(out, fmt.Sprintf("%s %q", list.name, grantTexts(list.grants)))
		}
	}
	return out, err
}

func explainAllowed(ctx context.Context, b AccessBed) error {
	got, err := explain(ctx, b, "suite-amy", "docs/a.txt")
	return errors.Join(err, same("explanation", got, []string{"allowed true", fmt.Sprintf("allows %q", []string{allowDocs})}))
}

func explainDenied(ctx context.Context, b AccessBed) error {
	got, err := explain(ctx, b, "suite-amy", "docs/secret/plan.txt")
	return errors.Join(err, same("explanation", got, []string{
		"allowed false", fmt.Sprintf("allows %q", []string{allowDocs}), fmt.Sprintf("denies %q", []string{denySecret}),
	}))
}

func explainMissing(ctx context.Context, b AccessBed) error {
	got, err := explain(ctx, b, "suite-bob", "docs/a.txt")
	if err := errors.Join(err, same("explanation", got, []string{
		"allowed false", fmt.Sprintf("nearest %q", []string{allowOpen, allowLetter}), fmt.Sprintf("others %q", []string{allowDocs}),
		fmt.Sprintf("missing %q", []string{"allow suite-guests suite-bucket/docs/"}),
	})); err != nil {
		return err
	}
	got, err = explain(ctx, b, "suite-amy", "letter.pdf") // at the top of its bucket
	return errors.Join(err, same("explanation", got, []string{
		"allowed false", fmt.Sprintf("nearest %q", []string{allowDocs}), fmt.Sprintf("others %q", []string{allowLetter}),
		fmt.Sprintf("missing %q", []string{"allow suite-team object suite-bucket/letter.pdf"}),
	}))
}

func roots(ctx context.Context, b AccessBed) error {
	r, err := b.Server.Can(ctx, api.CanRequest{User: "suite-cyn"})
	var got []string
	for _, x := range r.Roots {
		got = append(got, fmt.Sprintf("%s except %q", x.Grant.Text, grantTexts(x.Except)))
	}
	return errors.Join(err,
		same("groups", r.Groups, []string{"suite-guests", "suite-team"}),
		same("roots", got, []string{
			fmt.Sprintf("%s except %q", allowDocs, []string{denySecret}),
			fmt.Sprintf("%s except %q", allowLetter, []string{}),
		}))
}

func stranger(ctx context.Context, b AccessBed) error {
	_, can := b.Server.Can(ctx, api.CanRequest{User: "suite-nobody"})
	_, explained := b.Server.Explain(ctx, api.ExplainRequest{User: "suite-nobody", Bucket: "suite-bucket", Key: "docs/a.txt"})
	return errors.Join(code(can, api.NotFound), code(explained, api.NotFound))
}

func grantList(ctx context.Context, b AccessBed) error {
	r, err := b.Server.GrantsList(ctx)
	if err == nil && r.Version == "" {
		err = errors.New("the grants have no version")
	}
	return errors.Join(err, same("grants", grantTexts(r.Grants), []string{allowOpen, allowLetter, allowDocs, denySecret}))
}
