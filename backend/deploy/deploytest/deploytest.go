// Package deploytest is an AWS account with one stack, over HTTP, for tests of
// deployments: CloudFormation, STS, Cognito, S3, Service Quotas, CloudTrail and
// DynamoDB. Its fields script the answers.
package deploytest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"usher/backend/dynamo/dynamotest"
)

const (
	stackID = "arn:aws:cloudformation:eu-west-1:111122223333:stack/usher/11111111-2222-3333-4444-555555555555"
	// DefaultURL is the address of the server of the stack.
	DefaultURL = "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
)

// Resource is a planned change, or an event, of a resource.
type Resource struct {
	ID, Kind, Action, Replacement, Policy string // of a change
	Status, Reason                        string // of an event
	Token                                 string
}

// Account is an AWS account with one stack, over HTTP. Each poll of the events
// shows some more of them.
type Account struct {
	t      testing.TB
	Tables *dynamotest.Server
	web    *httptest.Server

	mu        sync.Mutex
	calls     []string
	refusals  map[string][]string // codes of the next answers, by call
	Status    string              // of the stack; "": none
	After     string              // status at the end of the events
	Params    map[string]string
	Changes   []Resource
	Planned   []Resource // events of the next operation
	events    []Resource // shown and future events, oldest first
	shown     int
	Begin     string // status of the stack at the begin of an operation
	Objects   map[string][]byte
	Buckets   map[string]string // policy by name
	People    []string
	Groups    map[string][]string
	Pools     []string          // names of pools of earlier stacks
	Left      map[string]string // physical ids of what a deleted stack left, by logical id
	Before    map[string]string // parameters of the deleted stack
	Imported  map[string]string // physical ids of adopted resources, by logical id
	BadImport string            // reason of a failed change set of an import
	importing bool
	// Protected are resources that only a forced deletion of the stack leaves.
	Protected []string
	Own       []string       // resources of the stack, for a list of them
	Quota     int            // of concurrent functions
	Quotas    map[string]int // others, by their code; absent ones have no value

	URL, Region, Pool, Client string // of the stack
	Logging                   bool
	Trail                     string // ARN of selected objects
}

func New(t testing.TB) *Account {
	t.Helper()
	a := &Account{
		t: t, URL: DefaultURL, Region: "eu-west-1", Pool: "eu-west-1_AbCdEfGhI", Client: "client", Tables: dynamotest.New(t), refusals: map[string][]string{}, Params: map[string]string{}, Objects: map[string][]byte{},
		Buckets: map[string]string{"company-reports": goodPolicy}, Groups: map[string][]string{"usher-admins": {}}, Quota: 1000, Logging: true, Trail: "arn:aws:s3:::company-reports/",
		Changes: []Resource{{ID: "LogTable", Kind: "AWS::DynamoDB::Table", Action: "Add"}, {ID: "ApiFunction", Kind: "AWS::Lambda::Function", Action: "Add"}},
		Planned: []Resource{
			{ID: "LogTable", Kind: "AWS::DynamoDB::Table", Status: "CREATE_IN_PROGRESS"}, {ID: "LogTable", Kind: "AWS::DynamoDB::Table", Status: "CREATE_COMPLETE"},
			{ID: "ApiFunction", Kind: "AWS::Lambda::Function", Status: "CREATE_IN_PROGRESS"}, {ID: "ApiFunction", Kind: "AWS::Lambda::Function", Status: "CREATE_COMPLETE"},
		},
		After: "CREATE_COMPLETE", Begin: "CREATE_IN_PROGRESS",
	}
	for _, name := range []string{"usher-log", "usher-log-index", "usher-grants", "usher-state"} {
		a.Tables.Table(t, name)
	}
	a.web = httptest.NewServer(a)
	t.Cleanup(a.web.Close)
	return a
}

const goodPolicy = `{"Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::company-reports/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}},` +
	`{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::company-reports/*","Condition":{"NumericGreaterThan":{"s3:signatureAge":"900000"}}}]}`

// Refuse makes the next calls fail with codes.
func (a *Account) Refuse(call string, codes ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusals[call] = append(a.refusals[call], codes...)
}

// Count returns the number of calls.
func (a *Account) Count(call string) int {
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

// Endpoint is the address of all services.
func (a *Account) Endpoint() string { return a.web.URL }

// ServeHTTP distinguishes the services by the forms of their requests.
func (a *Account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	if strings.HasPrefix(target, "DynamoDB") {
		a.Tables.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		a.t.Error(err)
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
			a.t.Error(err)
		}
		a.query(w, r)
		return
	}
	a.storage(w, r, body)
}

