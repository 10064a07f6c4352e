package deploy_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"usher/backend/api"
	"usher/backend/audit"
	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/deploy"
	"usher/backend/deploy/deploytest"
	"usher/backend/dynamo"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
	grantdynamo "usher/backend/grant/dynamo"
	"usher/backend/identity"
)

// person answers questions and keeps the lines.
type person struct {
	mu        sync.Mutex
	answers   map[string]string // by a word of the question
	questions []string
	lines     []deploy.Line
	onLine    func(deploy.Line)
}

func (p *person) Ask(_ context.Context, question, suggestion string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.questions = append(p.questions, question)
	for word, answer := range p.answers {
		if strings.Contains(question, word) {
			return answer, nil
		}
	}
	if suggestion != "" {
		return suggestion, nil
	}
	return "", errors.New("nobody answers")
}

func (p *person) Show(l deploy.Line) {
	p.mu.Lock()
	p.lines = append(p.lines, l)
	f := p.onLine
	p.mu.Unlock()
	if f != nil {
		f(l)
	}
}

// has reports whether a line has all words.
func (p *person) has(words ...string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.lines, func(l deploy.Line) bool {
		text := fmt.Sprintf("%+v", l)
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
	})
}

// four are the answers to the four questions.
func four() map[string]string {
	return map[string]string{"Region": "eu-west-1", "Buckets": "company-reports", "E-mail": "ada@example.com", "Deploy these changes": "yes"}
}

// deployer works in an account.
func deployer(t *testing.T, a *deploytest.Account, p *person) *deploy.Deployer {
	t.Helper()
	return deployerOn(t, a, p)
}

