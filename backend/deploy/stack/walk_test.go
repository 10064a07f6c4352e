package stack

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// rule is one assertion about a template, with a mutation that breaks it.
type rule struct {
	name   string
	check  func(*Template) error
	mutate func(*Template)
}

// TestTemplate checks each rule on the template, and on the template with the
// rule's own mutation, which it must refuse.
func TestTemplate(t *testing.T) {
	rules := slices.Concat(settings(), references(), permissions(), secrets(), []rule{released()})
	now, caught := current(t), 0
	for _, r := range rules {
		mutated := now.clone()
		if err := r.check(now); err != nil {
			t.Errorf("%s: %v", r.name, err)
		}
		r.mutate(mutated)
		if reflect.DeepEqual(now, mutated) {
			t.Errorf("%s: the mutation changes nothing", r.name)
		}
		if err := r.check(mutated); err == nil {
			t.Errorf("%s: its mutation is accepted", r.name)
			continue
		}
		caught++
	}
	t.Logf("%d/%d mutations are caught", caught, len(rules))
	if caught < 150 {
		t.Errorf("only %d rules", caught)
	}
}

func (t *Template) clone() *Template {
	return &Template{copied(t.Parameters), copied(t.Conditions), copied(t.Resources), copied(t.Outputs)}
}

func copied[T any](node T) T {
	var deep func(n any) any
	deep = func(n any) any {
		switch n := n.(type) {
		case map[string]any:
			out := make(map[string]any, len(n))
			for k, v := range n {
				out[k] = deep(v)
			}
			return out
		case []any:
			out := make([]any, len(n))
			for i, v := range n {
				out[i] = deep(v)
			}
			return out
		}
		return n
	}
	return deep(any(node)).(T)
}

func current(t *testing.T) *Template {
	t.Helper()
	now, err := Current()
	if err != nil {
		t.Fatal(err)
	}
	return now
}

func TestSize(t *testing.T) {
	if n := len(Text()); n >= MaxTemplate {
		t.Errorf("the template has %d bytes, and a call takes %d", n, MaxTemplate)
	}
}

// at is the value of a property by a path with dots; a number is an item of a list.
func at(node any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		if l, ok := node.([]any); ok {
			var i int
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(l) {
				return nil
			}
			node = l[i]
			continue
		}
		node = At(node, strings.ReplaceAll(key, "·", "."))
	}
	return node
}

// is asserts one property of a resource, as JSON. Its mutation removes it.
func is(resource, path, want string) rule {
	return rule{
		name: resource + " " + path,
		check: func(t *Template) error {
			got, err := json.Marshal(at(t.Resources[resource], path))
			if err == nil && string(got) != want {
				err = fmt.Errorf("it is %s, want %s", got, want)
			}
			return err
		},
		mutate: func(t *Template) {
			parent, key := any(t.Resources[resource]), path
			if i := strings.LastIndex(path, "."); i >= 0 {
				parent, key = at(parent, path[:i]), path[i+1:]
			}
			if l, ok := parent.([]any); ok {
				l[0] = "mutated"
				return
			}
			if m, ok := parent.(map[string]any); ok {
				delete(m, strings.ReplaceAll(key, "·", "."))
			}
		},
	}
}

// every asserts properties of several resources: pairs of a path and its JSON.
func every(resources []string, pairs ...string) (out []rule) {
	for _, name := range resources {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, is(name, pairs[i], pairs[i+1]))
		}
	}
	return out
}

func kept() []string {
	return []string{
		"UserPool", "NativeClient", "SsoClient", "DeviceClient", "AdminsPoolGroup", "AuditorsPoolGroup", "LogTable", "IndexTable", "GrantsTable", "StateTable",
		"ArchiveBucket", "AccessLogBucket", "SealKey", "DeadLetters", "ApiLogGroup", "TaskLogGroup", "AccessLogGroup",
	}
}

func publicRoutes() map[string]string {
	return map[string]string{
		"ConfigRoute": "GET /v1/config", "DeviceAuthorizeRoute": "POST /v1/device/authorize", "DeviceTokenRoute": "POST /v1/device/token",
		"DevicePageRoute": "GET /d", "DeviceCodeRoute": "POST /d", "DeviceStepRoute": "GET /d/{proxy+}", "DeviceDecideRoute": "POST /d/{proxy+}", "SignedOutRoute": "GET /signed-out",
	}
}

