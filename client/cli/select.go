package cli

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

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
	for _, limit := range []struct {
		flag, text string
		to         *time.Time
	}{{"--newer-than", f.newer, &b.Newer}, {"--older-than", f.older, &b.Older}} {
		if limit.text == "" {
			continue
		}
		t, err := selection.ParseTime(limit.text, now)
		if err != nil {
			return nil, usagef("%s %s is not a time. Write an age like 24h or 7d, or a date like 2026-11-01.", limit.flag, safe(limit.text))
		}
		*limit.to = t
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
	sel, err := selection.New(f.rules, b)
	var wrong *selection.PatternError
	if errors.As(err, &wrong) {
		return nil, usagef("%s can't be read as a pattern (%s).", shellQuote(wrong.Pattern), wrong.Error())
	}
	return sel, err
}

// sizeOf is bytesOf with 0.
func sizeOf(s string) (int64, error) {
	if s == "0" || s == "0B" {
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
