package deploy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"usher/backend/deploy"
	"usher/backend/deploy/deploytest"
	"usher/backend/deploy/stack"
)

// Resources of the policy in docs/deploy.md.
const (
	stackARN  = "arn:aws:cloudformation:eu-west-1:111122223333:stack/usher/1"
	codeARN   = "arn:aws:s3:::usher-code-111122223333-eu-west-1"
	bucketARN = "arn:aws:s3:::company-reports"
	poolARN   = "arn:aws:cognito-idp:eu-west-1:111122223333:userpool/eu-west-1_AbCdEfGhI"
)

// needed returns the permission of each call that a deployment makes, with its
// resource, by the name of the call in deploytest.
func needed() map[string][2]string {
	out := map[string][2]string{
		"ListStacks": {"cloudformation:ListStacks", "*"}, "GetServiceQuota": {"servicequotas:GetServiceQuota", "*"},
		"DescribeTrails": {"cloudtrail:DescribeTrails", "*"}, "GetEventSelectors": {"cloudtrail:GetEventSelectors", "*"}, "ListUserPools": {"cognito-idp:ListUserPools", "*"},
		"S3 HEAD bucket": {"s3:ListBucket", bucketARN}, "S3 GET location": {"s3:GetBucketLocation", bucketARN}, "S3 GET publicAccessBlock": {"s3:GetBucketPublicAccessBlock", bucketARN},
		"S3 GET policy": {"s3:GetBucketPolicy", bucketARN}, "S3 GET logging": {"s3:GetBucketLogging", bucketARN}, "S3 GET encryption": {"s3:GetEncryptionConfiguration", bucketARN},
		"S3 PUT bucket": {"s3:CreateBucket", codeARN}, "S3 PUT publicAccessBlock": {"s3:PutBucketPublicAccessBlock", codeARN}, "S3 PUT versioning": {"s3:PutBucketVersioning", codeARN},
		"S3 HEAD object": {"s3:GetObject", codeARN + "/usher/1.zip"}, "S3 PUT object": {"s3:PutObject", codeARN + "/usher/1.zip"},
		"GetCallerIdentity": {}, // SPEC: STS API reference: no permission is needed
	}
	for _, call := range []string{"DescribeStacks", "DescribeStackEvents", "ListStackResources", "CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "DeleteChangeSet", "ContinueUpdateRollback", "DeleteStack"} {
		out[call] = [2]string{"cloudformation:" + call, stackARN}
	}
	for _, call := range []string{"DescribeUserPool", "ListUserPoolClients", "AdminCreateUser", "CreateGroup", "AdminAddUserToGroup", "ListUsersInGroup", "ListGroups"} {
		out[call] = [2]string{"cognito-idp:" + call, poolARN}
	}
	return out
}

