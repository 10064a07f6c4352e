package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rule forbids an import in all packages under a folder, with the reason. A rule
// without an existing folder or target is an error too.
type rule struct {
	from, not string
	except    []string
	reason    string
}

// rules is the plan of the rooms: imports point downwards, and each room imports
// only its dependencies.
func rules() []rule {
	// bundle, checkpoint, tree and reconcile check the log on any machine.
	contract := []string{"usher/backend/api", "usher/backend/event", "usher/backend/safetext", "usher/backend/audit/checkpoint", "usher/backend/audit/tree", "usher/backend/audit/reconcile", "usher/backend/audit/bundle"}
	return []rule{
		{"usher/tui", "usher/backend", contract, "the screen uses the contract; decisions are the backend's"},
		{"usher/session", "usher/backend", contract, "a sign-in needs only the contract of the server"},
		{"usher/client", "usher/backend", contract, "the client must not make decisions"},
		{"usher/tui", "net/http", nil, "panes do no I/O; the client does"},
		{"usher/tui", "usher/client/cli", nil, "the screen and the commands are independent front ends"},
		{"usher/client", "usher/tui", nil, "commands work without a screen"},
		{"usher/session", "usher/tui", nil, "a sign-in has no screen of its own"},
		{"usher/session/oauth", "usher", []string{"usher/backend/safetext", "usher/session/oauth"}, "a public OAuth client without profiles and screens"},
		{"usher/session/browser", "usher", nil, "it opens any address"},
		{"usher/session", "usher/client", nil, "the client gets tokens from the session, not the reverse"},
		{"usher/client/download", "usher/session", nil, "the engine never sees a token: none of them may reach S3"},
		{"usher/client/download/ticket", "os", nil, "the check of a URL reads no files"},
		{"usher/client/download/ticket", "usher/client", nil, "commands and engine use the same check"},
		{"usher/client/download/name", "os", []string{"usher/client/download/name/nametest"}, "a name depends on the key alone, never on a disk"},
		{"usher/client/download/name", "usher", []string{"usher/client/download/name"}, "a name depends on the key alone"},
		{"usher/client/download/verify", "os", nil, "checks compare bytes; files are the engine's"},
		{"usher/client/download/verify", "usher/client", nil, "engine and commands use the same checks"},
		{"usher/client/download/part", "net", nil, "files know no connection"},
		{"usher/client/download/part", "usher/client", []string{"usher/client/download/name", "usher/client/download/verify"}, "a caller brings the bytes"},
		{"usher/client/download/fetch", "usher/client", []string{"usher/client/download/h1", "usher/client/download/part", "usher/client/download/ticket", "usher/client/download/verify", "usher/client/quantity"}, "one object at a time: no engine, no queue"},
		{"usher/client/download/h1", "usher", nil, "it treats all requests alike"},
		{"usher/client/proof", "usher/client", nil, "the check of the log needs one call alone"},
		{"usher/client/approval", "usher", []string{"usher/backend/api", "usher/backend/safetext"}, "commands and screen share its rules and sentences"},
		{"usher/client/quantity", "usher", nil, "all packages can format numbers with it"},
		{"usher/client/cells", "usher", nil, "commands and screen measure text alike"},
		{"usher/client/preview", "os", nil, "ranges come from a caller"},
		{"usher/client/preview", "net", nil, "ranges come from a caller"},
		{"usher/client/preview", "usher", []string{"usher/client/preview", "usher/client/quantity"}, "a view knows bytes alone"},
		{"usher/client/textdiff", "os", nil, "ranges come from a caller"},
		{"usher/client/textdiff", "net", nil, "ranges come from a caller"},
		{"usher/client/textdiff", "usher", []string{"usher/client/textdiff", "usher/client/preview"}, "a comparison knows bytes alone"},
		{"usher/client/qr", "usher", nil, "commands and screen draw the same code"},
		{"usher/client/download", "charm.land", nil, "commands and screen share the engine"},
		{"usher/backend", "usher/session", []string{"usher/backend/demo/demotest>"}, "the server trusts no client code"},
		{"usher/backend", "usher/client", []string{"usher/backend/demo/demotest>"}, "the server trusts no client code"},
		{"usher/backend", "usher/tui", nil, "a server has no screen"},
		{"usher/backend", "usher/backend/sandbox", []string{"usher/backend/demo>", "usher/backend/sandbox>", "usher/backend/dynamo/dynamotest>"}, "production never runs on the sandbox"},
		{"usher/backend/accessrequest", "usher", []string{"usher/backend/accessrequest", "usher/backend/accessrequest/file>"}, "the rules of requests know no grant and no bucket"},
		{"usher/backend/accessrequest", "os", []string{"usher/backend/accessrequest/file>"}, "the rules of requests read no files"},
		{"usher/backend/accessrequest", "net", nil, "requests come from a caller"},
		{"usher/backend/sandbox", "usher/backend", []string{"usher/backend/sandbox", "usher/backend/api/shape"}, "the sandbox is independent of the backend, like AWS"},
		{"usher/backend/grant", "context", []string{"usher/backend/grant/file>", "usher/backend/grant/dynamo>", "usher/backend/grant/granttest>"}, "a decision never blocks"},
		{"usher/backend/grant", "os", []string{"usher/backend/grant/file>", "usher/backend/grant/granttest>"}, "a decision reads no files"},
		{"usher/backend/grant", "net", nil, "deciding asks nobody"},
		{"usher/backend/grant", "github.com/aws", []string{"usher/backend/grant/dynamo>"}, "deciding asks nobody"},
		{"usher/backend/audit/tree", "usher", nil, "an auditor computes roots without usher"},
		{"usher/backend/audit/btree", "usher", nil, "a reader of pages knows columns alone"},
		{"usher/backend/audit/compact", "usher", nil, "a compression knows texts alone"},
		{"usher/backend/audit/reconcile", "usher", []string{"usher/backend/event"}, "an auditor compares logs without usher"},
		{"usher/backend/sink", "usher", []string{"usher/backend/sink", "usher/backend/event", "usher/backend/elapsed", "usher/backend/replace", "usher/backend/audit/tree"}, "a feeder reads records and never delays the log"},
		{"usher/backend/sink/ocsf", "net", nil, "a translation needs no network"},
		{"usher/backend/audit/reconcile", "os", nil, "the caller opens the files"},
		{"usher/backend/audit/tree", "os", nil, "a tree needs hashes alone"},
		{"usher/backend/audit/checkpoint", "usher", []string{"usher/backend/audit/tree", "usher/backend/audit/checkpoint"}, "an auditor verifies signatures without usher"},
		{"usher/backend/audit/checkpoint", "os", nil, "the key file is the server's"},
		{"usher/backend/audit/bundle", "usher", []string{"usher/backend/audit/tree", "usher/backend/audit/checkpoint", "usher/backend/event", "usher/backend/safetext"}, "an auditor checks evidence without usher's storage"},
		{"usher/backend/audit/bundle", "os", nil, "the caller opens the files"},
		{"usher/backend/audit/bundle", "net", nil, "evidence needs no network"},
		{"usher/client/groupsum", "usher", []string{"usher/client/groupsum", "usher/backend/api", "usher/backend/event", "usher/backend/safetext"}, "a count adds groups up, from any source"},
		{"usher/client/groupsum", "net", nil, "the pages come from a caller"},
		{"usher/client/evidence", "usher/client", []string{"usher/client/evidence"}, "an export needs one call alone"},
		{"usher/backend/audit/tiles", "usher", []string{"usher/backend/audit/tree", "usher/backend/audit/checkpoint"}, "an auditor reads sealed objects without usher"},
		{"usher/backend/audit/tiles", "net", nil, "objects come from a caller"},
		{"usher/backend/audit/sealer", "usher", []string{"usher/backend/audit/tree", "usher/backend/audit/checkpoint", "usher/backend/audit/tiles"}, "a sealer is a step over its stores, which callers bring"},
		{"usher/backend/vault", "usher", []string{"usher/backend/audit/sealer", "usher/backend/audit/tiles"}, "a storage of objects knows their names alone"},
		{"usher/backend/kms", "usher", []string{"usher/backend/audit/checkpoint"}, "a key knows checkpoints alone"},
		{"usher/backend/stream", "usher/backend/identity", nil, "a stream of events has no callers"},
		{"usher/backend/audit/sealer", "net", nil, "a sealer is a step over its stores, which callers bring"},
		{"usher/backend/event", "os", nil, "an auditor checks a log without usher's storage"},
		{"usher/backend/event", "net", []string{"net/netip"}, "an auditor checks a log without a network"},
		{"usher/backend/dynamo", "usher", []string{"usher/backend/dynamo", "usher/backend/elapsed", "usher/backend/dynamo/dynamotest>"}, "the stores know the connection, not the reverse"},
		{"usher", "github.com/truora/minidyn", []string{"usher/backend/sandbox/tables>"}, "production never runs on a replacement of DynamoDB"},
		{"usher/backend/api/shape", "usher", nil, "every room can import it"},
		{"usher/backend/replace", "usher", nil, "every room can import it"},
		{"usher/backend/elapsed", "usher", []string{"usher/backend/elapsed"}, "every room can import it"},
		{"usher/backend/safetext", "usher", []string{"usher/backend/safetext"}, "every room can import it"},
		{"usher/backend/device", "usher/backend/identity", nil, "the broker never sees a token"},
		{"usher/backend/device", "usher/backend/grant", nil, "a sign-in decides nothing about buckets"},
		{"usher/backend/object", "usher/backend/identity", nil, "S3 does not learn the caller"},
		{"usher/backend/object", "usher/backend/grant", nil, "S3 does not learn the reason"},
		{"usher/backend/object", "usher/backend/reader", nil, "S3 does not learn the caller"},
		{"usher/backend/lookahead", "usher", []string{"usher/backend/object", "usher/backend/lookahead"}, "a page ahead holds names and no decision"},
		{"usher/backend/reader", "usher/backend/identity", nil, "a session needs a name, grants and no token"},
		{"usher/backend/lambda", "usher/backend", []string{"usher/backend/api", "usher/backend/safetext"}, "an event becomes a request of any handler"},
		{"usher/backend/audit", "usher/backend/object", nil, "the log is independent of the signing of URLs"},
		{"usher/backend/audit", "usher/backend/grant", nil, "the log records decisions and makes none"},
		{"usher/backend/audit", "usher/backend/dynamo", []string{"usher/backend/audit/dynamo>"}, "only the store in DynamoDB knows the connection"},
		{"usher/backend/audit", "github.com/aws", []string{"usher/backend/audit/dynamo>"}, "only the store in DynamoDB knows the connection"},
		{"usher/backend/audit/dynamo", "usher/backend/audit/sqlite", nil, "stores are independent"},
		{"usher/backend/state", "usher/backend/grant", nil, "the shared state does not depend on grants"},
		{"usher/backend/identity", "usher/backend/dynamo", nil, "a single machine needs no shared state"},
		{"usher/backend/identity", "usher/backend/grant", nil, "identity does not depend on grants"},
		{"usher/backend/federation", "usher", []string{"usher/backend/api/shape", "usher/backend/federation"}, "the Lambda function of the pool's trigger has nothing else of usher"},
		{"usher/backend/deploy", "usher/backend/serve", nil, "a deployment needs no server"},
		{"usher/backend/deploy", "usher/backend/identity", nil, "the person who deploys has AWS credentials, not a token"},
		{"usher/backend/deploy/people", "usher/backend", []string{"usher/backend/api/shape", "usher/backend/safetext"}, "accounts are those of Cognito"},
		{"usher/backend/deploy/stack", "usher", []string{"usher/backend/deploy/stack"}, "the template stands alone"},
		{"usher/backend/deploy/stack", "net", nil, "reading a template makes no call"},
		{"usher/backend/serve", "usher/backend/deploy", nil, "the function has no template"},
		{"usher/backend/federation", "net", []string{"net/url"}, "the groups of a sign-in are a pure step"},
	}
}

