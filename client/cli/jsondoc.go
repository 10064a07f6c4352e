package cli

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/event"
	"usher/client/cli/render"
	"usher/client/difference"
	"usher/client/download"
	"usher/client/question"
)

// Shape is a JSON value that a command prints with --json.
type Shape struct {
	Command string // the words after usher; "": all commands
	When    string // the lines that have it
	Value   any    // of its type
}

// Shapes returns the JSON values of all commands.
func Shapes() []Shape {
	return []Shape{
		{"", "stderr, after a failure", errorLine{}},
		{"", "stderr, with several PATHs: the failure of one", pathFailure{}},
		{"", "stderr, for names that are left out", warningLine{}},
		{"access approve", "once", api.AnswerResponse{}},
		{"access can", "once", api.CanResponse{}},
		{"access decline", "once", api.AnswerResponse{}},
		{"access explain", "once", api.ExplainResponse{}},
		{"access explain", "once, with --request", api.ExplainIDResponse{}},
		{"access request", "once", api.AskResponse{}},
		{"access request", "each request, with --list", api.Asked{}},
		{"access request", "once, with --withdraw", api.WithdrawResponse{}},
		{"access requests", "each open request", api.Asking{}},
		{"access review", "each person with each grant", api.ReviewRow{}},
		{"access who", "once", api.WhoResponse{}},
		{"audit", "each event", event.Event{}},
		{"audit backup", "once", backupLine{}},
		{"audit by", "each group", groupLine{}},
		{"audit checkpoint", "once", checkpointLine{}},
		{"audit export", "once", exportLine{}},
		{"audit policy", "each version", policyLine{}},
		{"audit policy", "with a VERSION, once", api.GrantsListResponse{}},
		{"audit questions", "each question, without a name", questionLine{}},
		{"audit questions", "each row of an answer", question.Row{}},
		{"audit reconcile", "once", reconcileLine{}},
		{"audit reindex", "once", reindexLine{}},
		{"audit restart", "once", restartLine{}},
		{"audit review", "once", api.AuditReviewResponse{}},
		{"audit reviews", "each review", api.Review{}},
		{"audit verify", "once, for a log", verifyLine{}},
		{"audit verify", "once, for an export", exportVerified{}},
		{"audit witness", "once, at the start", witnessLine{}},
		{"configure", "once", configureLine{}},
		{"config", "each setting", configValue{}},
		{"demo", "once, at the start", DemoFacts{}},
		{"deploy", "each step", DeployLine{}},
		{"deploy", "at the end", deployedLine{}},
		{"diff", "once", diffLine{}},
		{"du", "each folder", usage{}},
		{"get", "each file", fetched{}},
		{"get", "stderr, with --progress json", progressRow{}},
		{"grants add", "once", api.GrantsChangeResponse{}},
		{"grants apply", "once", api.GrantsChangeResponse{}},
		{"grants diff", "once", api.GrantsDiffResponse{}},
		{"grants list", "once", api.GrantsListResponse{}},
		{"grants remove", "once", api.GrantsChangeResponse{}},
		{"login", "once", loginLine{}},
		{"logout", "once", logoutLine{}},
		{"ls", "each entry", row{}},
		{"ls", "at the end, with --summarize", listSum{}},
		{"marks list", "each set", setLine{}},
		{"marks show", "once", setLine{}},
		{"profiles list", "each server", profileLine{}},
		{"profiles show", "once", configureLine{}},
		{"search", "each file", row{}},
		{"serve", "each check, with --check", findingLine{}},
		{"serve", "each table, with --create-tables", tableLine{}},
		{"stat", "each file", facts{}},
		{"sum", "each file", sumLine{}},
		{"sum", "each file, with --check", compared{}},
		{"sync", "each file", fetched{}},
		{"sync", "stderr, with --progress json", progressRow{}},
		{"tree", "each file", row{}},
		{"url", "each link", linkLine{}},
		{"users add", "once", Person{}},
		{"users disable", "once", Person{}},
		{"users enable", "once", Person{}},
		{"users groups", "once, with a person", Person{}},
		{"users groups", "each group", PoolGroup{}},
		{"users list", "each person", Person{}},
		{"version", "once", build{}},
		{"versions", "each version", versionLine{}},
		{"whoami", "once", whoamiLine{}},
	}
}

// printed returns the types of the values that a command prints on stdout with --json.
func printed(command string) (of []reflect.Type) {
	for _, s := range Shapes() {
		if s.Command == command && !strings.HasPrefix(s.When, "stderr") {
			of = append(of, reflect.TypeOf(s.Value))
		}
	}
	return of
}