// refused answers with the next planned refusal of a call.
func (a *Account) refused(w http.ResponseWriter, call string, form func(code string) string) bool {
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
func (a *Account) query(w http.ResponseWriter, r *http.Request) {
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
		if r.Form.Get("StackName") == deletedID {
			answer("<Stacks><member><StackName>usher</StackName><StackId>" + deletedID + "</StackId><CreationTime>2026-10-01T00:00:00Z</CreationTime><StackStatus>DELETE_COMPLETE</StackStatus>" + parametersOf(a.Before) + "</member></Stacks>")
			return
		}
		if a.Status == "" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id usher does not exist</Message></Error></ErrorResponse>")
			return
		}
		answer("<Stacks><member>" + a.stack() + "</member></Stacks>")
	case "ListStacks":
		if a.Left != nil {
			answer("<StackSummaries><member><StackName>other</StackName><StackId>arn:other</StackId><CreationTime>2026-10-01T00:00:00Z</CreationTime><StackStatus>DELETE_COMPLETE</StackStatus></member>" +
				"<member><StackName>usher</StackName><StackId>" + deletedID + "</StackId><CreationTime>2026-10-01T00:00:00Z</CreationTime><DeletionTime>2026-11-01T00:00:00Z</DeletionTime><StackStatus>DELETE_COMPLETE</StackStatus></member></StackSummaries>")
			return
		}
		answer("")
	case "ListStackResources":
		answer("<StackResourceSummaries>" + a.resources(r.Form.Get("StackName")) + "</StackResourceSummaries>")
	case "CreateChangeSet":
		a.begun(r)
		answer("<Id>arn:change</Id><StackId>" + stackID + "</StackId>")
	case "DescribeChangeSet":
		answer(a.changeSet())
	case "ExecuteChangeSet", "DeleteStack", "ContinueUpdateRollback":
		a.operate(action, r.Form.Get("ClientRequestToken"), r.Form.Get("DeletionMode") == "FORCE_DELETE_STACK")
		answer("")
	case "DeleteChangeSet":
		answer("")
	case "DescribeStackEvents":
		answer("<StackEvents>" + a.nextEvents() + "</StackEvents>")
	default:
		a.t.Errorf("a call of %s", action)
	}
}

func (a *Account) begun(r *http.Request) {
	if a.Status == "" {
		a.Status = "REVIEW_IN_PROGRESS"
	}
	a.importing = r.Form.Get("ChangeSetType") == "IMPORT"
	if a.importing {
		a.wanted(r)
	}
	if a.importing != (a.Status == "REVIEW_IN_PROGRESS" && len(a.Imported) > 0) {
		a.t.Errorf("a change set of type %s for a stack in %s", r.Form.Get("ChangeSetType"), a.Status)
	}
	if !a.importing && len(r.Form.Get("TemplateBody")) < 10_000 || r.Form.Get("Capabilities.member.1") != "CAPABILITY_IAM" {
		a.t.Error("a change set without its template or its capability")
	}
	for i := 1; r.Form.Has(fmt.Sprintf("Parameters.member.%d.ParameterKey", i)); i++ {
		member := fmt.Sprintf("Parameters.member.%d.", i)
		if r.Form.Get(member+"UsePreviousValue") != "true" {
			a.Params[r.Form.Get(member+"ParameterKey")] = r.Form.Get(member + "ParameterValue")
		}
	}
}

func (a *Account) stack() string {
	var out strings.Builder
	fmt.Fprintf(&out, "<StackName>usher</StackName><StackId>%s</StackId><CreationTime>2026-11-01T00:00:00Z</CreationTime><StackStatus>%s</StackStatus>%s<Outputs>", stackID, a.Status, parametersOf(a.Params))
	for k, v := range map[string]string{"Url": a.URL, "UserPoolId": a.Pool, "ClientId": a.Client, "LogTableName": "usher-log", "GrantsTableName": "usher-grants", "StateTableName": "usher-state", "AdminsGroupName": "usher-admins"} {
		fmt.Fprintf(&out, "<member><OutputKey>%s</OutputKey><OutputValue>%s</OutputValue></member>", k, v)
	}
	out.WriteString("</Outputs>")
	return out.String()
}

