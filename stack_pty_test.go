//go:build !nosandbox

package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// The main journey on a deployed stack: sign in, download, the audit log, and a
// verification of the sealed log. Then a person with rights to the table removes an
// item of the log: an alarm names it, and the verification fails.
func TestMainJobOnAStack(t *testing.T) {
	if testing.Short() {
		t.Skip("a pty")
	}
	t.Parallel()
	w := demotest.Start(t, demo.Options{Stack: true})
	s, work := open(t, w, 120, 40)
	s.signIn(w, "grace")
	s.shows("company-reports › annual › audited", "2018-annual-report.pdf") // her only folder
	s.keys("/", "opinion")
	s.shows("34 in all")
	s.keys("enter", "d")
	s.until("the end of the download", func(screen string) bool {
		return strings.Contains(screen, "verified") && strings.Contains(screen, "1 file")
	})
	if files, err := filepath.Glob(filepath.Join(work, "company-reports", "annual", "audited", "*.pdf")); err != nil || len(files) != 1 {
		t.Errorf("the files are %q (%v)", files, err)
	}
	s.keys("esc")
	s.shows("of 34, ")
	s.keys("A")
	s.shows("Audit log", "download", "opinion", "session-start", "127.0.0.1")
	s.keys("q")
	s.hides("Audit log")
	s.keys("q")
	if code := s.quits(); code != 0 {
		t.Errorf("exit code %d", code)
	}

	verify := func() (string, int) {
		cmd := exec.Command(s.cmd.Path, "audit", "verify", "--config", w.StackConfig)
		cmd.Dir, cmd.Env = s.cmd.Dir, slices.Concat(s.cmd.Env, w.StackEnvironment())
		out, _ := cmd.CombinedOutput() // the exit code is checked
		return string(out), cmd.ProcessState.ExitCode()
	}
	poll(t, "a whole, sealed log", func() (bool, string) {
		out, code := verify()
		return code == 0 && strings.Contains(out, "unsigned tail 0"), out
	})
	checkpoint := exec.Command(s.cmd.Path, "audit", "checkpoint")
	checkpoint.Dir, checkpoint.Env = s.cmd.Dir, s.cmd.Env
	if out, err := checkpoint.Output(); err != nil || !strings.HasPrefix(string(out), strings.TrimPrefix(w.Server, "http://")+"/audit\n") {
		t.Errorf("the checkpoint is %q (%v)", out, err)
	}
	id := removeAnItem(t, w)
	poll(t, "a verification that finds the removed item", func() (bool, string) {
		out, code := verify()
		return code == api.ExitIntegrity && strings.Contains(out, "missing") && strings.Contains(out, id), out
	})
	poll(t, "an alarm in the log", func() (bool, string) {
		cmd := exec.Command(s.cmd.Path, "audit", "action:alarm", "--json")
		cmd.Dir, cmd.Env = s.cmd.Dir, s.cmd.Env
		out, _ := cmd.CombinedOutput()
		return strings.Contains(string(out), "removed before its expiry: "+id), string(out)
	})
	if archived, err := filepath.Glob(filepath.Join(w.ArchiveDir, "raw", "*", "*", "*", "*", "*")); err != nil || len(archived) == 0 {
		t.Errorf("the archive has no file (%v)", err)
	}
}

// removeAnItem removes an item of the log with the keys of the account's owner, and
// returns its id.
func removeAnItem(t *testing.T, w *demotest.Demo) string {
	t.Helper()
	client := dynamodb.New(dynamodb.Options{
		Region: w.Region, BaseEndpoint: aws.String(w.DynamoDBEndpoint),
		Credentials: credentials.NewStaticCredentialsProvider(w.S3AccessKey, w.S3SecretKey, ""),
	})
	found, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String(w.LogTable)})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range found.Items {
		pk, sk := item["pk"].(*types.AttributeValueMemberS), item["sk"].(*types.AttributeValueMemberS)
		if pk.Value == "check" {
			continue
		}
		_, err := client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
			TableName: aws.String(w.LogTable), Key: map[string]types.AttributeValue{"pk": pk, "sk": sk},
		})
		if err != nil {
			t.Fatal(err)
		}
		return sk.Value
	}
	t.Fatal("the log has no item")
	return ""
}

// poll waits for a state of another process.
func poll(t *testing.T, state string, done func() (bool, string)) {
	t.Helper()
	var last string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		var ok bool
		if ok, last = done(); ok {
			return
		}
	}
	t.Fatalf("no %s within a minute; the last output is\n%s", state, last)
}
