package deploy_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"usher/backend/deploy"
	"usher/backend/deploy/deploytest"
)

// deleted is an account in which a stack was deleted and left its data.
func deleted(t *testing.T) (*deploytest.Account, *person) {
	t.Helper()
	a, p := deploytest.New(t), &person{answers: four()}
	a.Left, a.Groups["usher-admins"] = deploytest.Whole(), []string{"grace"}
	a.Before = map[string]string{
		"BucketArns": "arn:aws:s3:::company-reports", "ObjectArns": "arn:aws:s3:::company-reports/annual/*", "ObjectLockMode": "COMPLIANCE",
		"CodeKey": "usher/old.zip", "CodeBucket": "old", "ParameterOfOldVersion": "x", "AlarmEmail": "",
	}
	a.Changes = []deploytest.Resource{{ID: "SealKey", Kind: "AWS::KMS::Key", Action: "Modify"}, {ID: "ApiFunction", Kind: "AWS::Lambda::Function", Action: "Add"}}
	delete(p.answers, "Buckets") // and the first person are known
	delete(p.answers, "E-mail")
	p.answers["Take it into the new stack"] = "yes"
	return a, p
}

// adoptedWhole is the identifiers of an import of everything.
func adoptedWhole() map[string]string {
	return map[string]string{
		"LogTable": "TableName=usher-LogTable-1OLD", "IndexTable": "TableName=usher-LogTable-1OLD-index", "StateTable": "TableName=usher-StateTable-1OLD", "GrantsTable": "TableName=usher-GrantsTable-1OLD",
		"ArchiveBucket": "BucketName=usher-archivebucket-1old", "AccessLogBucket": "BucketName=usher-accesslogbucket-1old", "SealKey": "KeyId=99999999-aaaa-bbbb-cccc-dddddddddddd",
		"UserPool": "UserPoolId=eu-west-1_OldPool01", "NativeClient": "ClientId=native1old,UserPoolId=eu-west-1_OldPool01", "SsoClient": "ClientId=sso1old,UserPoolId=eu-west-1_OldPool01",
		"DeviceClient": "ClientId=device1old,UserPoolId=eu-west-1_OldPool01", "AdminsPoolGroup": "GroupName=usher-admins,UserPoolId=eu-west-1_OldPool01", "AuditorsPoolGroup": "GroupName=usher-auditors,UserPoolId=eu-west-1_OldPool01",
	}
}

// The tables, buckets, key and pool that a deleted stack left become resources of
// the new one, with the parameters of the deleted one.
func TestAdoptsADeletedStack(t *testing.T) {
	a, p := deleted(t)
	if _, err := deployer(t, a, p).Deploy(t.Context(), deploy.Options{Program: bundle(t, arm)}); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(a.Imported, adoptedWhole()) {
		t.Errorf("adopted are %v", a.Imported)
	}
	if len(p.questions) != 3 || a.Count("ExecuteChangeSet") != 2 || a.Status != "UPDATE_COMPLETE" {
		t.Errorf("%q, %d executions, the stack is %s", p.questions, a.Count("ExecuteChangeSet"), a.Status)
	}
	for name, want := range map[string]string{"ObjectLockMode": "COMPLIANCE", "ObjectArns": "arn:aws:s3:::company-reports/annual/*"} {
		if a.Params[name] != want {
			t.Errorf("%s is %q, want %q", name, a.Params[name], want)
		}
	}
	if a.Params["CodeBucket"] == "old" || a.Params["CodeKey"] == "usher/old.zip" || a.Params["ExistingUserPoolId"] != "" || len(a.People) != 0 {
		t.Errorf("%v, people %q", a.Params, a.People)
	}
	if !p.has("change", "LogTable", "adopted") || !p.has("LogTable", "IMPORT_COMPLETE") || !p.has("ApiFunction", "CREATE_COMPLETE") {
		t.Errorf("%+v", p.lines)
	}
}