func deployerOn(t *testing.T, a *deploytest.Account, p deploy.Screen) *deploy.Deployer {
	t.Helper()
	sdk, polls := dynamotest.AWS(), 0
	sdk.BaseEndpoint, sdk.Retryer = aws.String(a.Endpoint()), func() aws.Retryer { return aws.NopRetryer{} }
	d, err := deploy.New(deploy.Config{
		AWS: sdk, Now: time.Now, Rand: rand.Reader, NewID: event.IDs(rand.Reader), Screen: p,
		Wait: func(ctx context.Context, _ time.Duration) error {
			if polls++; polls > 500 {
				return errors.New("the operation never ends")
			}
			return ctx.Err()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// bundle is the zip of a program for a processor of ELF.
func bundle(t *testing.T, machine byte) string {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create("bootstrap")
	if err == nil {
		head := make([]byte, 64)
		copy(head, "\x7fELF\x02\x01\x01")
		head[18] = machine
		_, err = w.Write(head)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "lambda.zip")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const (
	arm = 183
	x86 = 62
)

// A new admin answers four questions. The stack is created, with the first person
// in usher-admins, and one group with a grant and its event.
func TestFirstDeployment(t *testing.T) {
	a, p := deploytest.New(t), &person{answers: four()}
	file := bundle(t, arm)
	r, err := deployer(t, a, p).Deploy(t.Context(), deploy.Options{Program: file})
	if err != nil {
		t.Fatal(err)
	}
	if r.URL != deploytest.DefaultURL || r.Admin != "ada@example.com" || len(p.questions) != 4 {
		t.Errorf("%+v after %d questions %q", r, len(p.questions), p.questions)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	key := "usher/" + hex.EncodeToString(sum[:]) + ".zip"
	if got := a.Objects["usher-code-111122223333-eu-west-1/"+key]; !bytes.Contains(got, raw) {
		t.Errorf("the program is not under %s: %d objects", key, len(a.Objects))
	}
	for name, want := range map[string]string{
		"BucketArns": "arn:aws:s3:::company-reports", "ObjectArns": "arn:aws:s3:::company-reports/*", "CodeKey": key,
		"BucketRegions": "eu-central-1", "DataKeyArns": "arn:aws:kms:eu-central-1:111122223333:key/k",
	} {
		if a.Params[name] != want {
			t.Errorf("%s is %q, want %q", name, a.Params[name], want)
		}
	}
	if !slices.Equal(a.Groups["usher-admins"], a.People) || !slices.Equal(a.Groups["usher-readers"], []string{"ada@example.com"}) {
		t.Errorf("people %q, groups %q", a.People, a.Groups)
	}
	for _, words := range [][]string{
		{"check", "concurrency", "ok"}, {"change", "LogTable", "added"}, {"progress", "ApiFunction", "CREATE_COMPLETE", "Done:2 Total:2"}, {"usher-readers"},
	} {
		if !p.has(words...) {
			t.Errorf("no line has %q", words)
		}
	}
	grants(t, a, 1)
	if out := fmt.Sprintf("%+v", p.lines); strings.Contains(out, "SECRET") {
		t.Errorf("a secret in %s", out)
	}

	// The second run has the same program and changes nothing.
	uploads := a.Count("S3 PUT object")
	a.Changes = nil
	p2 := &person{}
	if _, err := deployer(t, a, p2).Deploy(t.Context(), deploy.Options{Region: "eu-west-1", Program: file}); err != nil {
		t.Fatal(err)
	}
	if !p2.has("up to date") || a.Count("S3 PUT object") != uploads || len(p2.questions) != 0 || len(a.People) != 1 {
		t.Errorf("%q, %d people, %+v", p2.questions, len(a.People), p2.lines)
	}
	grants(t, a, 1)
}

// grants checks the number of grants in force, and the one event of their change.
func grants(t *testing.T, a *deploytest.Account, want int) {
	t.Helper()
	client := a.Tables.Client(t)
	reader, err := dynamo.NewReader(client, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	store, err := grantdynamo.New(grantdynamo.Config{Client: client, Reader: reader, Table: "usher-grants", Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	set, err := store.Current(t.Context())
	if err != nil || set.Len() != want {
		t.Errorf("%v grants, %v", set, err)
	}
	log, err := auditdynamo.New(auditdynamo.Config{DB: client, Log: "usher-log", Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	filter, err := event.ParseFilter("action:grants-changed", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	found, err := log.Query(t.Context(), filter, audit.Page{Limit: 10})
	if err != nil || len(found.Events) != 1 || found.Events[0].User.Username != "arn:aws:iam::111122223333:user/root-of-all" || found.Events[0].GrantsAdded != want {
		t.Errorf("the log has %+v, %v", found.Events, err)
	}
}

// The sentence of a failure begins with the first failed resource, not with those
// that CloudFormation cancels after it.
func TestRollbackShowsTheFirstReason(t *testing.T) {
	a, p := deploytest.New(t), &person{answers: four()}
	a.Planned = []deploytest.Resource{
		{ID: "LogTable", Kind: "AWS::DynamoDB::Table", Status: "CREATE_IN_PROGRESS"},
		{ID: "SealKey", Kind: "AWS::KMS::Key", Status: "CREATE_FAILED", Reason: "Resource creation cancelled"},
		{ID: "ApiFunction", Kind: "AWS::Lambda::Function", Status: "CREATE_FAILED", Reason: "the concurrency is too low"},
		{ID: "Api", Kind: "AWS::ApiGatewayV2::Api", Status: "CREATE_FAILED", Reason: "another one"},
		{ID: "usher", Kind: "AWS::CloudFormation::Stack", Status: "ROLLBACK_IN_PROGRESS"},
	}
	a.After = "ROLLBACK_COMPLETE"
	_, err := deployer(t, a, p).Deploy(t.Context(), deploy.Options{Program: bundle(t, arm)})
	if err == nil || !strings.HasPrefix(err.Error(), "ApiFunction (AWS::Lambda::Function) failed: the concurrency is too low.") || !strings.Contains(err.Error(), "ROLLBACK_COMPLETE") {
		t.Errorf("%v", err)
	}
	if len(a.People) != 0 {
		t.Errorf("people of a failed stack: %q", a.People)
	}

	// The next run removes the rests, and creates the stack.
	fresh := deploytest.New(t)
	a.Planned, a.After = fresh.Planned, fresh.After
	p2 := &person{answers: four()}
	if _, err := deployer(t, a, p2).Deploy(t.Context(), deploy.Options{Program: bundle(t, arm)}); err != nil {
		t.Fatal(err)
	}
	if a.Count("DeleteStack") != 1 || !p2.has("resources are removed") || len(a.People) != 1 {
		t.Errorf("%d deletions, %+v", a.Count("DeleteStack"), p2.lines)
	}
}

// An update that could not be undone is undone first, and the new one follows.
func TestUndoneUpdate(t *testing.T) {
	a, p := deploytest.New(t), &person{answers: four()}
	a.Status, a.Begin, a.After, a.Params["BucketArns"] = "UPDATE_ROLLBACK_FAILED", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", "arn:aws:s3:::company-reports"
	if _, err := deployer(t, a, p).Deploy(t.Context(), deploy.Options{Program: bundle(t, arm)}); err != nil || a.Status != "UPDATE_COMPLETE" || a.Count("ContinueUpdateRollback") != 1 {
		t.Errorf("%v, the stack is %s after %d attempts", err, a.Status, a.Count("ContinueUpdateRollback"))
	}
}

// Busy services delay the deployment and do not end it.
func TestThrottledPolling(t *testing.T) {
	a, p := deploytest.New(t), &person{answers: four()}
	a.Refuse("DescribeStackEvents", "Throttling", "ThrottlingException", "", "Throttling")
	a.Refuse("DescribeChangeSet", "Throttling")
	if _, err := deployer(t, a, p).Deploy(t.Context(), deploy.Options{Program: bundle(t, arm)}); err != nil {
		t.Fatal(err)
	}
	if n := a.Count("ExecuteChangeSet"); n != 1 {
		t.Errorf("%d executions", n)
	}
}

// An interrupted deployment goes on, and the next run follows it to its end
// without another change set for it.
func TestInterruptedAndResumed(t *testing.T) {
	a := deploytest.New(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	p := &person{answers: four(), onLine: func(l deploy.Line) {
		if l.Kind == deploy.KindProgress {
			cancel(interrupted)
		}
	}}
	if _, err := deployer(t, a, p).Deploy(ctx, deploy.Options{Program: bundle(t, arm)}); !errors.Is(err, interrupted) {
		t.Fatalf("%v", err)
	}
	if len(a.People) != 0 || a.Status != "CREATE_IN_PROGRESS" {
		t.Fatalf("%q, the stack is %s", a.People, a.Status)
	}
	a.Changes = nil
	p2 := &person{answers: four()}
	r, err := deployer(t, a, p2).Deploy(t.Context(), deploy.Options{Program: bundle(t, arm)})
	if err != nil {
		t.Fatal(err)
	}
	if r.Admin != "ada@example.com" || a.Count("ExecuteChangeSet") != 1 || !p2.has("follows it") || !p2.has("ApiFunction", "CREATE_COMPLETE") {
		t.Errorf("%+v, %d executions, %+v", r, a.Count("ExecuteChangeSet"), p2.lines)
	}
}

// Data needs a typed word, which --yes does not replace.
func TestReplaceNeedsAWord(t *testing.T) {
	for _, change := range []deploytest.Resource{
		{ID: "LogTable", Kind: "AWS::DynamoDB::Table", Action: "Modify", Replacement: "True"},
		{ID: "UserPool", Kind: "AWS::Cognito::UserPool", Action: "Modify", Replacement: "Conditional"},
		{ID: "ArchiveBucket", Kind: "AWS::S3::Bucket", Action: "Remove"},
		{ID: "OldTable", Kind: "AWS::DynamoDB::Table", Action: "Remove", Policy: "Retain"},
	} {
		for answer, want := range map[string]int{"": 0, "yes": 0, "replace data": 1} {
			a, p := deploytest.New(t), &person{answers: map[string]string{}}
			a.Status, a.Params["BucketArns"], a.Params["ObjectArns"] = "CREATE_COMPLETE", "arn:aws:s3:::company-reports", "arn:aws:s3:::company-reports/*"
			a.Begin, a.After, a.Planned, a.Changes = "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", nil, []deploytest.Resource{change}
			if answer != "" {
				p.answers["Type"] = answer
			}
			_, err := deployer(t, a, p).Deploy(t.Context(), deploy.Options{Region: "eu-west-1", Program: bundle(t, arm), Yes: true, Admin: "ada@example.com"})
			if n := a.Count("ExecuteChangeSet"); n != want || (err == nil) != (want == 1) {
				t.Errorf("%s with %q: %d executions, %v", change.ID, answer, n, err)
			}
			if !p.has("change", change.ID, "it has data") {
				t.Errorf("%s with %q: %+v", change.ID, answer, p.lines)
			}
		}
	}
}

// A refused call is named, and ended credentials have their own sentence.
func TestRefusedCalls(t *testing.T) {
	for call, name := range map[string]string{
		"GetCallerIdentity": "STS GetCallerIdentity", "DescribeStacks": "CloudFormation DescribeStacks", "CreateChangeSet": "CloudFormation CreateChangeSet",
		"DescribeChangeSet": "CloudFormation DescribeChangeSet", "ExecuteChangeSet": "CloudFormation ExecuteChangeSet", "DescribeStackEvents": "CloudFormation DescribeStackEvents",
		"GetServiceQuota": "ServiceQuotas GetServiceQuota", "ListUserPools": "CognitoIdentityProvider ListUserPools", "AdminCreateUser": "CognitoIdentityProvider AdminCreateUser",
		"S3 PUT object": "S3 PutObject", "S3 PUT bucket": "S3 CreateBucket",
	} {
		a, p := deploytest.New(t), &person{answers: four()}
		a.Refuse(call, "AccessDenied")
		_, err := deployer(t, a, p).Deploy(t.Context(), deploy.Options{Program: bundle(t, arm)})
		if err == nil || !strings.Contains(err.Error(), "may not make the call "+name+".") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v", call, err)
		}
		b := deploytest.New(t)
		b.Refuse(call, "ExpiredToken")
		_, err = deployer(t, b, &person{answers: four()}).Deploy(t.Context(), deploy.Options{Program: bundle(t, arm)})
		if err == nil || !strings.Contains(err.Error(), "have expired") {
			t.Errorf("%s with ended credentials: %v", call, err)
		}
		var failing api.Failing
		if !errors.As(err, &failing) || failing.Exit() != api.ExitUnavailable {
			t.Errorf("%s: %v has another exit code", call, err)
		}
	}
}

func TestRefusedInput(t *testing.T) {
	for name, row := range map[string]struct {
		answers map[string]string
		o       deploy.Options
		want    string
	}{
		"a region":          {map[string]string{"Region": "moon-1"}, deploy.Options{}, "not a region"},
		"a region of China": {map[string]string{"Region": "cn-north-1"}, deploy.Options{}, "no user pools"},
		"a bucket":          {map[string]string{"Buckets": "No_Bucket"}, deploy.Options{}, "not the name of a bucket"},
		"a prefix":          {map[string]string{"Buckets": "company-reports/annual"}, deploy.Options{}, "must end in /"},
		"a wildcard":        {map[string]string{"Buckets": "company-reports/a*/"}, deploy.Options{}, "characters"},
		"no bucket":         {map[string]string{"Buckets": ""}, deploy.Options{}, "at least one bucket"},
		"an absent bucket":  {map[string]string{"Buckets": "absent-bucket"}, deploy.Options{}, "absent-bucket was not found"},
		"an address":        {map[string]string{"E-mail": "ada"}, deploy.Options{}, "not an e-mail address"},
		"a parameter":       {nil, deploy.Options{Parameters: map[string]string{"Nothing": "x"}}, "no parameter Nothing"},
		"a stack":           {nil, deploy.Options{Stack: "a b"}, "name of a stack"},
		"no":                {map[string]string{"Deploy these changes": "no"}, deploy.Options{}, "Nothing was changed"},
		"reserved":          {nil, deploy.Options{Parameters: map[string]string{"ReservedConcurrency": "950"}}, "ReservedConcurrency"},
		"another processor": {nil, deploy.Options{Program: bundle(t, x86)}, "not for arm64"},
		"no program":        {nil, deploy.Options{Program: "none"}, "make lambda"},
	} {
		a, p := deploytest.New(t), &person{answers: four()}
		for k, v := range row.answers {
			p.answers[k] = v
		}
		switch row.o.Program {
		case "":
			row.o.Program = bundle(t, arm)
		case "none":
			row.o.Program = ""
		}
		_, err := deployer(t, a, p).Deploy(t.Context(), row.o)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", name, err)
		}
		if n := a.Count("ExecuteChangeSet"); n != 0 || len(a.People) > 0 {
			t.Errorf("%s: %d executions", name, n)
		}
	}
}

// The pool of a deleted stack is offered, with its clients and its domain.
func TestRetainedPool(t *testing.T) {
	a, p := deploytest.New(t), &person{answers: four()}
	a.Pools = []string{"another", "usher"}
	if _, err := deployer(t, a, p).Deploy(t.Context(), deploy.Options{Program: bundle(t, arm)}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ExistingUserPoolId": "eu-west-1_Pool1", "ExistingClientId": "n1", "ExistingSsoClientId": "s1", "ExistingDeviceClientId": "",
		"ExistingHostedUi": "https://usher-old.auth.eu-west-1.amazoncognito.com",
	} {
		if a.Params[name] != want {
			t.Errorf("%s is %q, want %q", name, a.Params[name], want)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, row := range map[string]struct {
		setup func(a *deploytest.Account)
		fine  bool
		words []string
	}{
		"in order":       {func(*deploytest.Account) {}, true, []string{"token", "ok"}},
		"no access log":  {func(a *deploytest.Account) { a.Logging = false }, false, []string{"access log of company-reports", "warning"}},
		"no data events": {func(a *deploytest.Account) { a.Trail = "arn:aws:s3:::other/" }, false, []string{"data events of company-reports", "warning"}},
		"every bucket":   {func(a *deploytest.Account) { a.Trail = "arn:aws:s3:::" }, true, []string{"data events of company-reports", "ok"}},
		"open bucket":    {func(a *deploytest.Account) { a.Buckets["company-reports"] = "" }, false, []string{"BucketStatements", "warning"}},
		"a hidden log":   {func(a *deploytest.Account) { a.Refuse("S3 GET logging", "AccessDenied") }, false, []string{"access log of company-reports", "warning", "may not read it"}},
		"hidden policy": {func(a *deploytest.Account) {
			a.Refuse("S3 GET policy", "AccessDenied")
			a.Refuse("S3 GET publicAccessBlock", "AccessDenied")
		}, false, []string{"bucket company-reports", "warning", "may not read its public access block and policy"}},
		"a public bucket": {func(a *deploytest.Account) {
			a.Refuse("S3 GET publicAccessBlock", "NoSuchPublicAccessBlockConfiguration")
		}, false, []string{"bucket company-reports", "warning", "block public access is not on"}},
		"a failed stack": {func(a *deploytest.Account) { a.Status = "UPDATE_ROLLBACK_FAILED" }, false, []string{"stack", "failed"}},
		"a gone bucket":  {func(a *deploytest.Account) { delete(a.Buckets, "company-reports") }, false, []string{"It is gone", "failed"}},
		"large tokens": {func(a *deploytest.Account) {
			for i := range 100 {
				a.Groups[fmt.Sprintf("%s-%03d", strings.Repeat("g", 120), i)] = nil
			}
		}, false, []string{"token", "warning"}},
	} {
		a, p := deploytest.New(t), &person{}
		a.Status, a.Params["BucketArns"] = "UPDATE_COMPLETE", "arn:aws:s3:::company-reports"
		row.setup(a)
		fine, err := deployer(t, a, p).Check(t.Context(), deploy.Options{Region: "eu-west-1"})
		if err != nil || fine != row.fine || !p.has(row.words...) {
			t.Errorf("%s: %v, %v, %+v", name, fine, err, p.lines)
		}
		for _, call := range a.Calls() {
			if strings.HasPrefix(call, "S3 PUT") || strings.HasPrefix(call, "Create") || strings.HasPrefix(call, "Admin") {
				t.Errorf("%s: the check calls %s", name, call)
			}
		}
	}
}

// The preflight reads the quotas that limit usher first, and so does the check, which
// reports a warning in its outcome.
func TestQuotas(t *testing.T) {
	const alive, groups = "L-D6BD5178", "L-55545DC8"
	for name, row := range map[string]struct {
		concurrency int
		quotas      map[string]int
		questions   string
		words       []string
	}{
		"a new account":  {10, nil, "", []string{"concurrency", "warning", "10 functions"}},
		"default quotas": {1000, nil, "", []string{"Cognito", "ok", "120 UserRead and 50 UserResourceRead", "at most 25", enough(25)}},
		"raised quotas":  {1000, map[string]int{alive: 500, groups: 400}, "", []string{"Cognito", "ok", "500 UserRead and 400 UserResourceRead", "Questions=200"}},
		"used":           {1000, map[string]int{alive: 500, groups: 400}, "200", []string{"Cognito", "ok", "at most 200", enough(200)}},
		"more than half": {1000, nil, "40", []string{"Cognito", "warning", "more than half", "Questions=25"}},
	} {
		a, p := deploytest.New(t), &person{answers: four()}
		a.Quota, a.Quotas = row.concurrency, row.quotas
		o := deploy.Options{Program: bundle(t, arm)}
		if row.questions != "" {
			o.Parameters = map[string]string{"Questions": row.questions}
		}
		if _, err := deployer(t, a, p).Deploy(t.Context(), o); err != nil || !p.has(row.words...) {
			t.Errorf("%s: %v, %+v", name, err, p.lines)
		}
		q := &person{}
		fine, err := deployer(t, a, q).Check(t.Context(), deploy.Options{Region: "eu-west-1"})
		if err != nil || !q.has(row.words...) || fine == slices.Contains(row.words, "warning") {
			t.Errorf("%s, check: %v, %v, %+v", name, fine, err, q.lines)
		}
	}
}

func TestDeleteKeepsData(t *testing.T) {
	a := deploytest.New(t)
	a.Status = "CREATE_COMPLETE"
	if err := deployer(t, a, &person{answers: map[string]string{"Type": "yes"}}).Delete(t.Context(), deploy.Options{Region: "eu-west-1"}); err == nil || a.Count("DeleteStack") != 0 {
		t.Fatalf("deleted without the name: %v", err)
	}
	p := &person{answers: map[string]string{"Type": "usher"}}
	if err := deployer(t, a, p).Delete(t.Context(), deploy.Options{Region: "eu-west-1"}); err != nil || a.Count("DeleteStack") != 1 || !p.has("LogTable", "UserPool", "stay in your account") {
		t.Errorf("%v, %+v", err, p.lines)
	}
}

func TestLargestToken(t *testing.T) {
	small, large := deploy.LargestToken(nil), deploy.LargestToken([]string{strings.Repeat("g", 128)})
	if small < 900 || small > 1500 || large-small < 170 || large-small > 180 {
		t.Errorf("%d and %d bytes", small, large)
	}
	var many []string
	for range 300 {
		many = append(many, "group")
	}
	if deploy.LargestToken(many) != deploy.LargestToken(many[:100]) {
		t.Error("more than 100 groups are counted")
	}
}

func TestNewRefuses(t *testing.T) {
	if d, err := deploy.New(deploy.Config{}); err == nil {
		t.Errorf("%v without parts", d)
	}
}

// enough is the sentence about people for a number of questions a second.
func enough(questions float64) string {
	return fmt.Sprintf("enough for %.0f people", math.Floor(questions*identity.ReuseAge(identity.DefaultReleaseAge).Seconds()))
}
