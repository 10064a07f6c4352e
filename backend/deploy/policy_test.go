package deploy_test

import (
	"strings"
	"testing"

	"usher/backend/deploy"
	"usher/backend/deploy/deploytest"
	"usher/backend/deploy/stack"
	"usher/backend/deploy/stack/stacktest"
)

// The check accepts the statements of the output BucketStatements, and no weaker
// ones.
func TestBucketStatements(t *testing.T) {
	now, err := stack.Current()
	if err != nil {
		t.Fatal(err)
	}
	flat, err := now.Evaluate(stack.Values{Parameters: stacktest.Sets()["default"], Physical: func(resource, _ string) string { return "arn:aws:iam::111122223333:role/" + resource }})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := stack.At(flat.Outputs["BucketStatements"], "Value").(string)
	good := `{"Version":"2012-10-17","Statement":` + strings.ReplaceAll(text, "BUCKET", "company-reports") + `}`
	swap := func(from, to string) string {
		out := strings.Replace(good, from, to, 1)
		if out == good {
			t.Errorf("the output has not %s", from)
		}
		return out
	}
	for name, row := range map[string]struct {
		policy string
		fine   bool
	}{
		"the output":           {good, true},
		"principals in a list": {swap(`"Principal":"*"`, `"Principal":{"AWS":["*"]}`), true},
		"a lower age":          {swap(`"900000"`, `60000`), true},
		"a higher age":         {swap(`"900000"`, `"604800000"`), false},
		"allowed, not denied":  {swap(`"Deny"`, `"Allow"`), false},
		"TLS denied":           {swap(`"false"`, `"true"`), false},
		"one principal":        {swap(`"Principal":"*"`, `"Principal":{"AWS":"arn:aws:iam::111122223333:root"}`), false},
		"another action":       {swap(`"Action":"s3:*"`, `"Action":"s3:PutObject"`), false},
		"another bucket":       {swap(`:::company-reports/*"]`, `:::other/*"]`), false},
		"a condition more":     {swap(`{"aws:SecureTransport":"false"}`, `{"aws:SecureTransport":"false","aws:ViaAWSService":"true"}`), false},
		"one statement":        {`{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}}`, false},
		"no statement at all":  {`{"Statement":[]}`, false},
		"no document":          {`[]`, false},
	} {
		a, p := deploytest.New(t), &person{}
		a.Status, a.Params["BucketArns"], a.Buckets["company-reports"] = "UPDATE_COMPLETE", "arn:aws:s3:::company-reports", row.policy
		fine, err := deployer(t, a, p).Check(t.Context(), deploy.Options{Region: "eu-west-1"})
		if err != nil || fine != row.fine {
			t.Errorf("%s: %v, %v, %+v", name, fine, err, p.lines)
		}
	}
}
