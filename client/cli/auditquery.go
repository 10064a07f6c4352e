package cli

import (
	"slices"
	"strings"
	"time"

	"usher/backend/event"
)

// query returns the query of a command's arguments. The shell has removed the quotes
// of a value with spaces.
func (a *app) query(args []string) string {
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = strings.TrimPrefix(arg, negation)
		if strings.HasPrefix(arg, negation) {
			words[i] = "-" + words[i]
		}
		words[i] = a.requoted(words[i])
	}
	return strings.Join(words, " ")
}

// requoted puts the value of an argument into quotes, if that makes it a term and it
// is no query without them.
func (a *app) requoted(arg string) string {
	if _, err := event.ParseFilter(arg, a.Now()); err == nil {
		return arg
	}
	field, value, ok := strings.Cut(arg, ":")
	words := strings.Fields(value)
	if !ok || !strings.Contains(value, " ") || strings.Contains(value, `"`) || slices.ContainsFunc(words, looksLikeTerm) {
		return arg
	}
	if exact, found := strings.CutPrefix(value, "="); found {
		field, value = field+":=", exact
	} else {
		field += ":"
	}
	term := field + `"` + strings.ReplaceAll(value, `\`, `\\`) + `"`
	if f, err := event.ParseFilter(term, a.Now()); err == nil && len(f.Terms) == 1 {
		return term
	}
	return arg
}

// looksLikeTerm reports whether a word has the form of a term: the argument is then a
// query of several terms, one of which may be wrong.
func looksLikeTerm(word string) bool {
	field, _, found := strings.Cut(strings.TrimPrefix(word, "-"), ":")
	return found && field != "" && strings.Trim(field, "abcdefghijklmnopqrstuvwxyz") == ""
}

// negation is put before a term that begins with "-", so that it is no flag.
const negation = "\x00-"

// guardTerms marks the negated terms behind the audit command: -ip:ADDRESS is a term, and
// to cobra several flags.
func guardTerms(args []string) []string {
	at := slices.IndexFunc(args, func(arg string) bool { return !strings.HasPrefix(arg, "-") })
	for at > 0 && at < len(args) && slices.Contains([]string{"--profile", "--server", "--format", "--jq"}, args[at-1]) {
		next := slices.IndexFunc(args[at+1:], func(arg string) bool { return !strings.HasPrefix(arg, "-") })
		if next < 0 {
			return args
		}
		at += 1 + next
	}
	if at < 0 || at >= len(args) || args[at] != "audit" {
		return args
	}
	out := slices.Clone(args)
	for i := at + 1; i < len(out) && out[i] != "--"; i++ {
		if rest, ok := strings.CutPrefix(out[i], "-"); ok && isTerm(rest) {
			out[i] = negation + rest
		}
	}
	return out
}

// isTerm reports whether a word begins with a field of filters and a colon.
func isTerm(word string) bool {
	field, _, ok := strings.Cut(word, ":")
	return ok && slices.Contains(event.Fields(), event.Field(field))
}

// searchBar shows the place of a long search on a terminal.
type searchBar struct {
	line statusLine
	last time.Time
}

func (a *app) searchBar() *searchBar { return &searchBar{line: statusLine{app: a}} }

// reached shows the instant up to which a search has come, at most twice a second.
func (b *searchBar) reached(at *time.Time) {
	now := b.line.app.Now()
	if at == nil || now.Sub(b.last) < time.Second/2 {
		return
	}
	b.last = now
	b.line.show("Searched back to " + at.UTC().Format("2 January 2006 15:04"))
}

// end clears the line.
func (b *searchBar) end() { b.line.end() }