func (a *Account) changeSet() string {
	if a.importing {
		if a.BadImport != "" {
			return "<Status>FAILED</Status><StatusReason>" + a.BadImport + "</StatusReason>"
		}
		out := "<Status>CREATE_COMPLETE</Status><Changes>"
		for id := range a.Imported {
			out += "<member><Type>Resource</Type><ResourceChange><Action>Import</Action><LogicalResourceId>" + id + "</LogicalResourceId><ResourceType>x</ResourceType></ResourceChange></member>"
		}
		return out + "</Changes>"
	}
	if len(a.Changes) == 0 {
		return "<Status>FAILED</Status><StatusReason>The submitted information didn't contain changes.</StatusReason>"
	}
	var out strings.Builder
	out.WriteString("<Status>CREATE_COMPLETE</Status><Changes>")
	for _, c := range a.Changes {
		fmt.Fprintf(&out, "<member><Type>Resource</Type><ResourceChange><Action>%s</Action><LogicalResourceId>%s</LogicalResourceId><ResourceType>%s</ResourceType>", c.Action, c.ID, c.Kind)
		if c.Replacement != "" {
			fmt.Fprintf(&out, "<Replacement>%s</Replacement>", c.Replacement)
		}
		if c.Policy != "" {
			fmt.Fprintf(&out, "<PolicyAction>%s</PolicyAction>", c.Policy)
		}
		out.WriteString("<Details><member><Target><Name>Code</Name></Target></member></Details></ResourceChange></member>")
	}
	out.WriteString("</Changes>")
	return out.String()
}

// operate starts an operation of the stack.
func (a *Account) operate(action, token string, force bool) {
	begin, plan, after := a.Begin, a.Planned, a.After
	if action == "ExecuteChangeSet" && a.importing {
		begin, plan, after = "IMPORT_IN_PROGRESS", nil, "IMPORT_COMPLETE"
		for id := range a.Imported {
			plan = append(plan, Resource{ID: id, Kind: "x", Status: "IMPORT_COMPLETE"})
		}
	} else if a.Status == "IMPORT_COMPLETE" {
		begin, after = "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"
	}
	if action == "ContinueUpdateRollback" {
		begin, plan, after = "UPDATE_ROLLBACK_IN_PROGRESS", nil, "UPDATE_ROLLBACK_COMPLETE"
	}
	if action == "DeleteStack" {
		begin, plan, after = "DELETE_IN_PROGRESS", nil, "DELETE_COMPLETE"
		if a.Status == "REVIEW_IN_PROGRESS" {
			a.Status = ""
			return
		}
		if force && a.Status != "DELETE_FAILED" {
			a.t.Errorf("a forced deletion of a stack in %s", a.Status)
		}
		for _, id := range a.Protected {
			if status := map[bool]string{true: "DELETE_SKIPPED", false: "DELETE_FAILED"}[force]; status == "DELETE_FAILED" {
				after = status
				plan = append(plan, Resource{ID: id, Kind: "x", Status: status, Reason: "it is protected"})
			}
		}
	}
	a.Status = begin
	a.events = append(a.events, Resource{ID: "usher", Kind: "AWS::CloudFormation::Stack", Status: begin, Token: token})
	a.events = append(a.events, plan...)
	a.events = append(a.events, Resource{ID: "usher", Kind: "AWS::CloudFormation::Stack", Status: after, Token: token})
}

// nextEvents shows two events more, newest first, and ends the operation after
// the last one.
func (a *Account) nextEvents() string {
	a.shown = min(a.shown+2, len(a.events))
	var out strings.Builder
	for i := a.shown - 1; i >= 0; i-- {
		e := a.events[i]
		physical := "physical-" + e.ID
		if e.ID == "usher" {
			physical = stackID
		}
		reason := new(bytes.Buffer)
		_ = xml.EscapeText(reason, []byte(e.Reason))
		fmt.Fprintf(&out, "<member><EventId>%d</EventId><StackId>%s</StackId><StackName>usher</StackName><LogicalResourceId>%s</LogicalResourceId><PhysicalResourceId>%s</PhysicalResourceId><ResourceType>%s</ResourceType><ResourceStatus>%s</ResourceStatus><ResourceStatusReason>%s</ResourceStatusReason><ClientRequestToken>%s</ClientRequestToken><Timestamp>2026-11-01T00:00:00Z</Timestamp></member>",
			i, stackID, e.ID, physical, e.Kind, e.Status, reason, e.Token)
	}
	if a.shown == len(a.events) && a.shown > 0 && a.Status != "" {
		a.Status = a.events[a.shown-1].Status
	}
	return out.String()
}

