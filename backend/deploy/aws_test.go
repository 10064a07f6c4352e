package deploy_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"usher/backend/deploy"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
)

const (
	stackID = "arn:aws:cloudformation:eu-west-1:111122223333:stack/usher/11111111-2222-3333-4444-555555555555"
	url     = "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
)

// resource is a planned change, or an event, of a resource.
type resource struct {
	id, kind, action, replacement, policy string // of a change
	status, reason                        string // of an event
	token                                 string
}

// account is an AWS account with one stack, over HTTP. Each poll of the events
// shows some more of them.
type account struct {
	*testing.T
	tables *dynamotest.Server
	web    *httptest.Server

	mu       sync.Mutex
	calls    []string
	refusals map[string][]string // codes of the next answers, by call
	status   string              // of the stack; "": none
	after    string              // status at the end of the events
	params   map[string]string
	changes  []resource
	planned  []resource // events of the next operation
	events   []resource // shown and future events, oldest first
	shown    int
	begin    string // status of the stack at the begin of an operation
	objects  map[string][]byte
	buckets  map[string]string // policy by name
	people   []string
	groups   map[string][]string
	pools    []string // names of pools of earlier stacks
	quota    int
	logging  bool
	trail    string // ARN of selected objects
}

func newAccount(t *testing.T) *account {
	t.Helper()
	a := &account{
		T: t, tables: dynamotest.New(t), refusals: map[string][]string{}, params: map[string]string{}, objects: map[string][]byte{},
		buckets: map[string]string{"company-reports": goodPolicy}, groups: map[string][]string{"usher-admins": {}}, quota: 1000, logging: true, trail: "arn:aws:s3:::company-reports/",
		changes: []resource{{id: "LogTable", kind: "AWS::DynamoDB::Table", action: "Add"}, {id: "ApiFunction", kind: "AWS::Lambda::Function", action: "Add"}},
		planned: []resource{
			{id: "LogTable", kind: "AWS::DynamoDB::Table", status: "CREATE_IN_PROGRESS"}, {id: "LogTable", kind: "AWS::DynamoDB::Table", status: "CREATE_COMPLETE"},
			{id: "ApiFunction", kind: "AWS::Lambda::Function", status: "CREATE_IN_PROGRESS"}, {id: "ApiFunction", kind: "AWS::Lambda::Function", status: "CREATE_COMPLETE"},
		},
		after: "CREATE_COMPLETE", begin: "CREATE_IN_PROGRESS",
	}
	for _, name := range []string{"usher-log", "usher-log-index", "usher-grants", "usher-state"} {
		a.tables.Table(t, name)
	}
	a.web = httptest.NewServer(a)
	t.Cleanup(a.web.Close)
	return a
}

const goodPolicy = `{"Statement":[{"Effect":"Deny","Condition":{"Bool":{"aws:SecureTransport":"false"}}},{"Effect":"Deny","Condition":{"NumericGreaterThan":{"s3:signatureAge":"900000"}}}]}`

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

