package rig

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/backend/deploy/stack"
	"usher/backend/deploy/stack/stacktest"
)

// flattened returns the template for each set of parameters, and one template
// with mistakes, as controls.
func flattened(t *testing.T) map[string]any {
	t.Helper()
	now, err := stack.Current()
	must(t, err)
	out := map[string]any{}
	for name, values := range stacktest.Sets() {
		delete(values, "AWS::AccountId") // the judge refuses account ids in templates
		flat, err := now.Evaluate(stack.Values{Parameters: values})
		must(t, err)
		out[name] = inAccount(map[string]any{"AWSTemplateFormatVersion": "2010-09-09", "Resources": flat.Resources, "Outputs": flat.Outputs})
	}
	text, err := now.Import(slices.Concat(stack.Adoptable()...))
	must(t, err)
	adopting, err := stack.Parse(text)
	must(t, err)
	flat, err := adopting.Evaluate(stack.Values{Parameters: stacktest.Sets()["default"]})
	must(t, err)
	out["import"] = inAccount(map[string]any{"AWSTemplateFormatVersion": "2010-09-09", "Resources": flat.Resources})
	out["control"] = map[string]any{"AWSTemplateFormatVersion": "2010-09-09", "Resources": map[string]any{
		"Table": map[string]any{"Type": "AWS::DynamoDB::Table", "Properties": map[string]any{"KeySchemas": []any{}}},
	}}
	return out
}

// inAccount puts the pseudo parameter in place of the account in values of
// parameters: the judge refuses account ids in templates.
func inAccount(node any) any {
	switch n := node.(type) {
	case string:
		if account := stacktest.Pseudo()["AWS::AccountId"]; strings.Contains(n, account) {
			return map[string]any{"Fn::Sub": strings.ReplaceAll(n, account, "${AWS::AccountId}")}
		}
	case []any:
		for i := range n {
			n[i] = inAccount(n[i])
		}
	case map[string]any:
		if _, done := n["Fn::Sub"]; done {
			return n
		}
		for key := range n {
			n[key] = inAccount(n[key])
		}
	}
	return node
}

// valueOfParameter is the finding for the pool of a parameter: in the template it
// is no text.
const valueOfParameter = "WARN W9002 Property 'SourceArn' has a hardcoded ARN - use Ref, GetAtt, or a parameter instead"

// TestCloudFormationValidate judges the template with the parameters of each set.
func TestCloudFormationValidate(t *testing.T) {
	t.Parallel()
	templates := flattened(t)
	input, err := json.Marshal(templates)
	must(t, err)
	cmd := exec.CommandContext(t.Context(), "node", "validate.mjs")
	cmd.Stdin = bytes.NewReader(input)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	raw, err := cmd.Output()
	if err != nil {
		t.Fatalf("validate.mjs: %v\n%s", err, errs.String())
	}
	var found map[string][]string
	must(t, json.Unmarshal(raw, &found))
	if len(found) != len(templates) || len(found) < 5 {
		t.Fatalf("%d of %d templates were judged", len(found), len(templates))
	}
	for name, findings := range found {
		if strings.HasPrefix(name, "existing pool") {
			findings = slices.DeleteFunc(findings, func(f string) bool { return f == valueOfParameter })
		}
		if failed := len(findings) > 0; failed != (name == "control") {
			t.Errorf("%s: %d findings\n%s", name, len(findings), strings.Join(findings, "\n"))
		}
	}
}

// TestCFNLint judges the same templates with cfn-lint, where it is installed.
func TestCFNLint(t *testing.T) {
	t.Parallel()
	lint, err := exec.LookPath("cfn-lint")
	if err != nil {
		t.Skip("cfn-lint is not installed")
	}
	if err := exec.CommandContext(t.Context(), lint, "--version").Run(); err != nil {
		t.Skip("cfn-lint does not start")
	}
	templates := flattened(t)
	for _, name := range []string{"everything", "control"} { // a start takes seconds
		template := templates[name]
		raw, err := json.Marshal(template)
		must(t, err)
		file := filepath.Join(t.TempDir(), "template.json")
		must(t, os.WriteFile(file, raw, 0o600))
		out, err := exec.CommandContext(t.Context(), lint, file).CombinedOutput()
		if failed := err != nil; failed != (name == "control") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
