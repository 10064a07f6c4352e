package stack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Adoptable returns the groups of resources that a new stack can take over from an
// earlier one. Each is whole or not at all: a log without its key could not be
// sealed, and a pool without its clients has no sign-in.
func Adoptable() [][]string {
	return [][]string{
		{"LogTable", "IndexTable", "StateTable", "ArchiveBucket", "AccessLogBucket", "SealKey"},
		{"GrantsTable"},
		{"UserPool", "NativeClient", "SsoClient", "DeviceClient", "AdminsPoolGroup", "AuditorsPoolGroup"},
	}
}

// Identifier returns the properties that identify a resource in an import. physical
// has the names or ids of the adopted resources.
//
// SPEC: primaryIdentifier of the resource schemas.
func (t *Template) Identifier(name string, physical map[string]string) (map[string]string, error) {
	// A resource with two properties can have both in its id, with | between them.
	own := physical[name][strings.LastIndex(physical[name], "|")+1:]
	switch kind := fmt.Sprint(At(t.Resources[name], "Type")); kind {
	case "AWS::DynamoDB::Table":
		return map[string]string{"TableName": own}, nil
	case "AWS::S3::Bucket":
		return map[string]string{"BucketName": own}, nil
	case "AWS::KMS::Key":
		return map[string]string{"KeyId": own}, nil
	case "AWS::Cognito::UserPool":
		return map[string]string{"UserPoolId": own}, nil
	case "AWS::Cognito::UserPoolClient":
		return map[string]string{"UserPoolId": physical["UserPool"], "ClientId": own}, nil
	case "AWS::Cognito::UserPoolGroup":
		return map[string]string{"UserPoolId": physical["UserPool"], "GroupName": own}, nil
	default:
		return nil, fmt.Errorf("%s of type %s cannot be adopted", name, kind)
	}
}

// Import returns the template of an import: these resources alone. Properties that
// depend on another resource are left out; the whole template sets them afterwards.
//
// SPEC: AWS CloudFormation user guide, "Import AWS resources into a CloudFormation
// stack manually": an import creates nothing, changes nothing and has no outputs, and
// each resource has a deletion policy.
func (t *Template) Import(names []string) (string, error) {
	resources := map[string]any{}
	for _, name := range names {
		from, ok := t.Resources[name].(map[string]any)
		if !ok {
			return "", fmt.Errorf("the template has no resource %s", name)
		}
		properties := map[string]any{}
		all, _ := from["Properties"].(map[string]any)
		for key, value := range all {
			if t.within(value, names) {
				properties[key] = value
			}
		}
		r := map[string]any{"Type": from["Type"], "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain", "Properties": properties}
		if c := from["Condition"]; c != nil {
			r["Condition"] = c
		}
		resources[name] = r
	}
	raw, err := json.Marshal(map[string]any{
		"AWSTemplateFormatVersion": "2010-09-09", "Parameters": t.Parameters, "Conditions": t.Conditions, "Resources": resources,
	})
	if err == nil && len(raw) >= MaxTemplate {
		err = fmt.Errorf("it has %d bytes", len(raw))
	}
	if err != nil {
		return "", fmt.Errorf("writing the template of an import: %w", err)
	}
	return string(raw), nil
}

// within reports whether a value refers to no resource beside these.
func (t *Template) within(node any, names []string) bool {
	outside := func(id string) bool { return t.Resources[id] != nil && !slices.Contains(names, id) }
	switch n := node.(type) {
	case []any:
		return !slices.ContainsFunc(n, func(item any) bool { return !t.within(item, names) })
	case map[string]any:
		for key, value := range n {
			if !t.within(value, names) {
				return false
			}
			target := value
			if args, ok := value.([]any); ok && len(args) > 0 {
				target = args[0]
			}
			text, _ := target.(string)
			switch key {
			case "Ref", "Fn::GetAtt":
				if outside(text) {
					return false
				}
			case "Fn::Sub":
				inside := true
				Variables(text, func(name string) string {
					id, _, _ := strings.Cut(name, ".")
					inside = inside && !outside(id)
					return ""
				})
				if !inside {
					return false
				}
			}
		}
	}
	return true
}