// json answers Cognito, Service Quotas and CloudTrail.
func (a *Account) json(w http.ResponseWriter, operation string, body []byte) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if a.refused(w, operation, func(code string) string { return `{"__type":"` + code + `","message":"no reason"}` }) {
		return
	}
	var in map[string]any
	if err := json.Unmarshal(body, &in); err != nil {
		a.t.Error(err)
	}
	out := map[string]any{}
	text := func(name string) string { s, _ := in[name].(string); return s }
	switch operation {
	case "GetServiceQuota":
		value, there := a.Quotas[text("QuotaCode")]
		if text("ServiceCode") == "lambda" && text("QuotaCode") == "L-B99A9384" {
			value, there = a.Quota, true
		}
		if !there {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"NoSuchResourceException","message":"x"}`)
			return
		}
		out["Quota"] = map[string]any{"Value": value}
	case "ListUserPools":
		pools := []any{}
		for i, name := range a.Pools {
			pools = append(pools, map[string]any{"Id": fmt.Sprintf("eu-west-1_Pool%d", i), "Name": name})
		}
		out["UserPools"] = pools
	case "DescribeUserPool":
		out["UserPool"] = map[string]any{"Id": text("UserPoolId"), "Domain": "usher-old"}
	case "ListUserPoolClients":
		out["UserPoolClients"] = []any{map[string]any{"ClientName": "native", "ClientId": "n1"}, map[string]any{"ClientName": "sso", "ClientId": "s1"}}
	case "AdminCreateUser":
		if slices.Contains(a.People, text("Username")) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"UsernameExistsException","message":"x"}`)
			return
		}
		a.People = append(a.People, text("Username"))
		if strings.Contains(string(body), "TemporaryPassword") {
			a.t.Error("a password of usher's own")
		}
		out["User"] = map[string]any{"Username": text("Username")}
	case "CreateGroup":
		if _, there := a.Groups[text("GroupName")]; there {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"GroupExistsException","message":"x"}`)
			return
		}
		a.Groups[text("GroupName")] = []string{}
	case "AdminAddUserToGroup":
		g := text("GroupName")
		if !slices.Contains(a.Groups[g], text("Username")) {
			a.Groups[g] = append(a.Groups[g], text("Username"))
		}
	case "ListUsersInGroup":
		users := []any{}
		for _, u := range a.Groups[text("GroupName")] {
			users = append(users, map[string]any{"Username": u})
		}
		out["Users"] = users
	case "ListGroups":
		groups := []any{}
		for g := range a.Groups {
			groups = append(groups, map[string]any{"GroupName": g})
		}
		out["Groups"] = groups
	case "DescribeTrails":
		out["trailList"] = []any{map[string]any{"TrailARN": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/all", "HomeRegion": "eu-west-1"}}
	case "GetEventSelectors":
		out["EventSelectors"] = []any{map[string]any{"ReadWriteType": "All", "DataResources": []any{map[string]any{"Type": "AWS::S3::Object", "Values": []any{a.Trail}}}}}
	default:
		a.t.Errorf("a call of %s", operation)
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		a.t.Error(err)
	}
}

// storage answers S3.
func (a *Account) storage(w http.ResponseWriter, r *http.Request, body []byte) {
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
	policy, there := a.Buckets[bucket]
	switch {
	case r.Method == http.MethodPut && key == "" && query == "":
		a.Buckets[bucket] = ""
	case !there:
		missing("NoSuchBucket")
	case key != "" && r.Method == http.MethodPut:
		a.Objects[bucket+"/"+key] = body
	case key != "":
		if _, found := a.Objects[bucket+"/"+key]; !found {
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
		fmt.Fprint(w, "<BucketLoggingStatus>"+map[bool]string{true: "<LoggingEnabled><TargetBucket>x</TargetBucket><TargetPrefix>y</TargetPrefix></LoggingEnabled>"}[a.Logging]+"</BucketLoggingStatus>")
	case query == "encryption":
		fmt.Fprint(w, "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>arn:aws:kms:eu-central-1:111122223333:key/k</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>")
	}
}

// Calls returns the names of all calls.
func (a *Account) Calls() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}