// settings are the settings of the template, one by one.
func settings() []rule {
	out := every(kept(), "DeletionPolicy", `"RetainExceptOnCreate"`, "UpdateReplacePolicy", `"Retain"`)
	out = append(out, every([]string{"LogTable", "IndexTable", "GrantsTable", "StateTable"},
		"Properties.BillingMode", `"PAY_PER_REQUEST"`,
		"Properties.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled", "true",
		"Properties.DeletionProtectionEnabled", "true",
		"Properties.SSESpecification.SSEEnabled", "true",
		"Properties.SSESpecification.SSEType", `"KMS"`,
		"Properties.TimeToLiveSpecification", `{"AttributeName":"ttl","Enabled":true}`,
		"Properties.StreamSpecification.StreamViewType", `"NEW_AND_OLD_IMAGES"`,
		"Properties.KeySchema", `[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}]`,
	)...)
	out = append(out,
		is("IndexTable", "Properties.TableName", `{"Fn::Sub":"${LogTable}-index"}`),
		is("LogTable", "Properties.ResourcePolicy.PolicyDocument.Statement.0.Effect", `"Deny"`),
		is("LogTable", "Properties.ResourcePolicy.PolicyDocument.Statement.0.Principal", `"*"`),
		is("LogTable", "Properties.ResourcePolicy.PolicyDocument.Statement.0.Action",
			`["dynamodb:UpdateItem","dynamodb:DeleteItem","dynamodb:BatchWriteItem","dynamodb:PartiQLInsert","dynamodb:PartiQLUpdate","dynamodb:PartiQLDelete"]`),
	)
	out = append(out, every([]string{"ArchiveBucket", "AccessLogBucket"},
		"Properties.PublicAccessBlockConfiguration.BlockPublicAcls", "true", "Properties.PublicAccessBlockConfiguration.BlockPublicPolicy", "true",
		"Properties.PublicAccessBlockConfiguration.IgnorePublicAcls", "true", "Properties.PublicAccessBlockConfiguration.RestrictPublicBuckets", "true",
		"Properties.OwnershipControls.Rules", `[{"ObjectOwnership":"BucketOwnerEnforced"}]`,
		"Properties.VersioningConfiguration.Status", `"Enabled"`,
	)...)
	out = append(out, every([]string{"ArchiveBucketPolicy", "AccessLogBucketPolicy"},
		"Properties.PolicyDocument.Statement.0.Effect", `"Deny"`, "Properties.PolicyDocument.Statement.0.Action", `"s3:*"`,
		"Properties.PolicyDocument.Statement.0.Condition", `{"Bool":{"aws:SecureTransport":"false"}}`,
	)...)
	out = append(out,
		is("ArchiveBucket", "Properties.ObjectLockEnabled", "true"),
		is("ArchiveBucket", "Properties.ObjectLockConfiguration.Rule.DefaultRetention.Mode", `{"Ref":"ObjectLockMode"}`),
		is("ArchiveBucket", "Properties.ObjectLockConfiguration.Rule.DefaultRetention.Days", `{"Ref":"ObjectLockDays"}`),
		is("ArchiveBucket", "Properties.LoggingConfiguration.DestinationBucketName", `{"Ref":"AccessLogBucket"}`),
		is("AccessLogBucketPolicy", "Properties.PolicyDocument.Statement.1.Condition.StringEquals", `{"aws:SourceAccount":{"Ref":"AWS::AccountId"}}`),
		without("AccessLogBucket", "ObjectLockConfiguration"), without("AccessLogBucket", "ObjectLockEnabled"),
		is("Archive", "Properties.ExtendedS3DestinationConfiguration.Prefix", `"raw/!{timestamp:yyyy/MM/dd/HH}/"`),
		is("Archive", "Properties.ExtendedS3DestinationConfiguration.BucketARN", `{"Fn::GetAtt":["ArchiveBucket","Arn"]}`),
		is("Archive", "Properties.DeliveryStreamEncryptionConfigurationInput.KeyType", `"AWS_OWNED_CMK"`),
		is("DeadLetters", "Properties.SqsManagedSseEnabled", "true"),
	)
	out = append(out, signIn()...)
	out = append(out, gateway()...)
	out = append(out, functions()...)
	out = append(out, alarms()...)
	return append(out, parameters()...)
}

// without asserts that a property is absent.
func without(resource, name string) rule {
	return rule{
		name: resource + " without " + name,
		check: func(t *Template) error {
			if at(t.Resources[resource], "Properties."+name) != nil {
				return fmt.Errorf("%s has it", resource)
			}
			return nil
		},
		mutate: func(t *Template) { at(t.Resources[resource], "Properties").(map[string]any)[name] = true },
	}
}

