package stack

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// document reads a file of docs.
func document(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile("../../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// described are the parameters that docs/deploy.md describes outside of its table.
func described() []string {
	return []string{
		"CodeBucket", "CodeKey", "Architecture", // usher deploy sets them
		"ExistingUserPoolId", "ExistingClientId", "ExistingSsoClientId", "ExistingDeviceClientId", "ExistingHostedUi", "RequestRate", "AlarmEmail",
	}
}

// undescribed are parameters whose description in the template suffices.
func undescribed() []string {
	return []string{"AdminsGroup", "AuditorsGroup", "EmailClaim", "ProviderLabel", "ProviderName"}
}

// problems returns the differences between the documents and the template.
func problems(now *Template, deploy, cost string) (out []string) {
	_, table, _ := strings.Cut(deploy, "## Parameters")
	table, _, _ = strings.Cut(table, "\n## ")
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*) \\|").FindAllStringSubmatch(table, -1) {
		for _, m := range regexp.MustCompile("`([A-Za-z]+)`").FindAllStringSubmatch(row[1], -1) {
			listed[m[1]] = true
		}
	}
	for _, m := range regexp.MustCompile(`--set ([A-Za-z]+)=`).FindAllStringSubmatch(deploy+cost, -1) {
		if m[1] != "NAME" && now.Parameters[m[1]] == nil {
			out = append(out, "no parameter "+m[1])
		}
	}
	for name := range listed {
		if now.Parameters[name] == nil {
			out = append(out, "no parameter "+name)
		}
	}
	for name := range now.Parameters {
		mentioned := slices.Contains(described(), name) && (strings.Contains(deploy, name) || name == "Architecture")
		if !listed[name] && !mentioned && !slices.Contains(undescribed(), name) {
			out = append(out, "undocumented parameter "+name)
		}
	}
	alarms := map[string]bool{}
	for _, m := range regexp.MustCompile(`\b([A-Z][A-Za-z]+Alarm)\b`).FindAllStringSubmatch(deploy+cost, -1) {
		if alarms[m[1]] = true; At(now.Resources[m[1]], "Type") != "AWS::CloudWatch::Alarm" {
			out = append(out, "no alarm "+m[1])
		}
	}
	for name, r := range now.Resources {
		if At(r, "Type") == "AWS::CloudWatch::Alarm" && !alarms[name] {
			out = append(out, "undocumented alarm "+name)
		}
	}
	for _, m := range regexp.MustCompile("output `([A-Za-z]+)`").FindAllStringSubmatch(deploy+cost, -1) {
		if now.Outputs[m[1]] == nil {
			out = append(out, "no output "+m[1])
		}
	}
	for _, people := range []string{"| 10 |", "| 1,000 |", "| 100,000 |"} {
		row := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(people) + `[^\n]*$`).FindString(cost)
		if cells := strings.Split(strings.Trim(row, "|"), "|"); len(cells) != 4 || slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) == "" }) {
			out = append(out, "no first limit, sign and knob for "+people)
		}
	}
	return append(out, terraform(now, deploy)...)
}

// terraform checks the parameters of the wrapper: each exists, and each without a
// default is there.
func terraform(now *Template, deploy string) (out []string) {
	_, text, _ := strings.Cut(deploy, "```hcl\n")
	text, _, _ = strings.Cut(text, "```")
	_, block, _ := strings.Cut(text, "  parameters = {\n")
	block, _, _ = strings.Cut(block, "\n  }")
	given := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^    ([A-Za-z]+) += `).FindAllStringSubmatch(block, -1) {
		if given[m[1]] = true; now.Parameters[m[1]] == nil {
			out = append(out, "Terraform sets the unknown parameter "+m[1])
		}
	}
	for name, p := range now.Parameters {
		if At(p, "Default") == nil && !given[name] {
			out = append(out, "Terraform does not set "+name)
		}
	}
	if strings.Count(text, "{") != strings.Count(text, "}") || !strings.Contains(text, `capabilities  = ["CAPABILITY_IAM"]`) {
		out = append(out, "Terraform's wrapper has another form")
	}
	return out
}

// The documents and the template have the same parameters, alarms and outputs, and
// each control is found.
func TestDocuments(t *testing.T) {
	now, deploy, cost := current(t), document(t, "deploy.md"), document(t, "cost.md")
	for _, p := range problems(now, deploy, cost) {
		t.Error(p)
	}
	caught := 0
	controls := map[string]func(t *Template) (string, string){
		"no parameter Questions": func(t *Template) (string, string) { delete(t.Parameters, "Questions"); return deploy, cost },
		"undocumented parameter X": func(t *Template) (string, string) {
			t.Parameters["X"] = map[string]any{"Type": "String", "Default": ""}
			return deploy, cost
		},
		"Terraform does not set X": func(t *Template) (string, string) {
			t.Parameters["X"] = map[string]any{"Type": "String"}
			return deploy, cost
		},
		"no alarm TamperingAlarm": func(t *Template) (string, string) { delete(t.Resources, "TamperingAlarm"); return deploy, cost },
		"undocumented alarm SealStoppedAlarm": func(*Template) (string, string) {
			return strings.ReplaceAll(deploy, "SealStoppedAlarm", "x"), cost
		},
		"no output BucketStatements": func(t *Template) (string, string) { delete(t.Outputs, "BucketStatements"); return deploy, cost },
		"no first limit, sign and knob for | 1,000 |": func(*Template) (string, string) {
			return deploy, strings.ReplaceAll(cost, "| 1,000 |", "| 2,000 |")
		},
		"Terraform sets the unknown parameter Buckets": func(*Template) (string, string) {
			return strings.ReplaceAll(deploy, "    BucketArns = ", "    Buckets = "), cost
		},
	}
	for _, want := range slices.Sorted(maps.Keys(controls)) {
		mutated := now.clone()
		d, c := controls[want](mutated)
		if !slices.Contains(problems(mutated, d, c), want) {
			t.Errorf("not found: %s", want)
			continue
		}
		caught++
	}
	t.Logf("%d/%d controls are found", caught, len(controls))
}