func TestAdoptionIsChosen(t *testing.T) {
	withoutKey := deploytest.Whole()
	delete(withoutKey, "SealKey")
	log := []string{"ArchiveBucket", "AccessLogBucket", "IndexTable", "LogTable", "SealKey", "StateTable"}
	pool := []string{"AdminsPoolGroup", "AuditorsPoolGroup", "DeviceClient", "NativeClient", "SsoClient", "UserPool"}
	for name, row := range map[string]struct {
		left   map[string]string
		answer string
		o      deploy.Options
		want   []string
		refuse string
	}{
		"no":                       {left: deploytest.Whole(), answer: "no"},
		"--adopt no":               {left: deploytest.Whole(), o: deploy.Options{Adopt: []string{"no"}}},
		"--adopt yes":              {left: deploytest.Whole(), o: deploy.Options{Adopt: []string{"yes"}}, want: slices.Concat(log, pool, []string{"GrantsTable"})},
		"a log without its key":    {left: withoutKey, answer: "yes", want: slices.Concat(pool, []string{"GrantsTable"})},
		"a pool of the customer":   {left: deploytest.Whole(), answer: "yes", o: deploy.Options{Parameters: map[string]string{"ExistingUserPoolId": "eu-west-1_AbCdEfGhI"}}, want: slices.Concat(log, []string{"GrantsTable"})},
		"nothing left":             {left: map[string]string{"ApiLogGroup": "x"}},
		"one by its name":          {o: deploy.Options{Adopt: []string{"GrantsTable=old-grants"}}, want: []string{"GrantsTable"}},
		"a part of a group":        {o: deploy.Options{Adopt: []string{"LogTable=old-log"}}, refuse: "all resources of a group"},
		"an unknown resource":      {o: deploy.Options{Adopt: []string{"ApiFunction=f"}}, refuse: "not ApiFunction=f"},
		"another word":             {o: deploy.Options{Adopt: []string{"perhaps"}}, refuse: "not perhaps"},
		"a word and a name":        {o: deploy.Options{Adopt: []string{"yes", "GrantsTable=g"}}, refuse: "not yes"},
		"nobody to answer":         {left: deploytest.Whole(), answer: "-", refuse: "--adopt yes"},
		"nothing to adopt, by yes": {o: deploy.Options{Adopt: []string{"yes"}}},
	} {
		a, p := deploytest.New(t), &person{answers: four()}
		a.Left, a.Before = row.left, map[string]string{}
		if row.answer != "" && row.answer != "-" {
			p.answers["Take it into the new stack"] = row.answer
		}
		silent := &silentOn{p, map[bool]string{true: "Take it into"}[row.answer == "-"]}
		row.o.Program = bundle(t, arm)
		_, err := deployerOn(t, a, silent).Deploy(t.Context(), row.o)
		switch {
		case row.refuse != "":
			if err == nil || !strings.Contains(err.Error(), row.refuse) || a.Count("CreateChangeSet") != 0 {
				t.Errorf("%s: %v after %d change sets", name, err, a.Count("CreateChangeSet"))
			}
			continue
		case err != nil:
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := slices.Sorted(maps.Keys(a.Imported)); !slices.Equal(got, slices.Sorted(slices.Values(row.want))) {
			t.Errorf("%s: adopted are %q, want %q", name, got, row.want)
		}
	}
}

// silentOn has no answer to one question.
type silentOn struct {
	*person
	word string
}

func (s *silentOn) Ask(ctx context.Context, question, suggestion string) (string, error) {
	if s.word != "" && strings.Contains(question, s.word) {
		return "", errors.New("there is no terminal")
	}
	return s.person.Ask(ctx, question, suggestion)
}

// A refused import leaves nothing behind, and the next run offers the data again.
func TestRefusedAdoption(t *testing.T) {
	a, p := deleted(t)
	a.BadImport = "Resource LogTable does not exist"
	_, err := deployer(t, a, p).Deploy(t.Context(), deploy.Options{Program: bundle(t, arm)})
	if err == nil || !strings.Contains(err.Error(), a.BadImport) || a.Count("ExecuteChangeSet") != 0 || a.Status != "" {
		t.Fatalf("%v, the stack is %q", err, a.Status)
	}
	a.BadImport, a.Imported = "", nil
	if _, err := deployer(t, a, p).Deploy(t.Context(), deploy.Options{Program: bundle(t, arm)}); err != nil || len(a.Imported) != 13 {
		t.Errorf("%v, adopted are %v", err, a.Imported)
	}
}

// An interrupted adoption goes on: the next run follows the import and adds the rest.
func TestInterruptedAdoption(t *testing.T) {
	a, p := deleted(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	p.onLine = func(l deploy.Line) {
		if l.Kind == deploy.KindProgress {
			cancel(interrupted)
		}
	}
	if _, err := deployer(t, a, p).Deploy(ctx, deploy.Options{Program: bundle(t, arm)}); !errors.Is(err, interrupted) {
		t.Fatalf("%v", err)
	}
	p2 := &person{answers: map[string]string{"Region": "eu-west-1", "Deploy these changes": "yes"}}
	if _, err := deployer(t, a, p2).Deploy(t.Context(), deploy.Options{Program: bundle(t, arm)}); err != nil || a.Status != "UPDATE_COMPLETE" || len(p2.questions) != 2 {
		t.Errorf("%v, the stack is %s after %q", err, a.Status, p2.questions)
	}
}

// A stack whose first change set was never executed is a new one: its questions are
// there again.
func TestUnexecutedChangeSet(t *testing.T) {
	a, p := deploytest.New(t), &person{answers: four()}
	a.Status = "REVIEW_IN_PROGRESS"
	if _, err := deployer(t, a, p).Deploy(t.Context(), deploy.Options{Program: bundle(t, arm)}); err != nil || len(p.questions) != 4 || a.Status != "CREATE_COMPLETE" {
		t.Errorf("%v, the stack is %s after %q", err, a.Status, p.questions)
	}
}

// A failed import of an empty stack is removed; one of a stack with resources is not.
func TestFailedImport(t *testing.T) {
	a, p := deploytest.New(t), &person{answers: four()}
	a.Status = "IMPORT_ROLLBACK_COMPLETE"
	if _, err := deployer(t, a, p).Deploy(t.Context(), deploy.Options{Program: bundle(t, arm)}); err != nil || a.Count("DeleteStack") != 1 || a.Status != "CREATE_COMPLETE" {
		t.Errorf("%v, %d deletions, the stack is %s", err, a.Count("DeleteStack"), a.Status)
	}
	b := deploytest.New(t)
	b.Status, b.Own, b.Begin, b.After = "IMPORT_ROLLBACK_COMPLETE", []string{"LogTable"}, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"
	b.Params["BucketArns"], b.Groups["usher-admins"] = "arn:aws:s3:::company-reports", []string{"ada"}
	if _, err := deployer(t, b, &person{answers: four()}).Deploy(t.Context(), deploy.Options{Program: bundle(t, arm)}); err != nil || b.Count("DeleteStack") != 0 {
		t.Errorf("%v, %d deletions", err, b.Count("DeleteStack"))
	}
}

// Resources that AWS cannot delete stay in the account, and the stack goes: by
// usher deploy --delete, and for the rests of a failed first deployment.
func TestForcedDeletion(t *testing.T) {
	a, p := deploytest.New(t), &person{answers: map[string]string{"Type the name": "usher"}}
	a.Status, a.Protected = "CREATE_COMPLETE", []string{"LogTable", "UserPool"}
	if err := deployer(t, a, p).Delete(t.Context(), deploy.Options{Region: "eu-west-1"}); err != nil || a.Count("DeleteStack") != 2 || a.Status != "DELETE_COMPLETE" {
		t.Errorf("%v, %d deletions, the stack is %s", err, a.Count("DeleteStack"), a.Status)
	}
	if !p.has("LogTable", "DELETE_FAILED", "it is protected") || !p.has("could not delete everything") {
		t.Errorf("%+v", p.lines)
	}
	b, q := deploytest.New(t), &person{answers: four()}
	b.Status, b.Protected = "ROLLBACK_FAILED", []string{"LogTable"}
	if _, err := deployer(t, b, q).Deploy(t.Context(), deploy.Options{Program: bundle(t, arm)}); err != nil || b.Count("DeleteStack") != 2 || b.Status != "CREATE_COMPLETE" {
		t.Errorf("%v, %d deletions, the stack is %s", err, b.Count("DeleteStack"), b.Status)
	}
}
