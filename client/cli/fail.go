package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"

	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/safetext"
	"usher/client/download"
	"usher/client/proof"
	"usher/client/quantity"
	"usher/session"
)

// usageError is an invalid command line.
type usageError struct {
	text string // a sentence, safe to print
	help string // a command with more help, or ""
}

func usagef(format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...)}
}

func (e *usageError) Error() string {
	if e.help == "" {
		return e.text
	}
	return e.text + " See " + e.help + "."
}

func (e *usageError) Exit() int { return api.ExitUsage }

// failedError is a failure with a sentence of its own and an exit code.
type failedError struct {
	text  string
	exit  int
	code  string // in JSON; "": by the exit code
	cause error
}

func (e *failedError) Error() string { return e.text }
func (e *failedError) Exit() int     { return e.exit }
func (e *failedError) Unwrap() error { return e.cause }

// failure is an error in the form in which it is printed.
type failure struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	RequestID string `json:"request_id,omitempty"`

	exit int
	line string // Message with the request ID, for people
}

// codes returns the JSON code of an exit code, for a failure without a code of
// the server.
func codes(exit int) string {
	switch exit {
	case api.ExitMixed:
		return "several"
	case api.ExitSignedOut:
		return "signed_out"
	case api.ExitNotFound:
		return string(api.NotFound)
	case api.ExitIntegrity:
		return "integrity"
	case api.ExitUnavailable:
		return "unavailable"
	case api.ExitDisk:
		return "disk"
	case api.ExitUsage:
		return "usage"
	case api.ExitInterrupted:
		return "interrupted"
	case api.ExitTerminated:
		return "terminated"
	}
	return string(api.Internal)
}

const bugSentence = "usher has a bug. Run the command again with --debug and send the output to your administrator."

// explain maps every error to a sentence and an exit code. An error of an unknown
// type is a bug, and its text is printed with --debug only.
func explain(err error) failure {
	var (
		answer *api.Error
		filter *event.FilterError
		speaks api.Failing
		disk   *fs.PathError
		link   *os.LinkError
		call   *os.SyscallError
	)
	plain := func(exit int, text string) failure {
		return failure{Code: codes(exit), Message: text, exit: exit, line: text}
	}
	switch {
	case errors.As(err, &speaks):
		f := plain(speaks.Exit(), speaks.Error())
		f.Code = codeOf(speaks, f.Code)
		if errors.As(speaks, &answer) {
			f.Code, f.RequestID = string(answer.Code), answer.RequestID
		}
		return f.withHint(errors.Is(speaks, session.ErrSignedOut) || answer != nil && f.exit == api.ExitSignedOut)
	case errors.As(err, &filter):
		return plain(api.ExitUsage, safetext.Line(filter.Error()))
	case errors.Is(err, context.Canceled):
		return plain(api.ExitInterrupted, "Stopped.")
	case errors.Is(err, context.DeadlineExceeded):
		return plain(api.ExitUnavailable, "The server took too long to answer. Try again.")
	case errors.As(err, &disk):
		return plain(api.ExitDisk, diskSentence(disk.Path, disk.Err))
	case errors.As(err, &call) && call.Syscall == "getwd":
		return plain(api.ExitDisk, "The folder you are in is gone. Change to another folder, then try again.")
	case errors.As(err, &link):
		return plain(api.ExitDisk, diskSentence(link.New, link.Err))
	}
	return plain(api.ExitBug, bugSentence)
}

// withHint adds the command for a sign-in.
func (f failure) withHint(signedOut bool) failure {
	const hint = " Run usher login."
	if signedOut && !strings.Contains(f.Message, "usher login") {
		f.Message, f.line = f.Message+hint, f.line+hint
	}
	return f
}

// codeOf returns the JSON code of a failure. It distinguishes the failures of
// downloads that share an exit code.
func codeOf(err error, otherwise string) string {
	var own *failedError
	if errors.As(err, &own) && own.code != "" {
		return own.code
	}
	if errors.As(err, new(*proof.Fraud)) {
		return "log_changed"
	}
	for code, kind := range kindCodes() {
		if errors.Is(err, kind) {
			return code
		}
	}
	return otherwise
}

