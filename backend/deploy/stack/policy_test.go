package stack

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// visit calls f for each map in a tree, with its path.
func visit(node any, path string, f func(path string, m map[string]any) error) error {
	switch n := node.(type) {
	case map[string]any:
		if err := f(path, n); err != nil {
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(n)) {
			if err := visit(n[key], path+"/"+key, f); err != nil {
				return err
			}
		}
	case []any:
		for i, item := range n {
			if err := visit(item, fmt.Sprintf("%s/%d", path, i), f); err != nil {
				return err
			}
		}
	}
	return nil
}

func sections(t *Template) map[string]any {
	return map[string]any{"Conditions": t.Conditions, "Resources": t.Resources, "Outputs": t.Outputs}
}

func pseudo(name string) bool {
	return slices.Contains([]string{"AWS::AccountId", "AWS::NoValue", "AWS::Partition", "AWS::Region", "AWS::StackId", "AWS::StackName", "AWS::URLSuffix"}, name)
}

// attributes are the attributes that the template may use, by type.
func attributes() map[string][]string {
	return map[string][]string{
		"AWS::ApiGatewayV2::Api": {"ApiEndpoint"}, "AWS::ApiGatewayV2::DomainName": {"RegionalDomainName"},
		"AWS::DynamoDB::Table": {"Arn", "StreamArn"}, "AWS::Events::Rule": {"Arn"}, "AWS::IAM::Role": {"Arn"}, "AWS::KinesisFirehose::DeliveryStream": {"Arn"},
		"AWS::KMS::Key": {"Arn"}, "AWS::Lambda::Function": {"Arn"}, "AWS::Logs::LogGroup": {"Arn"}, "AWS::S3::Bucket": {"Arn"}, "AWS::SQS::Queue": {"Arn", "QueueName"},
	}
}

// refers checks one name with an optional attribute.
func refers(t *Template, name string) error {
	id, attribute, dotted := strings.Cut(name, ".")
	switch r, resource := t.Resources[id]; {
	case dotted && (!resource || !slices.Contains(attributes()[fmt.Sprint(At(r, "Type"))], attribute)):
		return fmt.Errorf("%s does not resolve", name)
	case !dotted && !resource && t.Parameters[id] == nil && !pseudo(id):
		return fmt.Errorf("%s does not resolve", name)
	}
	return nil
}