func (a *account) deployer(p *person) *deploy.Deployer {
	a.Helper()
	sdk := dynamotest.AWS()
	sdk.BaseEndpoint, sdk.Retryer = aws.String(a.web.URL), func() aws.Retryer { return aws.NopRetryer{} }
	d, err := deploy.New(deploy.Config{
		AWS: sdk, Now: time.Now, Rand: rand.Reader, NewID: event.IDs(rand.Reader), Screen: p,
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	if err != nil {
		a.Fatal(err)
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

// refuse makes the next calls fail with codes.
func (a *account) refuse(call string, codes ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusals[call] = append(a.refusals[call], codes...)
}

func (a *account) count(call string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, c := range a.calls {
		if c == call {
			n++
		}
	}
	return n
}

// ServeHTTP tells the services apart by the forms of their requests.
func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	if strings.HasPrefix(target, "DynamoDB") {
		a.tables.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		a.Error(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, operation, ok := strings.Cut(target, "."); ok {
		a.json(w, operation, body)
		return
	}
	if r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		r.Body = io.NopCloser(bytes.NewReader(body))
		if err := r.ParseForm(); err != nil {
			a.Error(err)
		}
		a.query(w, r)
		return
	}
	a.storage(w, r, body)
}

// refused answers with the next planned refusal of a call.
func (a *account) refused(w http.ResponseWriter, call string, form func(code string) string) bool {
	a.calls = append(a.calls, call)
	codes := a.refusals[call]
	if len(codes) == 0 {
		return false
	}
	a.refusals[call] = codes[1:]
	if codes[0] == "" {
		return false
	}
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, form(codes[0]))
	return true
}

func xmlError(code string) string {
	return "<ErrorResponse><Error><Code>" + code + "</Code><Message>no \x1b[2J reason</Message></Error></ErrorResponse>"
}

// query answers CloudFormation and STS.
func (a *account) query(w http.ResponseWriter, r *http.Request) {
	action := r.Form.Get("Action")
	if a.refused(w, action, func(code string) string { return strings.ReplaceAll(xmlError(code), "\x1b", "") }) {
		return
	}
	answer := func(text string) {
		fmt.Fprintf(w, "<%sResponse><%sResult>%s</%sResult></%sResponse>", action, action, text, action, action)
	}
	switch action {
	case "GetCallerIdentity":
		answer("<Account>111122223333</Account><Arn>arn:aws:iam::111122223333:user/root-of-all</Arn><UserId>AIDAEXAMPLE</UserId>")
	case "DescribeStacks":
		if a.status == "" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id usher does not exist</Message></Error></ErrorResponse>")
			return
		}
		answer("<Stacks><member>" + a.stack() + "</member></Stacks>")
	case "CreateChangeSet":
		a.begun(r)
		answer("<Id>arn:change</Id><StackId>" + stackID + "</StackId>")
	case "DescribeChangeSet":
		answer(a.changeSet())
	case "ExecuteChangeSet", "DeleteStack", "ContinueUpdateRollback":
		a.operate(action, r.Form.Get("ClientRequestToken"))
		answer("")
	case "DeleteChangeSet":
		answer("")
	case "DescribeStackEvents":
		answer("<StackEvents>" + a.nextEvents() + "</StackEvents>")
	default:
		a.Errorf("a call of %s", action)
	}
}

func (a *account) begun(r *http.Request) {
	if a.status == "" {
		a.status = "REVIEW_IN_PROGRESS"
	}
	if len(r.Form.Get("TemplateBody")) < 10_000 || r.Form.Get("Capabilities.member.1") != "CAPABILITY_IAM" {
		a.Error("a change set without its template or its capability")
	}
	for i := 1; r.Form.Has(fmt.Sprintf("Parameters.member.%d.ParameterKey", i)); i++ {
		member := fmt.Sprintf("Parameters.member.%d.", i)
		if r.Form.Get(member+"UsePreviousValue") != "true" {
			a.params[r.Form.Get(member+"ParameterKey")] = r.Form.Get(member + "ParameterValue")
		}
	}
}

func (a *account) stack() string {
	var out strings.Builder
	fmt.Fprintf(&out, "<StackName>usher</StackName><StackId>%s</StackId><CreationTime>2026-11-01T00:00:00Z</CreationTime><StackStatus>%s</StackStatus><Parameters>", stackID, a.status)
	for k, v := range a.params {
		fmt.Fprintf(&out, "<member><ParameterKey>%s</ParameterKey><ParameterValue>%s</ParameterValue></member>", k, v)
	}
	out.WriteString("</Parameters><Outputs>")
	for k, v := range map[string]string{"Url": url, "UserPoolId": "eu-west-1_AbCdEfGhI", "ClientId": "client", "LogTableName": "usher-log", "GrantsTableName": "usher-grants", "StateTableName": "usher-state", "AdminsGroupName": "usher-admins"} {
		fmt.Fprintf(&out, "<member><OutputKey>%s</OutputKey><OutputValue>%s</OutputValue></member>", k, v)
	}
	out.WriteString("</Outputs>")
	return out.String()
}

func (a *account) changeSet() string {
	if len(a.changes) == 0 {
		return "<Status>FAILED</Status><StatusReason>The submitted information didn't contain changes.</StatusReason>"
	}
	var out strings.Builder
	out.WriteString("<Status>CREATE_COMPLETE</Status><Changes>")
	for _, c := range a.changes {
		fmt.Fprintf(&out, "<member><Type>Resource</Type><ResourceChange><Action>%s</Action><LogicalResourceId>%s</LogicalResourceId><ResourceType>%s</ResourceType>", c.action, c.id, c.kind)
		if c.replacement != "" {
			fmt.Fprintf(&out, "<Replacement>%s</Replacement>", c.replacement)
		}
		if c.policy != "" {
			fmt.Fprintf(&out, "<PolicyAction>%s</PolicyAction>", c.policy)
		}
		out.WriteString("<Details><member><Target><Name>Code</Name></Target></member></Details></ResourceChange></member>")
	}
	out.WriteString("</Changes>")
	return out.String()
}

// operate starts an operation of the stack.
func (a *account) operate(action, token string) {
	begin, plan, after := a.begin, a.planned, a.after
	if action == "DeleteStack" {
		begin, plan, after = "DELETE_IN_PROGRESS", nil, "DELETE_COMPLETE"
		if a.status == "REVIEW_IN_PROGRESS" {
			a.status = ""
			return
		}
	}
	a.status = begin
	a.events = append(a.events, resource{id: "usher", kind: "AWS::CloudFormation::Stack", status: begin, token: token})
	a.events = append(a.events, plan...)
	a.events = append(a.events, resource{id: "usher", kind: "AWS::CloudFormation::Stack", status: after, token: token})
}

// nextEvents shows two events more, newest first, and ends the operation after
// the last one.
func (a *account) nextEvents() string {
	a.shown = min(a.shown+2, len(a.events))
	var out strings.Builder
	for i := a.shown - 1; i >= 0; i-- {
		e := a.events[i]
		physical := "physical-" + e.id
		if e.id == "usher" {
			physical = stackID
		}
		reason := new(bytes.Buffer)
		_ = xml.EscapeText(reason, []byte(e.reason))
		fmt.Fprintf(&out, "<member><EventId>%d</EventId><StackId>%s</StackId><StackName>usher</StackName><LogicalResourceId>%s</LogicalResourceId><PhysicalResourceId>%s</PhysicalResourceId><ResourceType>%s</ResourceType><ResourceStatus>%s</ResourceStatus><ResourceStatusReason>%s</ResourceStatusReason><ClientRequestToken>%s</ClientRequestToken><Timestamp>2026-11-01T00:00:00Z</Timestamp></member>",
			i, stackID, e.id, physical, e.kind, e.status, reason, e.token)
	}
	if a.shown == len(a.events) && a.shown > 0 {
		a.status = a.events[a.shown-1].status
	}
	return out.String()
}

// json answers Cognito, Service Quotas and CloudTrail.
func (a *account) json(w http.ResponseWriter, operation string, body []byte) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if a.refused(w, operation, func(code string) string { return `{"__type":"` + code + `","message":"no reason"}` }) {
		return
	}
	var in map[string]any
	if err := json.Unmarshal(body, &in); err != nil {
		a.Error(err)
	}
	out := map[string]any{}
	text := func(name string) string { s, _ := in[name].(string); return s }
	switch operation {
	case "GetServiceQuota":
		out["Quota"] = map[string]any{"Value": a.quota}
	case "ListUserPools":
		pools := []any{}
		for i, name := range a.pools {
			pools = append(pools, map[string]any{"Id": fmt.Sprintf("eu-west-1_Pool%d", i), "Name": name})
		}
		out["UserPools"] = pools
	case "DescribeUserPool":
		out["UserPool"] = map[string]any{"Id": text("UserPoolId"), "Domain": "usher-old"}
	case "ListUserPoolClients":
		out["UserPoolClients"] = []any{map[string]any{"ClientName": "native", "ClientId": "n1"}, map[string]any{"ClientName": "sso", "ClientId": "s1"}}
	case "AdminCreateUser":
		if slices.Contains(a.people, text("Username")) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"UsernameExistsException","message":"x"}`)
			return
		}
		a.people = append(a.people, text("Username"))
		if strings.Contains(string(body), "TemporaryPassword") {
			a.Error("a password of usher's own")
		}
		out["User"] = map[string]any{"Username": text("Username")}
	case "CreateGroup":
		if _, there := a.groups[text("GroupName")]; there {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"GroupExistsException","message":"x"}`)
			return
		}
		a.groups[text("GroupName")] = []string{}
	case "AdminAddUserToGroup":
		g := text("GroupName")
		if !slices.Contains(a.groups[g], text("Username")) {
			a.groups[g] = append(a.groups[g], text("Username"))
		}
	case "ListUsersInGroup":
		users := []any{}
		for _, u := range a.groups[text("GroupName")] {
			users = append(users, map[string]any{"Username": u})
		}
		out["Users"] = users
	case "ListGroups":
		groups := []any{}
		for g := range a.groups {
			groups = append(groups, map[string]any{"GroupName": g})
		}
		out["Groups"] = groups
	case "DescribeTrails":
		out["trailList"] = []any{map[string]any{"TrailARN": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/all", "HomeRegion": "eu-west-1"}}
	case "GetEventSelectors":
		out["EventSelectors"] = []any{map[string]any{"ReadWriteType": "All", "DataResources": []any{map[string]any{"Type": "AWS::S3::Object", "Values": []any{a.trail}}}}}
	default:
		a.Errorf("a call of %s", operation)
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		a.Error(err)
	}
}