// byCloudFormation are the permissions that CloudFormation uses in the name of the
// person, by the type of the resource. Those of services with an action that ends in
// * are whole.
//
// SPEC: handlers of the resource schemas.
func byCloudFormation() map[string][]string {
	role := []string{"iam:CreateRole", "iam:DeleteRole", "iam:GetRole", "iam:PassRole", "iam:UpdateAssumeRolePolicy", "iam:PutRolePolicy", "iam:GetRolePolicy", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary"}
	gateway := []string{"apigateway:*", "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies"}
	cognito := []string{"cognito-idp:*", "cognito-idp:CreateUserPool", "cognito-idp:DescribeUserPoolDomain"}
	bucket := []string{"s3:CreateBucket", "s3:DeleteBucket", "s3:Get*", "s3:PutBucketVersioning", "s3:PutBucketPublicAccessBlock", "s3:PutEncryptionConfiguration", "s3:PutBucketObjectLockConfiguration", "s3:PutBucketOwnershipControls", "s3:PutBucketLogging"}
	function := []string{"lambda:*", "iam:PassRole", "s3:Get*"}
	return map[string][]string{
		"AWS::ApiGatewayV2::Api": gateway, "AWS::ApiGatewayV2::ApiMapping": gateway, "AWS::ApiGatewayV2::Authorizer": gateway, "AWS::ApiGatewayV2::DomainName": gateway,
		"AWS::ApiGatewayV2::Integration": gateway, "AWS::ApiGatewayV2::Route": gateway, "AWS::ApiGatewayV2::Stage": gateway,
		"AWS::CloudWatch::Alarm": {"cloudwatch:*"}, "AWS::Events::Rule": {"events:*"}, "AWS::SNS::Topic": {"sns:*"}, "AWS::SNS::Subscription": {"sns:*"}, "AWS::SQS::Queue": {"sqs:*"},
		"AWS::Cognito::ManagedLoginBranding": cognito, "AWS::Cognito::UserPool": append(slices.Clone(cognito), "lambda:*"), "AWS::Cognito::UserPoolClient": cognito,
		"AWS::Cognito::UserPoolDomain": cognito, "AWS::Cognito::UserPoolGroup": cognito, "AWS::Cognito::UserPoolIdentityProvider": cognito,
		"AWS::DynamoDB::Table": {"dynamodb:*", "kms:DescribeKey"}, "AWS::KinesisFirehose::DeliveryStream": {"firehose:*", "iam:PassRole"},
		"AWS::IAM::Role": role, "AWS::IAM::Policy": role,
		"AWS::KMS::Key":                   {"kms:CreateKey", "kms:TagResource", "kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy", "kms:ListResourceTags", "kms:GetKeyRotationStatus", "kms:ScheduleKeyDeletion"},
		"AWS::Lambda::Function":           function,
		"AWS::Lambda::Permission":         function,
		"AWS::Lambda::EventSourceMapping": {"lambda:CreateEventSourceMapping", "lambda:ListEventSourceMappings", "lambda:*"},
		"AWS::Logs::LogGroup":             {"logs:*", "logs:DescribeLogGroups"},
		"AWS::Logs::MetricFilter":         {"logs:*"},
		"AWS::S3::Bucket":                 bucket,
		"AWS::S3::BucketPolicy":           {"s3:PutBucketPolicy", "s3:Get*", "s3:DeleteBucketPolicy"},
	}
}

// allowed is a policy: pairs of an action and a resource.
type allowed [][2]string

func (p allowed) allows(action, resource string) bool {
	return slices.ContainsFunc(p, func(a [2]string) bool {
		actions, err := path.Match(a[0], action)
		if err != nil {
			return false
		}
		resources, err := path.Match(strings.ReplaceAll(a[1], "/", "|"), strings.ReplaceAll(resource, "/", "|"))
		return err == nil && actions && (resources || a[1] == "*")
	})
}

// documented reads the policy of docs/deploy.md.
func documented(t *testing.T) (allowed, string) {
	t.Helper()
	raw, err := os.ReadFile("../../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(raw), "## The policy of the person who deploys")
	_, text, _ := strings.Cut(section, "```json\n")
	text, _, _ = strings.Cut(text, "```")
	var policy struct {
		Statement []struct {
			Effect           string
			Action, Resource any
		}
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil || len(policy.Statement) < 5 {
		t.Fatalf("the policy of docs/deploy.md: %v", err)
	}
	list := func(v any) (out []string) {
		if s, ok := v.(string); ok {
			return []string{s}
		}
		for _, item := range v.([]any) {
			out = append(out, fmt.Sprint(item))
		}
		return out
	}
	var all allowed
	for _, s := range policy.Statement {
		for _, a := range list(s.Action) {
			for _, r := range list(s.Resource) {
				all = append(all, [2]string{a, r})
			}
		}
	}
	return all, section
}

// played makes each call of a deployment at least once, and returns their names.
func played(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	play := func(setup func(a *deploytest.Account, p *person), run func(d *deploy.Deployer) error) {
		a, p := deploytest.New(t), &person{answers: four()}
		setup(a, p)
		_ = run(deployer(t, a, p)) // other tests check its result
		for _, c := range a.Calls() {
			out[c] = true
		}
	}
	deployed := func(d *deploy.Deployer) error {
		_, err := d.Deploy(t.Context(), deploy.Options{Program: bundle(t, arm), Region: "eu-west-1"})
		return err
	}
	play(func(*deploytest.Account, *person) {}, deployed)
	play(func(_ *deploytest.Account, p *person) { p.answers["Deploy these changes"] = "no" }, deployed)
	play(func(a *deploytest.Account, _ *person) { a.Pools = []string{"usher"} }, deployed)
	play(func(a *deploytest.Account, _ *person) { a.Left, a.Before = deploytest.Whole(), map[string]string{} }, deployed)
	play(func(a *deploytest.Account, _ *person) {
		a.Status, a.Begin, a.After = "UPDATE_ROLLBACK_FAILED", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"
	}, deployed)
	play(func(a *deploytest.Account, _ *person) {
		a.Status, a.Params["BucketArns"] = "CREATE_COMPLETE", bucketARN
	}, deployed)
	play(func(a *deploytest.Account, _ *person) {
		a.Status, a.Params["BucketArns"] = "CREATE_COMPLETE", bucketARN
	}, func(d *deploy.Deployer) error {
		_, err := d.Check(t.Context(), deploy.Options{Region: "eu-west-1"})
		return err
	})
	play(func(a *deploytest.Account, p *person) {
		a.Status, p.answers["Type the name"] = "CREATE_COMPLETE", "usher"
	}, func(d *deploy.Deployer) error {
		return d.Delete(t.Context(), deploy.Options{Region: "eu-west-1"})
	})
	return out
}

// The policy of docs/deploy.md allows the calls of a deployment and those that
// CloudFormation makes for the resources of the template, and no others.
func TestPolicyOfTheDeployer(t *testing.T) {
	policy, _ := documented(t)
	calls, need := played(t), needed()
	checked := 0
	for _, call := range slices.Sorted(maps.Keys(calls)) {
		n, known := need[call]
		if !known {
			t.Errorf("the permission of the call %s is not listed", call)
			continue
		}
		if n[0] == "" {
			continue
		}
		if !policy.allows(n[0], n[1]) {
			t.Errorf("docs/deploy.md does not allow %s on %s", n[0], n[1])
		}
		// Control: without its action, the policy refuses the call.
		without := slices.DeleteFunc(slices.Clone(policy), func(a [2]string) bool { ok, _ := path.Match(a[0], n[0]); return ok })
		if without.allows(n[0], n[1]) {
			t.Errorf("%s is allowed without its action", n[0])
		}
		checked++
	}
	for call := range need {
		if !calls[call] {
			t.Errorf("no deployment makes the call %s", call)
		}
	}
	t.Logf("%d calls of %d are allowed, each by its own action", checked, len(calls))

	now, err := stack.Current()
	if err != nil {
		t.Fatal(err)
	}
	uses := map[string]bool{}
	for name, r := range now.Resources {
		kind, _ := stack.At(r, "Type").(string)
		actions, known := byCloudFormation()[kind]
		if !known {
			t.Errorf("the permissions for %s of type %s are not listed", name, kind)
		}
		for _, action := range actions {
			uses[action] = true
			if !slices.ContainsFunc(policy, func(a [2]string) bool { return a[0] == action }) {
				t.Errorf("docs/deploy.md does not allow %s for a %s", action, kind)
			}
		}
	}
	for _, n := range need {
		uses[n[0]] = true
	}
	for _, a := range policy {
		if !uses[a[0]] {
			t.Errorf("nothing needs %s on %s", a[0], a[1])
		}
	}
}

// Each call in the source is played above, so no permission can be forgotten. The
// calls of usher users are those that docs/deploy.md lists.
func TestCallsOfTheSource(t *testing.T) {
	form := regexp.MustCompile(`(cloudformation|s3|sts|cognito|cognitoidentityprovider|servicequotas|cloudtrail)\.([A-Za-z]+)Input\{`)
	source := func(pattern string) map[string]bool {
		out := map[string]bool{}
		files, err := os.ReadDir(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
				continue
			}
			raw, err := os.ReadFile(path.Join(pattern, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range form.FindAllStringSubmatch(string(raw), -1) {
				if m[1] != "s3" { // their names in deploytest are those of HTTP
					out[m[2]] = true
				}
			}
		}
		return out
	}
	calls := played(t)
	for call := range source(".") {
		if !calls[call] {
			t.Errorf("no deployment of the tests makes the call %s", call)
		}
	}
	_, section := documented(t)
	_, listed, _ := strings.Cut(section, "calls of `usher users` on the pool: ")
	listed, _, _ = strings.Cut(listed, ".\n")
	var names []string
	for _, m := range regexp.MustCompile("`([A-Za-z]+)`").FindAllStringSubmatch(listed, -1) {
		names = append(names, m[1])
	}
	if want := slices.Sorted(maps.Keys(source("people"))); !slices.Equal(slices.Sorted(slices.Values(names)), want) {
		t.Errorf("docs/deploy.md lists %q, usher users calls %q", names, want)
	}
}