type listed struct {
	ImportPath, Dir, Doc string
	Imports              []string
	GoFiles              []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Imports,GoFiles", "./...").Output()
	if err != nil {
		t.Fatalf("listing packages: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func under(pkg, folder string) bool { return pkg == folder || strings.HasPrefix(pkg, folder+"/") }

// allowed reports whether an exception permits an import. An exception is a
// target folder, or, ending in ">", a folder that the rule does not apply to.
func (r rule) allowed(from, to string) bool {
	for _, e := range r.except {
		if place, ok := strings.CutSuffix(e, ">"); ok && under(from, place) || !ok && under(to, e) {
			return true
		}
	}
	return false
}

func TestImportsPointDownwards(t *testing.T) {
	all := packages(t)
	if len(all) < 15 {
		t.Fatalf("only %d packages found", len(all))
	}
	have := func(folder string) bool {
		for _, p := range all {
			if under(p.ImportPath, folder) {
				return true
			}
		}
		return false
	}
	for _, r := range rules() {
		if !have(r.from) || strings.HasPrefix(r.not, "usher") && !have(r.not) {
			t.Errorf("the rule %s ↛ %s names a room that does not exist", r.from, r.not)
		}
		for _, to := range r.breaches(all) {
			t.Errorf("%s: %s", to, r.reason)
		}
	}
}

// breaches returns the imports that break the rule.
func (r rule) breaches(all []listed) (found []string) {
	for _, p := range all {
		for _, to := range p.Imports {
			if under(p.ImportPath, r.from) && under(to, r.not) && !r.allowed(p.ImportPath, to) {
				found = append(found, p.ImportPath+" imports "+to)
			}
		}
	}
	return found
}

// The released program does not include the packages of tests and of the rig.
func TestProductionGraph(t *testing.T) {
	const aws = "github.com/aws/aws-sdk-go-v2/service/"
	for _, build := range []struct {
		args   []string
		absent []string
	}{
		{[]string{"list", "-deps", "."}, []string{"github.com/aws/aws-lambda-go/lambda", "net/rpc", "github.com/pquerna/otp", "github.com/boombuler/barcode", "testing", "usher/tui/tuitest", "usher/backend/demo/demotest"}},
		// Each builds a table of the shapes of all its requests when any command starts:
		// together 2 MB and a fifth of the time to the first line.
		{[]string{"list", "-deps", "."}, []string{
			aws + "cloudformation/schemas", aws + "dynamodb/schemas", aws + "firehose/schemas", aws + "kms/schemas", aws + "servicequotas/schemas",
		}},
		{[]string{"list", "-deps", "-tags", "nosandbox", "."}, []string{"usher/backend/sandbox/s3", "usher/backend/sandbox/cognito", "usher/backend/sandbox/sts", "usher/backend/sandbox/seed", "usher/backend/sandbox/tables", "usher/backend/sandbox/kms", "usher/backend/sandbox/awsjson", "usher/backend/sandbox/firehose", "usher/backend/sandbox/gateway", "github.com/truora/minidyn"}},
		// text/template makes the linker keep every method: 12 MB.
		{[]string{"list", "-deps", "-tags", "nosandbox,lambda.norpc", "."}, []string{
			"usher/tui", "usher/client", "usher/session", "usher/backend/sandbox", "usher/backend/demo", "usher/backend/deploy", "net/rpc", "text/template", "charm.land", "github.com/spf13/cobra",
		}},
	} {
		out, err := exec.Command("go", build.args...).Output()
		if err != nil {
			t.Fatalf("go %s: %v", strings.Join(build.args, " "), err)
		}
		deps := strings.Fields(string(out))
		if !slices.Contains(deps, "usher/backend/serve") {
			t.Errorf("go %s: usher/backend/serve is not among %d packages", strings.Join(build.args, " "), len(deps))
		}
		for _, p := range deps {
			for _, not := range build.absent {
				if under(p, not) {
					t.Errorf("go %s: the program includes %s", strings.Join(build.args, " "), p)
				}
			}
		}
	}
}

// Control: an invented import breaks each rule, in the room itself and in one below.
func TestRulesCatchImports(t *testing.T) {
	for _, r := range rules() {
		for _, from := range []string{r.from, r.from + "/below"} {
			for _, to := range []string{r.not, r.not + "/below"} {
				if len(r.breaches([]listed{{ImportPath: from, Imports: []string{"fmt", to}}})) != 1 {
					t.Errorf("no rule %s ↛ %s: %s may import %s", r.from, r.not, from, to)
				}
			}
		}
		if found := r.breaches([]listed{{ImportPath: "usher/elsewhere", Imports: []string{"fmt"}}}); found != nil && r.from != "usher" {
			t.Errorf("the rule %s ↛ %s finds %q", r.from, r.not, found)
		}
	}
}

func TestRoomsHaveANameAndADoc(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		switch path.Base(p.ImportPath) {
		case "util", "utils", "common", "helpers", "types", "misc":
			t.Errorf("%s is a name without a purpose", p.ImportPath)
		}
	}
}

// Only release.go may call the presigner's Sign, and only a program may exit.
func TestOneWayToAURL(t *testing.T) {
	signers := 0
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			file := filepath.Join(p.Dir, name)
			src, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			text := usesOf(src)
			if p.ImportPath == "usher/backend" && text["Signer.Sign"] {
				signers++
				if name != "release.go" {
					t.Errorf("%s signs URLs; only release.go may", file)
				}
			}
			if text["os.Exit"] && src.Name.Name != "main" {
				t.Errorf("%s calls os.Exit; only a program may", file)
			}
		}
	}
	if signers != 1 {
		t.Errorf("%d files of the backend sign URLs", signers)
	}
}