// States returns the values of state in get and sync, with their meaning.
func States() map[string]string {
	return map[string]string{
		download.Done.String():        "downloaded and verified",
		download.Skipped.String():     "here already, or left as it is",
		download.Failed.String():      "failed; error has the reason",
		download.Denied.String():      "no longer available to you",
		download.Cancelled.String():   "canceled",
		download.Paused.String():      "given up for now; run the command again",
		"planned":                     "--dry-run: would be downloaded",
		"here":                        "--dry-run: here already",
		"exists":                      "--dry-run: another file is here",
		"unfinished":                  "--dry-run: would be resumed",
		"removed":                     "sync: removed here, or to be removed",
		stateOf(difference.New):       "sync --dry-run: only on the server",
		stateOf(difference.Changed):   "sync --dry-run: a sync has put it here, and it has changed on the server",
		stateOf(difference.Differs):   "sync --dry-run: differs, and no sync has put it here",
		stateOf(difference.Unchecked): "sync --dry-run: has the same size; the run compares the content first",
		stateOf(difference.OnlyHere):  "sync --dry-run: only here, and stays",
	}
}

// Codes returns the values of error.code with their exit codes.
func Codes() map[string]int {
	all := map[string]int{"cut": api.ExitMixed, "log_changed": api.ExitIntegrity, "unrecorded_read": api.ExitIntegrity, "not_understood": api.ExitMixed}
	for exit := range 256 {
		if code := codes(exit); exit == 70 || code != string(api.Internal) {
			all[code] = exit
		}
	}
	for code, kind := range kindCodes() {
		exit := api.ExitIntegrity // a refused URL
		switch e := error(&download.Error{Kind: kind}); {
		case kind == errOmitted:
			exit = api.ExitMixed
		case kind != download.ErrBadURL:
			exit = explain(e).exit
		}
		all[code] = exit
	}
	for _, f := range api.Failures() {
		all[string(f.Code)] = f.Exit
	}
	return all
}

// JSONDoc returns docs/json.md, made from the types.
func JSONDoc() string {
	d := &jsonDoc{described: map[reflect.Type]bool{}}
	d.line("# JSON output\n\nThe commands print these values with --json, one on a line. The page is made from the types of the program (`go test ./client/cli -run TestJSONDoc -update`). " +
		"Times are UTC with milliseconds, sizes are bytes, durations are seconds. A field with \"?\" can be absent. New fields can be added; names and meanings stay.\n\n" +
		"`--jq EXPR` and `--format TEMPLATE` print the same values in another form.\n")
	for _, s := range Shapes() {
		name := "usher " + s.Command
		if s.Command == "" {
			name = "all commands"
		}
		d.line("## " + name + "\n\n" + strings.ToUpper(s.When[:1]) + s.When[1:] + ":\n")
		d.fields(reflect.TypeOf(s.Value))
	}
	for len(d.pending) > 0 {
		t := d.pending[0]
		d.pending = d.pending[1:]
		d.line("## " + title(t) + "\n")
		d.fields(t)
	}
	d.line("## Values of state\n\n| state | meaning |\n|---|---|")
	for _, state := range slices.Sorted(maps.Keys(States())) {
		d.line("| `" + state + "` | " + States()[state] + " |")
	}
	d.line("\n## Values of error.code\n\n| code | exit code |\n|---|---|")
	all := Codes()
	for _, code := range slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Or(cmp.Compare(all[a], all[b]), strings.Compare(a, b)) }) {
		d.line(fmt.Sprintf("| `%s` | %d |", code, all[code]))
	}
	return d.b.String()
}

type jsonDoc struct {
	b         strings.Builder
	described map[reflect.Type]bool
	pending   []reflect.Type
}

func (d *jsonDoc) line(s string) { d.b.WriteString(s + "\n") }

// title returns the name of a section for a type.
func title(t reflect.Type) string { return strings.ToLower(t.Name()[:1]) + t.Name()[1:] }

func (d *jsonDoc) fields(t reflect.Type) {
	d.line("| field | type |\n|---|---|")
	d.rows(t)
	d.line("")
}

func (d *jsonDoc) rows(t reflect.Type) {
	for f := range render.Fields(t) {
		name := f.Name
		if f.Optional {
			name += "?"
		}
		d.line("| `" + name + "` | " + d.typeName(f.Type) + " |")
	}
}

// typeName returns the name of a type, and queues the section of an object.
func (d *jsonDoc) typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time"
	case t == reflect.TypeFor[[]byte]():
		return "text, base64"
	case t.Kind() == reflect.Pointer:
		return d.typeName(t.Elem())
	case t.Kind() == reflect.Slice:
		return "list of " + d.typeName(t.Elem())
	case t.Kind() == reflect.Map:
		return "object of " + d.typeName(t.Elem())
	case t.Kind() == reflect.Struct:
		if !d.described[t] {
			d.described[t] = true
			d.pending = append(d.pending, t)
		}
		name := title(t)
		return "[" + name + "](#" + strings.ToLower(name) + ")"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Float64:
		return "number"
	case t.Kind() == reflect.Interface:
		return "any"
	}
	return "whole number"
}
