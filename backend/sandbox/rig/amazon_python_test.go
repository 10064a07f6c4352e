package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"testing"
	"time"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// pythonChecks lists the checks of judge.py. The test fails if a check is missing
// here or there.
func pythonChecks() []string {
	return []string{
		"writes/empty body", "writes/metadata", "writes/encryption", "writes/refused", "writes/tags", "writes/parts",
		"bucket/configuration", "versions/list", "versions/read", "versions/delete", "bucket/changes", "archive/restore", "archive/refused",
		"owner/pool and client", "owner/groups", "owner/attributes", "owner/MFA", "owner/passwords",
	}
}

// demoFacts returns the members of `usher demo --serve --json` that judge.py
// reads.
func demoFacts(w *demotest.Demo) map[string]string {
	return map[string]string{
		"region": w.Region, "user_pool_id": w.UserPoolID, "client_id": w.ClientID, "cognito_endpoint": w.CognitoEndpoint,
		"s3_endpoint": w.S3Endpoint, "s3_access_key": w.S3AccessKey, "s3_secret_key": w.S3SecretKey, "mail_file": w.MailFile,
	}
}

// Amazon's SDK for Python, the basis of the AWS CLI, against the demo.
func TestAmazonPython(t *testing.T) {
	t.Parallel()
	verdicts := runPython(t, demoFacts(demotest.Start(t, demo.Options{})))
	report(t, "judge.py", verdicts, pythonChecks())
}

// Negative control: without a demo, no check passes.
func TestPythonCanFail(t *testing.T) {
	t.Parallel()
	facts := demoFacts(demotest.Start(t, demo.Options{}))
	facts["s3_endpoint"], facts["cognito_endpoint"] = "http://127.0.0.1:1", "http://127.0.0.1:1"
	verdicts := runPython(t, facts)
	if len(verdicts) != len(pythonChecks()) {
		t.Errorf("%d of %d checks ran", len(verdicts), len(pythonChecks()))
	}
	for _, v := range verdicts {
		if v.OK {
			t.Errorf("%s passes without a demo", v.Check)
		}
	}
}

func runPython(t *testing.T, facts map[string]string) []verdict {
	t.Helper()
	in, err := json.Marshal(facts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool(t, "USHER_RIG_PYTHON"), "judge.py")
	cmd.Stdin = bytes.NewReader(in) // not in arguments or environment, because it contains secrets
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("judge.py: %v\n%s", err, errs.String())
	}
	return lines[verdict](t, string(out))
}
