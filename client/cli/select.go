package cli

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api/shape"
	"usher/client/selection"
)

// selectFlags choose objects by name, size and time, in all commands alike.
type selectFlags struct {
	rules        []selection.Rule
	newer, older string
	min, max     string
	depth        int
}

func (f *selectFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Var(&ruleFlag{f, true}, "include", "only files that match; of several rules the last match decides")
	flags.Var(&ruleFlag{f, false}, "exclude", "no files that match, and none below a folder that does")
	flags.Var(textFlag{&f.newer, "time"}, "newer-than", "only files modified since then: 7d, 24h or 2026-11-01")
	flags.Var(textFlag{&f.older, "time"}, "older-than", "only files last modified before then")
	flags.Var(textFlag{&f.min, "size"}, "min-size", "only files of at least this size, like 100k or 2MiB")
	flags.Var(textFlag{&f.max, "size"}, "max-size", "only files of at most this size")
	flags.Var(&depthFlag{f}, "max-depth", "only files at most this many levels down; 1: none in subfolders")
}

// selection compiles the flags.
func (f *selectFlags) selection(now time.Time) (*selection.Selection, error) {
	b := selection.Bounds{Depth: f.depth}
	var err error
	if b.Newer, b.Older, err = timesOf(f.newer, f.older, now); err != nil {
		return nil, err
	}
	if f.min != "" {
		n, err := sizeOf(f.min)
		if err != nil {
			return nil, err
		}
		b.Min = n
	}
	if f.max != "" {
		n, err := sizeOf(f.max)
		if err != nil {
			return nil, err
		}
		b.Max = &n
	}
	if b.Max != nil && b.Min > *b.Max {
		return nil, usagef("No file has --min-size %s and --max-size %s.", safe(f.min), safe(f.max))
	}
	sel, err := selection.New(f.rules, b)
	var wrong *selection.PatternError
	if errors.As(err, &wrong) {
		return nil, usagef("%s can't be read as a pattern: %s.", shellQuote(wrong.Pattern), wrong.Error())
	}
	return sel, err
}

// timesOf parses --newer-than and --older-than. An empty text is the zero time. It
// refuses a range without a moment in it.
func timesOf(newer, older string, now time.Time) (from, until time.Time, err error) {
	for _, limit := range []struct {
		flag, text string
		to         *time.Time
	}{{"--newer-than", newer, &from}, {"--older-than", older, &until}} {
		if limit.text == "" {
			continue
		}
		if *limit.to, err = selection.ParseTime(limit.text, now); err != nil {
			return from, until, usagef("%s %s is not a time. Write an age like 24h or 7d, or a date like 2026-11-01.", limit.flag, safe(limit.text))
		}
	}
	if newer != "" && older != "" && !from.Before(until) {
		return from, until, usagef("No file is --newer-than %s and --older-than %s.", safe(newer), safe(older))
	}
	return from, until, nil
}

// sizeOf is bytesOf with 0.
func sizeOf(s string) (int64, error) {
	if n, ok := shape.Bytes(strings.TrimSpace(s)); ok && n == 0 && !strings.ContainsAny(s, "123456789") {
		return 0, nil
	}
	return bytesOf(s)
}

// ruleFlag is --include or --exclude. Both append to one list, because the order
// of the command line counts.
type ruleFlag struct {
	to      *selectFlags
	include bool
}

// String returns "": the list has no default.
func (*ruleFlag) String() string { return "" }

// Set appends a rule.
func (r *ruleFlag) Set(pattern string) error {
	r.to.rules = append(r.to.rules, selection.Rule{Pattern: pattern, Include: r.include})
	return nil
}

// Type returns the type of the value in the help.
func (*ruleFlag) Type() string { return "pattern" }

// textFlag is a text whose type in the help is kind.
type textFlag struct {
	to   *string
	kind string
}

// String returns the current value.
func (t textFlag) String() string {
	if t.to == nil { // pflag compares with a zero value
		return ""
	}
	return *t.to
}

// Set stores the value.
func (t textFlag) Set(s string) error {
	if s == "" {
		return errors.New("the value is empty")
	}
	*t.to = s
	return nil
}

// Type returns the type of the value in the help.
func (t textFlag) Type() string { return t.kind }

// newFile is a file that a command creates. The name - is refused: such a file is verified
// or kept under its name, so it cannot go to stdout.
type newFile struct{ textFlag }

// Set stores the value.
func (n newFile) Set(s string) error {
	if s == "-" {
		return errors.New("name a new file: this output is not written to stdout")
	}
	return n.textFlag.Set(s)
}

// depthFlag is --max-depth.
type depthFlag struct{ to *selectFlags }

// String returns "": there is no default.
func (*depthFlag) String() string { return "" }

// Set stores a depth of at least 1.
func (d *depthFlag) Set(s string) (err error) {
	d.to.depth, err = atLeast(s, 1)
	return err
}

// Type returns the type of the value in the help.
func (*depthFlag) Type() string { return "n" }
