package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/download"
	"usher/client/preview"
	"usher/client/proof"
	"usher/client/quantity"
	"usher/client/textdiff"
)

// diff compares two versions of a file.
type diff struct {
	*app
	paths    pathFlags
	versions []string
}

func (a *app) diffCommand() *cobra.Command {
	d := &diff{app: a}
	cmd := &cobra.Command{
		Use:        "diff PATH",
		SuggestFor: []string{"compare"},
		Short:      "Compare two versions of a text file",
		GroupID:    "files",
		Long: `Compare two versions of a text file line by line, where the bucket keeps versions. The output is a unified diff, as patch and git apply take it. Without --version it compares the latest version with the one before, with one --version that version with the current content, and with two the first one with the second. usher versions PATH lists the ids.

The exit code is 0 if the versions are equal and 1 if they differ, as with diff; all other codes are failures. Of files that are not text, sizes and checksums are compared. A version has up to 12 MiB and 400,000 lines. The audit log records a preview of each version. The content is not verified; usher get does that. On a terminal, control characters are escaped.

With --json the output is one object, with the unified diff as a text.`,
		Example: `
usher diff company-reports/annual/drafts/comments.md
usher diff builds/README.md --version \
  "$(usher versions builds/README.md --jq .version | tail -n 1)"
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 1, 1, "diff takes the PATH of one file."); err != nil {
				return err
			}
			return d.run(cmd.Context(), args)
		}),
	}
	d.paths.add(cmd, true)
	cmd.Flags().Var(versionsFlag{&d.versions}, "version", "a version of the file, from usher versions PATH; twice for two")
	return cmd
}

// versionsFlag is a flag of up to two versions.
type versionsFlag struct{ to *[]string }

// String returns the current value.
func (f versionsFlag) String() string {
	if f.to == nil { // pflag compares with a zero value
		return ""
	}
	return strings.Join(*f.to, " ")
}

// Set adds a version.
func (f versionsFlag) Set(s string) error {
	switch {
	case !api.ValidVersion(s):
		return fmt.Errorf("%s is not the id of a version", safe(s))
	case len(*f.to) == 2:
		return errors.New("two versions can be compared")
	}
	*f.to = append(*f.to, s)
	return nil
}

// Type returns the type of the value in the help.
func (versionsFlag) Type() string { return "id" }

// diffLine is the output of diff --json.
type diffLine struct {
	Path    string   `json:"path"`
	Old     diffSide `json:"old"`
	New     diffSide `json:"new"`
	Differ  bool     `json:"differ"`
	Text    bool     `json:"text"`
	Added   int      `json:"added"`
	Removed int      `json:"removed"`
	Coarse  bool     `json:"coarse,omitempty"` // a change has lines that are in both versions
	Diff    string   `json:"diff,omitempty"`
}

// diffSide is one version of a diffLine.
type diffSide struct {
	Version  string     `json:"version,omitempty"`
	Size     int64      `json:"size"`
	Modified *time.Time `json:"modified,omitempty"`

	sum string
}

// errDiffer ends a comparison of versions that differ. It is not printed.
type errDiffer struct{}

func (errDiffer) Error() string { return "The versions differ." }

// Exit is the code of diff(1).
func (errDiffer) Exit() int { return api.ExitMixed }

func (d *diff) run(ctx context.Context, args []string) error {
	targets, err := d.paths.targets(args)
	if err != nil {
		return err
	}
	t := targets[0]
	if t.pattern || t.IsRoot() || t.IsFolder() {
		return usagef("diff takes the PATH of one file, without wildcards.")
	}
	conn, err := d.connectFiles(ctx, proof.Every)
	if err != nil {
		return err
	}
	ids, err := d.pair(ctx, conn, t.Path)
	if err != nil {
		return err
	}
	engine, err := download.New(d.engine(ctx, conn))
	if err != nil {
		return err
	}
	defer func() { _ = engine.Close() }()
	var looks [2]*download.Look
	for i, id := range ids {
		looks[i] = engine.Look(api.ReleaseObject{Bucket: t.Bucket, Key: t.Key, Version: id})
	}
	pair := textdiff.NewPair(looks[0], looks[1])
	pair.Allow() // the command line is the consent
	got, err := pair.Compare(ctx)
	if err != nil {
		return err
	}
	line := diffLine{Path: t.String(), Text: true, Differ: got.Outcome != textdiff.Same}
	for i, side := range []*diffSide{&line.Old, &line.New} {
		*side = diffSide{Version: ids[i], Size: pair.Sizes()[i], sum: looks[i].Sum()}
		if at := looks[i].Modified(); !at.IsZero() {
			side.Modified = &at
		}
	}
	return d.report(line, got)
}

// pair returns the versions to compare, "" for the current content.
func (d *diff) pair(ctx context.Context, conn connection, p api.Path) (ids [2]string, err error) {
	switch len(d.versions) {
	case 2:
		return [2]string(d.versions), nil
	case 1:
		return [2]string{d.versions[0], ""}, nil
	}
	page, err := conn.client.Versions(ctx, api.VersionsRequest{Bucket: p.Bucket, Key: p.Key})
	if err != nil {
		return ids, err
	}
	failed := func(text string) error {
		return &failedError{text: text + " All versions: usher versions " + shellQuote(safe(p.String())), exit: api.ExitNotFound}
	}
	switch all := page.Versions; {
	case len(all) < 2:
		return ids, failed("There is no version before the latest one.")
	case all[0].Deleted:
		return ids, failed("The latest version is a deletion: it has no content. Name two versions with --version.")
	case all[1].Deleted:
		return ids, failed("The version before the latest one is a deletion: it has no content. Name a version with --version.")
	default:
		return [2]string{all[1].Version, all[0].Version}, nil
	}
}

// report prints the result.
func (d *diff) report(line diffLine, got *textdiff.Result) error {
	text := ""
	switch got.Outcome {
	case textdiff.Same:
	case textdiff.SameText:
		text = textdiff.SameTextSentence + "\n"
	case textdiff.NotText:
		line.Text = false
		text = fmt.Sprintf("The versions differ and are not text: %s, %s.\n", line.Old.facts(), line.New.facts())
	case textdiff.Unknown:
		return usagef("The versions are not text and have one size, and no checksum shows whether they differ. To compare them, get both: usher get --version")
	case textdiff.TooLarge, textdiff.Held:
		return usagef("diff compares versions of up to %d MiB and %s lines. For larger ones, get both: usher get --version", preview.Most>>20, quantity.Count(textdiff.MostLines))
	case textdiff.Differ:
		line.Added, line.Removed, line.Coarse = got.Diff.Added, got.Diff.Removed, got.Diff.Coarse
	}
	if err := d.print(line, got.Diff, text); err != nil {
		return err
	}
	if line.Coarse {
		d.hint(textdiff.CoarseSentence)
	}
	if line.Differ {
		return errDiffer{}
	}
	return nil
}

// print writes the output: an object, a unified diff, or a sentence.
func (d *diff) print(line diffLine, of *textdiff.Diff, text string) error {
	if d.json {
		if of != nil {
			var b bytes.Buffer
			if err := of.Write(&b, line.Old.label(line.Path), line.New.label(line.Path)); err != nil {
				return err
			}
			line.Diff = b.String()
		}
		d.writeJSON(d.Out, line)
		return d.unwritten()
	}
	if of == nil {
		fmt.Fprint(d.Out, text)
		return d.unwritten()
	}
	out := d.contentWriter()
	out.keepCR = of.LineEnd() == "\n"
	_ = of.Write(out, line.Old.label(line.Path), line.New.label(line.Path)) // unwritten returns the failure
	_ = out.flush()
	return d.unwritten()
}

// label is the name of a version in a unified diff. Tools take the path before the tab.
func (s diffSide) label(path string) string {
	out := safe(path) + "\t"
	if s.Modified != nil {
		out += s.Modified.UTC().Format("2006-01-02 15:04:05 -0700")
	}
	if s.Version != "" {
		out += " version " + safe(s.Version)
	}
	return out
}

// facts are size and checksum in words.
func (s diffSide) facts() string {
	return strings.TrimSpace(quantity.Size(s.Size) + " " + safe(s.sum))
}
