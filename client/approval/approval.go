// Package approval has the rules and the sentences of answers to requests for access,
// which the commands and the browser share: the end of an access, the text of a reason,
// the other people with the access, the line for a grants file, and the results.
//
// The package makes no calls and no decisions: those about answers are the server's. All
// returned texts are safe to print.
package approval

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"usher/backend/api"
	"usher/backend/safetext"
)

// DefaultTime is the time of an access, unless the admin chooses another one.
const DefaultTime = "7d"

// mostDays bounds a number of days.
const mostDays = 36_500

// Mistake is an error in typed text. Its own text is a sentence for the person.
type Mistake string

func (m Mistake) Error() string { return string(m) }

// Until parses the end of an access or a grant: a duration or days from now, a date, or
// a time with its zone. The error is a Mistake.
func Until(text string, now time.Time) (time.Time, error) {
	if number, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(number); err == nil && n > 0 && n <= mostDays {
			return now.AddDate(0, 0, n).UTC().Truncate(time.Second), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(d).UTC().Truncate(time.Second), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, Mistake(safetext.Line(text) + " is not a time. Write 2h, 7d, 2026-12-31 or 2026-12-31T12:00:00Z.")
}

// CheckReason refuses a text that the server would refuse or that JSON would change. The
// error is a Mistake.
func CheckReason(text string) error {
	if !utf8.ValidString(text) {
		return Mistake("The reason is not valid UTF-8.")
	}
	if len(text) > api.MaxAskReason {
		return Mistake(fmt.Sprintf("The reason is too long: at most %d bytes.", api.MaxAskReason))
	}
	return nil
}

// CheckID refuses a text that is no id of a request. The error is a Mistake.
func CheckID(text string) error {
	if !api.ValidAskID(text) {
		return Mistake(safetext.Line(strconv.Quote(text)) + " is not the ID of a request: it has 16 characters, 0 to 9 and a to f.")
	}
	return nil
}

// Meaning returns a sentence about a requested path that its person may mean otherwise,
// "" for any other path.
func Meaning(p api.Path) string {
	switch {
	case strings.ContainsAny(p.Key, "*?["):
		return "The characters * ? [ are not wildcards in a request: each stands for itself."
	case p.Key == "" || strings.HasSuffix(p.Key, "/") || strings.Contains(p.Key[strings.LastIndexByte(p.Key, '/')+1:], "."):
		return ""
	}
	return "Without / at its end, the path is that of one file."
}

// Others names the other people with the new access.
func Others(preview api.AnswerResponse) string {
	if len(preview.Members)+preview.Others == 0 {
		return "No other person is in this group."
	}
	names := safetext.Line(strings.Join(preview.Members, ", "))
	if preview.Others > 0 {
		names += fmt.Sprintf(" and %d more", preview.Others)
	}
	return "Also in this group, with the same access: " + names
}

// Problems returns a line for each problem of an answer, with its fix.
func Problems(out api.AnswerResponse) []string {
	lines := []string{"Nothing was changed."}
	for _, p := range out.Problems {
		lines = append(lines, safetext.Line(p.Problem)+"; "+safetext.Line(p.Fix))
	}
	return lines
}

// Fixed is the sentence of a server with a grants file. FileLine follows it.
func Fixed() string {
	return api.Lookup(api.GrantsFixed).Sentence + " Add this line to it, then approve the request again to close it:"
}

// FileLine returns the line of an approval for a grants file. Its texts are printable
// ASCII in the escapes of YAML: those of safetext would be another path there.
func FileLine(q api.Asking, in api.AnswerRequest) string {
	path := "object: " + strconv.QuoteToASCII(q.Key)
	if q.Key == "" || strings.HasSuffix(q.Key, "/") {
		path = "prefix: " + strconv.QuoteToASCII(q.Key)
	}
	line := fmt.Sprintf("  - {group: %s, bucket: %s, %s, expires: %s", strconv.QuoteToASCII(in.Group), strconv.QuoteToASCII(q.Bucket), path, in.Expires.UTC().Format(time.RFC3339))
	if reason := cmp.Or(in.Reason, q.Reason); reason != "" {
		line += ", reason: " + strconv.QuoteToASCII(reason)
	}
	return line + "}"
}

// Approved is the sentence of an approval in force.
func Approved(q api.Asked, out api.AnswerResponse) string {
	if out.Grant == nil {
		return fmt.Sprintf("%s can read %s already. The request is closed.", safetext.Line(out.User), safetext.Line(Path(q)))
	}
	return fmt.Sprintf("Approved: %s (version %s, event %s).", safetext.Line(out.Grant.Text), safetext.Line(out.Version), safetext.Line(out.Event))
}

// Declined is the sentence of a refusal.
func Declined(out api.AnswerResponse) string {
	return fmt.Sprintf("The request of %s is declined.", safetext.Line(out.User))
}

// NoRequest is the sentence for a request that is not found, for the group of the
// admins.
func NoRequest(group string) string {
	return fmt.Sprintf("There is no such open request, or you may not answer it: answers are for the group %s.", safetext.Line(group))
}

// NoneOwn is the sentence for a request to withdraw that is not found.
const NoneOwn = "You have no such open request."

// Withdrawn is the sentence of a withdrawal.
func Withdrawn(out api.WithdrawResponse) string {
	return fmt.Sprintf("The request for %s is withdrawn.", safetext.Line(out.Bucket+"/"+out.Key))
}

// Path returns the path of a request, raw.
func Path(q api.Asked) string { return q.Bucket + "/" + q.Key }