// storage answers S3.
func (a *account) storage(w http.ResponseWriter, r *http.Request, body []byte) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := strings.TrimSuffix(strings.SplitN(r.URL.RawQuery, "&", 2)[0], "=")
	if strings.HasPrefix(query, "x-id") {
		query = ""
	}
	call := "S3 " + r.Method + " " + map[bool]string{true: "object", false: "bucket"}[key != ""]
	if query != "" {
		call = "S3 " + r.Method + " " + query
	}
	if a.refused(w, call, func(code string) string {
		return "<Error><Code>" + code + "</Code><Message>no reason</Message></Error>"
	}) {
		return
	}
	missing := func(code string) {
		w.WriteHeader(http.StatusNotFound)
		if r.Method != http.MethodHead {
			fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", code)
		}
	}
	policy, there := a.buckets[bucket]
	switch {
	case r.Method == http.MethodPut && key == "" && query == "":
		a.buckets[bucket] = ""
	case !there:
		missing("NoSuchBucket")
	case key != "" && r.Method == http.MethodPut:
		a.objects[bucket+"/"+key] = body
	case key != "":
		if _, found := a.objects[bucket+"/"+key]; !found {
			missing("NoSuchKey")
		}
	case r.Method == http.MethodPut:
	case query == "location":
		fmt.Fprint(w, `<LocationConstraint>eu-central-1</LocationConstraint>`)
	case query == "publicAccessBlock":
		fmt.Fprint(w, "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><IgnorePublicAcls>true</IgnorePublicAcls><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>")
	case query == "policy" && policy != "":
		fmt.Fprint(w, policy)
	case query == "policy":
		missing("NoSuchBucketPolicy")
	case query == "logging":
		fmt.Fprint(w, "<BucketLoggingStatus>"+map[bool]string{true: "<LoggingEnabled><TargetBucket>x</TargetBucket><TargetPrefix>y</TargetPrefix></LoggingEnabled>"}[a.logging]+"</BucketLoggingStatus>")
	case query == "encryption":
		fmt.Fprint(w, "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>arn:aws:kms:eu-central-1:111122223333:key/k</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>")
	}
}