func resolves(t *Template) error {
	return visit(sections(t), "", func(path string, m map[string]any) error {
		for key, arg := range m {
			var err error
			args, _ := arg.([]any)
			switch key {
			case "Ref":
				err = refers(t, fmt.Sprint(arg))
			case "Fn::GetAtt":
				err = refers(t, fmt.Sprintf("%v.%v", args[0], args[1]))
			case "Fn::Sub":
				text, own := arg, map[string]any{}
				if len(args) == 2 {
					text = args[0]
					own, _ = args[1].(map[string]any)
				}
				Variables(fmt.Sprint(text), func(name string) string {
					if own[name] == nil && err == nil {
						err = refers(t, name)
					}
					return ""
				})
			case "Fn::If":
				if t.Conditions[fmt.Sprint(args[0])] == nil {
					err = fmt.Errorf("there is no condition %v", args[0])
				}
			case "Condition":
				if name, ok := arg.(string); ok && t.Conditions[name] == nil {
					err = fmt.Errorf("there is no condition %s", name)
				}
			case "DependsOn":
				for _, name := range append(args, arg) {
					if s, ok := name.(string); ok && t.Resources[s] == nil {
						err = fmt.Errorf("there is no resource %s", s)
					}
				}
			}
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		return nil
	})
}

func references() []rule {
	mutation := func(name string, f func(t *Template)) rule { return rule{name, resolves, f} }
	output := func(t *Template, value any) { t.Outputs["Mutated"] = map[string]any{"Value": value} }
	return []rule{
		mutation("every Ref resolves", func(t *Template) { output(t, map[string]any{"Ref": "Nothing"}) }),
		mutation("every GetAtt resolves", func(t *Template) { output(t, map[string]any{"Fn::GetAtt": []any{"Nothing", "Arn"}}) }),
		mutation("every attribute exists", func(t *Template) { output(t, map[string]any{"Fn::GetAtt": []any{"LogTable", "Name"}}) }),
		mutation("every Sub resolves", func(t *Template) { output(t, map[string]any{"Fn::Sub": "${Nothing}"}) }),
		mutation("every attribute of a Sub exists", func(t *Template) { output(t, map[string]any{"Fn::Sub": "${LogTable.Nothing}"}) }),
		mutation("every condition exists", func(t *Template) { delete(t.Conditions, "Groups") }),
		mutation("every dependency exists", func(t *Template) { delete(t.Resources, "ApiStage") }),
		{"every parameter is used", used, func(t *Template) { t.Parameters["Unused"] = map[string]any{"Type": "String", "Default": ""} }},
		{"no ARN names a partition", func(t *Template) error {
			return texts(t, func(s string) bool { return !strings.Contains(s, "arn:aws") })
		}, func(t *Template) { output(t, "arn:aws:s3:::bucket") }},
		// SPEC: IAM user guide: the principal of a service ends in amazonaws.com in each partition.
		{"no address names the domain of a partition", func(t *Template) error {
			principal := regexp.MustCompile(`^[a-z0-9-]+(\.s3)?\.amazonaws\.com$`)
			return texts(t, func(s string) bool { return !strings.Contains(s, "amazonaws.com") || principal.MatchString(s) })
		}, func(t *Template) { output(t, map[string]any{"Fn::Sub": "https://s3.${AWS::Region}.amazonaws.com"}) }},
		{"no resource with data has a fixed name", unnamed, func(t *Template) {
			at(t.Resources["GrantsTable"], "Properties").(map[string]any)["TableName"] = "usher-grants"
		}},
	}
}

// used refuses a parameter that nothing refers to.
func used(t *Template) error {
	seen := map[string]bool{}
	err := visit(sections(t), "", func(_ string, m map[string]any) error {
		if name, ok := m["Ref"].(string); ok {
			seen[name] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := texts(t, func(s string) bool { Variables(s, func(n string) string { seen[n] = true; return "" }); return true }); err != nil {
		return err
	}
	for name := range t.Parameters {
		if !seen[name] {
			return fmt.Errorf("%s is not used", name)
		}
	}
	return nil
}

// texts refuses the first text for which ok is false.
func texts(t *Template, ok func(s string) bool) error {
	var walk func(node any) error
	walk = func(node any) error {
		switch n := node.(type) {
		case string:
			if !ok(n) {
				return fmt.Errorf("%q", n)
			}
		case map[string]any:
			for _, v := range n {
				if err := walk(v); err != nil {
					return err
				}
			}
		case []any:
			for _, v := range n {
				if err := walk(v); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return walk(sections(t))
}

func unnamed(t *Template) error {
	for name, r := range t.Resources {
		for _, property := range []string{"TableName", "BucketName", "UserPoolName", "LogGroupName", "QueueName", "RoleName", "FunctionName", "DeliveryStreamName"} {
			v := at(r, "Properties."+property)
			_, fixed := v.(string)
			if fixed {
				return fmt.Errorf("%s has the name %v", name, v)
			}
		}
	}
	return nil
}

// statement is a statement of a policy.
type statement struct {
	path string
	m    map[string]any
}

func statements(t *Template) []statement {
	var out []statement
	_ = visit(map[string]any(t.Resources), "", func(path string, m map[string]any) error {
		if m["Effect"] != nil {
			out = append(out, statement{path, m})
		}
		return nil
	})
	return out
}

func all(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

// starred reports whether a principal is everyone.
func starred(v any) bool {
	if m, ok := v.(map[string]any); ok {
		return slices.ContainsFunc(slices.Collect(maps.Values(m)), starred)
	}
	return slices.Contains(all(v), any("*"))
}

func permissions() []rule {
	statementRule := func(name string, bad func(s statement) bool, mutation map[string]any) rule {
		return rule{name, func(t *Template) error {
			found := statements(t)
			if len(found) < 25 {
				return fmt.Errorf("only %d statements are found", len(found))
			}
			for _, s := range found {
				if bad(s) {
					return fmt.Errorf("%s: %v", s.path, s.m)
				}
			}
			return nil
		}, func(t *Template) {
			list := at(t.Resources["ApiRole"], "Properties.Policies.0.PolicyDocument").(map[string]any)
			list["Statement"] = append(list["Statement"].([]any), mutation)
		}}
	}
	allows := func(s statement) bool { return s.m["Effect"] == "Allow" }
	has := func(s statement, actions ...string) bool {
		return slices.ContainsFunc(all(s.m["Action"]), func(a any) bool { return slices.Contains(actions, fmt.Sprint(a)) })
	}
	allow := func(action string, resource any) map[string]any {
		return map[string]any{"Effect": "Allow", "Action": []any{action}, "Resource": resource}
	}
	return []rule{
		statementRule("no statement allows an action with *", func(s statement) bool {
			return allows(s) && slices.ContainsFunc(all(s.m["Action"]), func(a any) bool { return strings.Contains(fmt.Sprint(a), "*") })
		}, allow("s3:*", "x")),
		statementRule("no statement has NotAction, NotPrincipal or NotResource", func(s statement) bool {
			return s.m["NotAction"] != nil || s.m["NotPrincipal"] != nil || s.m["NotResource"] != nil
		}, map[string]any{"Effect": "Allow", "NotAction": "x"}),
		statementRule("no statement allows everyone without a condition", func(s statement) bool {
			return allows(s) && starred(s.m["Principal"]) && s.m["Condition"] == nil
		}, map[string]any{"Effect": "Allow", "Principal": map[string]any{"AWS": "*"}, "Action": "s3:GetObject"}),
		// ListStreams has no resource, and the policy of a key applies to that key.
		statementRule("no statement of a role allows all resources", func(s statement) bool {
			return allows(s) && slices.Contains(all(s.m["Resource"]), any("*")) && !has(s, "dynamodb:ListStreams") && !strings.HasPrefix(s.path, "/SealKey/")
		}, allow("s3:GetObject", "*")),
		statementRule("only the seal function signs", func(s statement) bool {
			return allows(s) && has(s, "kms:Sign") && !reflect.DeepEqual(s.m["Principal"], map[string]any{"AWS": map[string]any{"Fn::GetAtt": []any{"SealRole", "Arn"}}})
		}, allow("kms:Sign", "x")),
		statementRule("no role changes an event", func(s statement) bool {
			return allows(s) && strings.Contains(fmt.Sprint(s.m["Resource"]), "LogTable Arn") && has(s, "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem")
		}, allow("dynamodb:DeleteItem", map[string]any{"Fn::GetAtt": []any{"LogTable", "Arn"}})),
		statementRule("no role shortens a retention", func(s statement) bool {
			return allows(s) && has(s, "s3:PutObjectRetention", "s3:BypassGovernanceRetention", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutBucketObjectLockConfiguration")
		}, allow("s3:PutObjectRetention", "x")),
		statementRule("only the reader role reads the buckets of people", func(s statement) bool {
			return allows(s) && strings.Contains(fmt.Sprint(s.m["Resource"]), "ObjectArns") && !strings.HasPrefix(s.path, "/ReaderRole/")
		}, allow("s3:GetObject", map[string]any{"Ref": "ObjectArns"})),
	}
}

// secrets refuses secrets in parameters, outputs, environment and logs.
func secrets() []rule {
	words := []string{"password", "secret", "token", "cursor_key", "private"}
	suspicious := func(name string) bool {
		lower := strings.ToLower(name)
		return lower != "usher_sign_in_password" && slices.ContainsFunc(words, func(w string) bool { return strings.Contains(lower, w) })
	}
	names := func(section func(t *Template) map[string]any) func(t *Template) error {
		return func(t *Template) error {
			for name := range section(t) {
				if suspicious(name) {
					return fmt.Errorf("%s may be a secret", name)
				}
			}
			return nil
		}
	}
	environment := func(t *Template) map[string]any {
		out := map[string]any{}
		for _, r := range t.Resources {
			if v, ok := at(r, "Properties.Environment.Variables").(map[string]any); ok {
				maps.Copy(out, v)
			}
		}
		return out
	}
	variables := func(t *Template) map[string]any {
		return at(t.Resources["ApiFunction"], "Properties.Environment.Variables").(map[string]any)
	}
	return []rule{
		{"no secret in parameters", names(func(t *Template) map[string]any { return t.Parameters }), func(t *Template) { t.Parameters["OidcClientSecret"] = map[string]any{} }},
		{"no secret in outputs", names(func(t *Template) map[string]any { return t.Outputs }), func(t *Template) { t.Outputs["AdminPassword"] = map[string]any{} }},
		{"no secret in the environment", names(environment), func(t *Template) { variables(t)["USHER_CURSOR_KEYS"] = "x" }},
		{"the password policy is no password", func(t *Template) error {
			if s := fmt.Sprint(variables(t)["USHER_SIGN_IN_PASSWORD"]); !strings.Contains(s, "length: 12") {
				return fmt.Errorf("it is %s", s)
			}
			return nil
		}, func(t *Template) { variables(t)["USHER_SIGN_IN_PASSWORD"] = "x" }},
		{"the secret of a provider stays in its store", func(t *Template) error {
			return visit(map[string]any(t.Resources), "", func(path string, m map[string]any) error {
				if v, ok := m["client_secret"]; ok && !strings.HasPrefix(fmt.Sprint(At(v, "Fn::Sub")), "{{resolve:secretsmanager:${") {
					return fmt.Errorf("%s: %v", path, v)
				}
				return nil
			})
		}, func(t *Template) {
			t.Resources["X"] = map[string]any{"client_secret": map[string]any{"Ref": "OidcClientId"}}
		}},
		{"no dynamic reference outside of it", func(t *Template) error {
			n := 0
			err := texts(t, func(s string) bool { n += strings.Count(s, "{{resolve:"); return true })
			if err == nil && n != 1 {
				err = fmt.Errorf("%d dynamic references", n)
			}
			return err
		}, func(t *Template) { variables(t)["USHER_ORGANISATION"] = "{{resolve:ssm:x}}" }},
	}
}

// replacing are the properties whose change replaces a resource, by type.
//
// SPEC: createOnlyProperties of the resource schemas.
func replacing() map[string][]string {
	return map[string][]string{
		"AWS::Cognito::UserPool":       {"Schema", "UsernameConfiguration", "UsernameAttributes", "AliasAttributes"},
		"AWS::Cognito::UserPoolClient": {"UserPoolId", "GenerateSecret"},
		"AWS::Cognito::UserPoolGroup":  {"UserPoolId", "GroupName"},
		"AWS::DynamoDB::Table":         {"TableName", "KeySchema", "AttributeDefinitions", "ImportSourceSpecification"},
		"AWS::S3::Bucket":              {"BucketName", "ObjectLockEnabled"},
		"AWS::KMS::Key":                {"KeySpec", "KeyUsage", "MultiRegion"},
		"AWS::SQS::Queue":              {"QueueName", "FifoQueue"},
		"AWS::Logs::LogGroup":          {"LogGroupName"},
	}
}

// last returns the template of the last release.
func last() (*Template, error) {
	raw, err := os.ReadFile("testdata/released.yaml")
	if err != nil {
		return nil, err
	}
	return Parse(string(raw))
}

// released compares the resources with data to those of the last release, which
// testdata/released.yaml has. A release replaces the copy.
func released() rule {
	return rule{"no resource with data is replaced", func(t *Template) error {
		before, err := last()
		if err != nil {
			return err
		}
		names := before.Kept()
		if len(names) < 15 {
			return fmt.Errorf("only %d resources with data in the last release", len(names))
		}
		for _, name := range names {
			old, now := before.Resources[name], t.Resources[name]
			kind := fmt.Sprint(At(old, "Type"))
			properties, known := replacing()[kind]
			switch {
			case !known:
				return fmt.Errorf("the properties that replace a %s are not listed", kind)
			case At(now, "Type") != kind:
				return fmt.Errorf("%s is gone", name)
			case !reflect.DeepEqual(At(old, "Condition"), At(now, "Condition")):
				return fmt.Errorf("%s has another condition", name)
			}
			for _, p := range properties {
				if !reflect.DeepEqual(at(old, "Properties."+p), at(now, "Properties."+p)) {
					return fmt.Errorf("%s has another %s", name, p)
				}
			}
		}
		return nil
	}, func(t *Template) { at(t.Resources["LogTable"], "Properties").(map[string]any)["TableName"] = "log" }}
}