// Package fetch gets its URLs from an Owner: it never releases one.
func TestFetchReleasesNothing(t *testing.T) {
	checked := 0
	for _, p := range packages(t) {
		if p.ImportPath != "usher/client/download/fetch" {
			continue
		}
		for _, name := range p.GoFiles {
			src, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			checked++
			for _, use := range releases(src) {
				t.Errorf("%s uses %s; only the engine releases URLs", name, use)
			}
		}
	}
	if checked < 5 {
		t.Errorf("only %d files of the package were read", checked)
	}
	const broken = "package fetch\nfunc f(c C) { c.Release(api.ReleaseRequest{}) }"
	src, err := parser.ParseFile(token.NewFileSet(), "", broken, 0)
	if err != nil || len(releases(src)) != 2 {
		t.Errorf("control: in a file with two uses, %v, %q are found", err, releases(src))
	}
}

// releases returns the uses of the release call and its types in a file.
func releases(file *ast.File) (found []string) {
	for use := range usesOf(file) {
		if strings.HasPrefix(use, "api.Release") || strings.HasSuffix(use, ".Release") && use != "folder.Release" {
			found = append(found, use)
		}
	}
	return found
}

// usesOf returns the selector expressions x.y in a file, by the last name of x.
func usesOf(file *ast.File) map[string]bool {
	uses := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		switch x := sel.X.(type) {
		case *ast.Ident:
			uses[x.Name+"."+sel.Sel.Name] = true
		case *ast.SelectorExpr:
			uses[x.Sel.Name+"."+sel.Sel.Name] = true
		}
		return true
	})
	return uses
}