func signIn() []rule {
	out := every([]string{"NativeClient", "SsoClient", "DeviceClient"},
		"Properties.GenerateSecret", "false", "Properties.EnableTokenRevocation", "true", "Properties.PreventUserExistenceErrors", `"ENABLED"`,
		"Properties.RefreshTokenRotation.Feature", `"ENABLED"`,
	)
	out = append(out, every([]string{"SsoClient", "DeviceClient"},
		"Properties.AllowedOAuthFlows", `["code"]`, "Properties.AllowedOAuthScopes", `["openid","email"]`, "Properties.AllowedOAuthFlowsUserPoolClient", "true",
		"Properties.RefreshTokenValidity", "12", "Properties.TokenValidityUnits.RefreshToken", `"hours"`,
		"Properties.WriteAttributes", `["email","name","custom:groups"]`,
	)...)
	return append(out,
		is("UserPool", "Properties.UserPoolName", `{"Ref":"AWS::StackName"}`),
		is("UserPool", "Properties.UserPoolTier", `{"Ref":"PoolTier"}`),
		is("UserPool", "Properties.DeletionProtection", `"ACTIVE"`),
		is("UserPool", "Properties.AdminCreateUserConfig.AllowAdminCreateUserOnly", "true"),
		is("UserPool", "Properties.LambdaConfig", `{"Fn::If":["Trigger",{"InboundFederation":{"LambdaArn":{"Fn::GetAtt":["FederationFunction","Arn"]},"LambdaVersion":"V1_0"}},{"Ref":"AWS::NoValue"}]}`),
		is("UserPool", "Properties.Schema", `[{"AttributeDataType":"String","Mutable":true,"Name":"groups","StringAttributeConstraints":{"MaxLength":"2048","MinLength":"0"}}]`),
		is("NativeClient", "Properties.ExplicitAuthFlows", `["ALLOW_USER_SRP_AUTH"]`),
		is("NativeClient", "Properties.WriteAttributes", `["name"]`),
		is("DeviceClient", "Properties.CallbackURLs.0.Fn::Sub.0", `"${Url}/d/callback"`),
		is("SsoClient", "Properties.CallbackURLs", `["http://127.0.0.1:17851/callback","http://127.0.0.1:17963/callback","http://127.0.0.1:18077/callback","http://127.0.0.1:18191/callback","http://127.0.0.1:18329/callback","http://127.0.0.1:18443/callback","http://127.0.0.1:18587/callback","http://127.0.0.1:18719/callback"]`),
		is("SignInDomain", "Properties.ManagedLoginVersion", "2"),
		is("ApiFunction", "Properties.Environment.Variables.USHER_HOSTED_UI.Fn::If.1.Fn::Sub.1.Fips", `{"Fn::If":["Gov","-fips",""]}`),
		is("SsoBranding", "Properties.UseCognitoProvidedValues", "true"),
		is("DeviceBranding", "Properties.UseCognitoProvidedValues", "true"),
		is("CompanyProvider", "Properties.ProviderType", `{"Fn::If":["Saml","SAML","OIDC"]}`),
		is("CompanyProvider", "Properties.AttributeMapping.custom:groups", `"custom:groups"`),
		is("FederationPermission", "Properties.SourceAccount", `{"Ref":"AWS::AccountId"}`),
	)
}