// kindCodes returns the JSON codes of the kinds of failures.
func kindCodes() map[string]error {
	return map[string]error{
		"exists": download.ErrExists, "no_folder": download.ErrNoFolder, "special": download.ErrSpecial, "busy": download.ErrBusy, "link": download.ErrLink, "name": download.ErrName,
		"names_omitted": errOmitted, "bad_url": download.ErrBadURL, string(api.ObjectChanged): download.ErrChanged,
	}
}

func diskSentence(path string, cause error) string {
	return fmt.Sprintf("Can't use %s: %s. Make room, change its permissions or choose another folder, then try again.",
		safetext.Line(path), safetext.Line(cause.Error()))
}

// finish prints the error of the command and returns the exit code.
func (a *app) finish(ctx context.Context, err error) int {
	if err == nil {
		err = a.found
	}
	if err == nil {
		return api.ExitOK
	}
	f := explain(err)
	var sig *stopped
	if f.exit == api.ExitInterrupted && errors.As(context.Cause(ctx), &sig) {
		f.exit, f.Code = sig.exit, codes(sig.exit)
	}
	if f.exit == exitPipe || errors.As(err, new(errDiffer)) { // the reader closed the pipe, as head does; the output has the result
		return f.exit
	}
	if a.jsonErrors() {
		a.writeJSON(a.Err, errorLine{f})
	} else {
		fmt.Fprintf(a.Err, "usher: %s\n", f.line)
	}
	if a.debug {
		for cause := err; cause != nil; cause = errors.Unwrap(cause) {
			a.debugf("cause: %T: %s", cause, cause.Error())
		}
	}
	return f.exit
}

func exitOfSignal(s os.Signal) int {
	if s == os.Interrupt {
		return api.ExitInterrupted
	}
	return api.ExitTerminated
}

// failures sums up several failures: their common exit code, or ExitMixed.
type failures struct {
	failed, total int
	first         error
	exit          int
	planned       bool   // nothing was tried: a dry run
	noun          string // "": file
}

func (m *failures) add(err error) {
	f := explain(err)
	switch m.failed++; {
	case m.failed == 1:
		m.first, m.exit = err, f.exit
	case m.exit != f.exit:
		m.exit = api.ExitMixed
	}
}

// err returns nil if no file failed. For a command with one file it returns that
// file's failure.
func (m *failures) err() error {
	switch {
	case m.failed == 0:
		return nil
	case m.failed == 1 && m.total <= 1:
		return m.first
	}
	verb, first := "failed", ": "
	if m.planned {
		verb = "would fail"
	}
	if m.failed > 1 {
		first = ", the first: "
	}
	noun := cmp.Or(m.noun, "file")
	text := fmt.Sprintf("%s of %s %s%s%s", quantity.Count(m.failed), quantity.Plural(m.total, noun, noun+"s"), verb, first, explain(m.first).line)
	return &failedError{text: text, exit: m.exit, cause: m.first}
}

// debugf writes a line for --debug, with secrets removed.
func (a *app) debugf(format string, args ...any) {
	if a.debug {
		fmt.Fprintf(a.Err, "debug: %s\n", scrub(safetext.Line(fmt.Sprintf(format, args...))))
	}
}

var secrets = regexp.MustCompile(`(?i)(X-Amz-(?:Signature|Security-Token|Credential)=)[^&\s"']+|(Bearer )[^\s"']+|(eyJ[0-9A-Za-z_-]{5,})\.[0-9A-Za-z_.-]+`)

// scrub removes signatures and tokens from a text. It is a safeguard against
// verbose errors of libraries.
func scrub(s string) string {
	return secrets.ReplaceAllStringFunc(s, func(found string) string {
		for _, keep := range []string{"=", " "} {
			if name, _, ok := strings.Cut(found, keep); ok {
				return name + keep + "…"
			}
		}
		return "token…"
	})
}

// safeSentence turns a message of cobra, which quotes user input, into a sentence.
func safeSentence(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	text, _, _ = strings.Cut(text, ": strconv.")
	s := strings.TrimRight(safetext.Line(text), ". ")
	first, n := utf8.DecodeRuneInString(s)
	return strings.ToUpper(string(first)) + s[n:] + "."
}

// errorLine is a line of JSON output.
type errorLine struct {
	Error failure `json:"error"`
}
