package deploytest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"usher/backend/deploy/stack"
)

const deletedID = "arn:aws:cloudformation:eu-west-1:111122223333:stack/usher/99999999-2222-3333-4444-555555555555"

// Whole is the data that a deleted stack leaves.
func Whole() map[string]string {
	return map[string]string{
		"LogTable": "usher-LogTable-1OLD", "IndexTable": "usher-LogTable-1OLD-index", "StateTable": "usher-StateTable-1OLD", "GrantsTable": "usher-GrantsTable-1OLD",
		"ArchiveBucket": "usher-archivebucket-1old", "AccessLogBucket": "usher-accesslogbucket-1old", "SealKey": "99999999-aaaa-bbbb-cccc-dddddddddddd",
		"UserPool": "eu-west-1_OldPool01", "NativeClient": "native1old", "SsoClient": "sso1old", "DeviceClient": "device1old",
		"AdminsPoolGroup": "eu-west-1_OldPool01|usher-admins", "AuditorsPoolGroup": "usher-auditors", "ApiLogGroup": "usher-ApiLogGroup-1OLD",
	}
}

// resources are those of a stack: of the deleted one, or of the current one.
func (a *Account) resources(id string) string {
	var out strings.Builder
	if id == deletedID {
		for name, physical := range a.Left {
			fmt.Fprintf(&out, "<member><LogicalResourceId>%s</LogicalResourceId><PhysicalResourceId>%s</PhysicalResourceId><ResourceType>x</ResourceType><ResourceStatus>DELETE_SKIPPED</ResourceStatus><LastUpdatedTimestamp>2026-11-01T00:00:00Z</LastUpdatedTimestamp></member>", name, physical)
		}
		out.WriteString("<member><LogicalResourceId>ApiFunction</LogicalResourceId><PhysicalResourceId>gone</PhysicalResourceId><ResourceType>x</ResourceType><ResourceStatus>DELETE_COMPLETE</ResourceStatus><LastUpdatedTimestamp>2026-11-01T00:00:00Z</LastUpdatedTimestamp></member>")
	}
	if id != deletedID {
		for _, name := range a.Own {
			fmt.Fprintf(&out, "<member><LogicalResourceId>%s</LogicalResourceId><ResourceType>x</ResourceType><ResourceStatus>CREATE_COMPLETE</ResourceStatus><LastUpdatedTimestamp>2026-11-01T00:00:00Z</LastUpdatedTimestamp></member>", name)
		}
	}
	return out.String()
}

func parametersOf(all map[string]string) string {
	var out strings.Builder
	out.WriteString("<Parameters>")
	for k, v := range all {
		fmt.Fprintf(&out, "<member><ParameterKey>%s</ParameterKey><ParameterValue>%s</ParameterValue></member>", k, v)
	}
	out.WriteString("</Parameters>")
	return out.String()
}

// wanted reads the resources of an import, and refuses one that CloudFormation
// would refuse.
func (a *Account) wanted(r *http.Request) {
	template, err := stack.Parse(r.Form.Get("TemplateBody"))
	if err != nil {
		a.t.Errorf("the template of an import: %v", err)
		return
	}
	a.Imported = map[string]string{}
	for i := 1; r.Form.Has(fmt.Sprintf("ResourcesToImport.member.%d.LogicalResourceId", i)); i++ {
		member := fmt.Sprintf("ResourcesToImport.member.%d.", i)
		id := r.Form.Get(member + "LogicalResourceId")
		var values []string
		for j := 1; r.Form.Has(fmt.Sprintf("%sResourceIdentifier.entry.%d.value", member, j)); j++ {
			values = append(values, r.Form.Get(fmt.Sprintf("%sResourceIdentifier.entry.%d.key", member, j))+"="+r.Form.Get(fmt.Sprintf("%sResourceIdentifier.entry.%d.value", member, j)))
		}
		slices.Sort(values)
		a.Imported[id] = strings.Join(values, ",")
		if kind, _ := stack.At(template.Resources[id], "Type").(string); kind == "" || kind != r.Form.Get(member+"ResourceType") {
			a.t.Errorf("an import of %s as %s", id, kind)
		}
		if stack.At(template.Resources[id], "DeletionPolicy") == nil {
			a.t.Errorf("an import of %s without a deletion policy", id)
		}
	}
	if len(template.Outputs) > 0 || len(template.Resources) != len(a.Imported) {
		a.t.Errorf("an import with %d outputs, of %d of %d resources", len(template.Outputs), len(a.Imported), len(template.Resources))
	}
}