func gateway() []rule {
	out := []rule{
		is("Api", "Properties.ProtocolType", `"HTTP"`),
		is("Api", "Properties.DisableExecuteApiEndpoint", `{"Fn::If":["OwnDomain",true,false]}`),
		is("ApiIntegration", "Properties.PayloadFormatVersion", `"2.0"`),
		is("ApiAuthorizer", "Properties.AuthorizerType", `"JWT"`),
		is("ApiAuthorizer", "Properties.IdentitySource", `["$request.header.Authorization"]`),
		is("VerbsRoute", "Properties.AuthorizationType", `"JWT"`),
		is("VerbsRoute", "Properties.AuthorizationScopes", `["aws.cognito.signin.user.admin","openid"]`),
		is("ApiStage", "Properties.DefaultRouteSettings.ThrottlingRateLimit", `{"Ref":"RequestRate"}`),
		is("ApiStage", "Properties.DefaultRouteSettings.ThrottlingBurstLimit", `{"Ref":"RequestRate"}`),
		is("ApiStage", "Properties.AccessLogSettings.DestinationArn", `{"Fn::GetAtt":["AccessLogGroup","Arn"]}`),
		is("ApiDomain", "Properties.DomainNameConfigurations.0.SecurityPolicy", `"TLS_1_2"`),
		{
			name: "every route has a token with scopes, or is public with a throttle of its own",
			check: func(t *Template) error {
				for name, r := range t.Resources {
					if At(r, "Type") != "AWS::ApiGatewayV2::Route" || name == "VerbsRoute" {
						continue
					}
					key, _ := at(r, "Properties.RouteKey").(string)
					if publicRoutes()[name] != key || at(t.Resources["ApiStage"], "Properties.RouteSettings."+key+".ThrottlingRateLimit") == nil {
						return fmt.Errorf("%s %q is open", name, key)
					}
				}
				return nil
			},
			mutate: func(t *Template) {
				t.Resources["Open"] = map[string]any{"Type": "AWS::ApiGatewayV2::Route", "Properties": map[string]any{"RouteKey": "$default"}}
			},
		},
		{
			name: "the access log has no path, no header and no query",
			check: func(t *Template) error {
				format, _ := at(t.Resources["ApiStage"], "Properties.AccessLogSettings.Format").(string)
				for _, word := range []string{"path", "Path", "header", "query", "authorization"} {
					if strings.Contains(format, word) || format == "" {
						return fmt.Errorf("its format is %s", format)
					}
				}
				return nil
			},
			mutate: func(t *Template) {
				at(t.Resources["ApiStage"], "Properties.AccessLogSettings").(map[string]any)["Format"] = "$context.path"
			},
		},
	}
	for name, key := range publicRoutes() {
		out = append(out, is(name, "Properties.RouteKey", string(must(json.Marshal(key)))), is("ApiStage", "Properties.RouteSettings."+key+".ThrottlingBurstLimit", burst(key)))
	}
	return out
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func burst(route string) string {
	return map[string]string{"GET /v1/config": "40", "POST /v1/device/authorize": "10", "POST /v1/device/token": "100"}[route] + map[bool]string{true: "20"}[!strings.Contains(route, "/v1/")]
}

func functions() []rule {
	all := []string{"ApiFunction", "StreamFunction", "SealFunction", "FederationFunction"}
	out := every(all, "Properties.Runtime", `"provided.al2023"`, "Properties.Architectures", `[{"Ref":"Architecture"}]`,
		"Properties.Code", `{"S3Bucket":{"Ref":"CodeBucket"},"S3Key":{"Ref":"CodeKey"}}`, "Properties.LoggingConfig.LogFormat", `"JSON"`)
	out = append(out, every([]string{"ApiRole", "ReaderRole", "StreamRole", "SealRole", "FederationRole", "ArchiveRole"},
		"Properties.PermissionsBoundary", `{"Fn::If":["Boundary",{"Ref":"PermissionsBoundaryArn"},{"Ref":"AWS::NoValue"}]}`)...)
	out = append(out, every([]string{"ApiLogGroup", "TaskLogGroup", "AccessLogGroup"}, "Properties.RetentionInDays", `{"Ref":"LogDays"}`)...)
	return append(out,
		is("ApiFunction", "Properties.ReservedConcurrentExecutions", `{"Fn::If":["Reserved",{"Ref":"ReservedConcurrency"},{"Ref":"AWS::NoValue"}]}`),
		is("ApiFunction", "Properties.Timeout", "30"),
		is("StreamFunction", "Properties.Environment.Variables.USHER_TASK", `"stream"`), is("StreamFunction", "Properties.Timeout", "60"),
		is("SealFunction", "Properties.Environment.Variables.USHER_TASK", `"seal"`), is("SealFunction", "Properties.Timeout", "55"),
		is("FederationFunction", "Properties.Environment.Variables.USHER_TASK", `"federation"`), is("FederationFunction", "Properties.Timeout", "5"),
		is("StreamSource", "Properties.StartingPosition", `"TRIM_HORIZON"`),
		is("StreamSource", "Properties.FunctionResponseTypes", `["ReportBatchItemFailures"]`),
		is("StreamSource", "Properties.BisectBatchOnFunctionError", "true"),
		is("StreamSource", "Properties.DestinationConfig.OnFailure.Destination", `{"Fn::GetAtt":["DeadLetters","Arn"]}`),
		is("SealSchedule", "Properties.ScheduleExpression", `"rate(1 minute)"`),
		is("StreamSchedule", "Properties.ScheduleExpression", `"rate(5 minutes)"`),
		is("SealKey", "Properties.KeySpec", `"ECC_NIST_EDWARDS25519"`),
		is("SealKey", "Properties.KeyUsage", `"SIGN_VERIFY"`),
		is("SealKey", "Properties.KeyPolicy.Statement.1.Condition.StringEquals", `{"kms:MessageType":"RAW","kms:SigningAlgorithm":"ED25519_SHA_512"}`),
		is("ReaderRole", "Properties.AssumeRolePolicyDocument.Statement.0.Principal", `{"AWS":{"Fn::GetAtt":["ApiRole","Arn"]}}`),
		is("ReaderPolicy", "Properties.PolicyDocument.Statement.0.Resource", `{"Fn::GetAtt":["ReaderRole","Arn"]}`),
		is("ArchiveRole", "Properties.AssumeRolePolicyDocument.Statement.0.Condition", `{"StringEquals":{"sts:ExternalId":{"Ref":"AWS::AccountId"}}}`),
	)
}

func alarms() []rule {
	out := []rule{
		is("AuditFailures", "Properties.FilterPattern", `"{ $.code = \"audit_unavailable\" }"`),
		is("Tampering", "Properties.FilterPattern", `"{ $.alarm = \"tampering\" }"`),
		is("SealFailures", "Properties.FilterPattern", `"{ $.alarm = \"seal\" }"`),
		is("ArchiveFailures", "Properties.FilterPattern", `"{ $.alarm = \"archive\" }"`),
		is("Denials", "Properties.FilterPattern", `"{ $.denied \u003e 0 }"`),
		is("AuditFailureAlarm", "Properties.Threshold", "1"), is("TamperingAlarm", "Properties.Threshold", "1"), is("DenialSpikeAlarm", "Properties.Threshold", "200"),
		is("IteratorAgeAlarm", "Properties.Threshold", "3600000"), is("IteratorAgeAlarm", "Properties.Dimensions.0.Value", `{"Ref":"StreamFunction"}`),
		is("SealStoppedAlarm", "Properties.TreatMissingData", `"breaching"`),
		is("DeadLetterAlarm", "Properties.Threshold", "1"),
		is("ErrorsAlarm", "Properties.Metrics.0.Expression", `"SUM(METRICS())"`), is("ThrottlesAlarm", "Properties.Metrics.0.Expression", `"SUM(METRICS())"`),
		is("UserReadQuotaAlarm", "Properties.Threshold", "70"), is("UserResourceReadQuotaAlarm", "Properties.Threshold", "70"),
		is("UserReadQuotaAlarm", "Properties.Metrics.0.Expression", `"100 * (calls / PERIOD(calls)) / SERVICE_QUOTA(calls)"`),
	}
	names := []string{"AuditFailureAlarm", "TamperingAlarm", "SealFailureAlarm", "ArchiveFailureAlarm", "DenialSpikeAlarm", "IteratorAgeAlarm", "DeadLetterAlarm", "SealStoppedAlarm", "ErrorsAlarm", "ThrottlesAlarm", "UserReadQuotaAlarm", "UserResourceReadQuotaAlarm"}
	return append(out, every(names, "Properties.AlarmActions", `[{"Ref":"Alarms"}]`)...)
}

// parameters are the defaults of the parameters.
func parameters() []rule {
	var out []rule
	for name, want := range map[string]any{
		"PoolTier": "ESSENTIALS", "ReservedConcurrency": uint64(0), "ObjectLockMode": "GOVERNANCE", "ExistingUserPoolId": "", "PermissionsBoundaryArn": "",
		"DomainName": "", "CertificateArn": "", "StoreKeyArn": "", "DataKeyArns": "", "FederatedGroups": "", "SamlMetadataUrl": "", "OidcIssuer": "", "LogDays": uint64(90), "AuditDays": uint64(400),
	} {
		out = append(out, rule{
			name: "parameter " + name,
			check: func(t *Template) error {
				if got, ok := At(t.Parameters[name], "Default"), t.Parameters[name] != nil; !ok || got != want {
					return fmt.Errorf("its default is %v (%T), want %v", got, got, want)
				}
				return nil
			},
			mutate: func(t *Template) { t.Parameters[name] = map[string]any{"Default": "mutated"} },
		})
	}
	return append(out, rule{
		name: "only the program and the buckets have no default",
		check: func(t *Template) error {
			needed := slices.DeleteFunc(slices.Sorted(maps.Keys(t.Parameters)), func(p string) bool { return At(t.Parameters[p], "Default") != nil })
			if want := []string{"BucketArns", "CodeBucket", "CodeKey", "ObjectArns"}; !slices.Equal(needed, want) {
				return fmt.Errorf("%q have no default", needed)
			}
			return nil
		},
		mutate: func(t *Template) { t.Parameters["One"] = map[string]any{"Type": "String"} },
	})
}
