package rig

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/demo/demotest"
	"usher/backend/sandbox"
)

// TestVersitygwServerDemo runs the real program's demo on an external storage:
// `usher demo --s3-endpoint`.
func TestVersitygwServerDemo(t *testing.T) {
	t.Parallel()
	keys := newOwner()
	endpoint := demotest.Versitygw(t, tool(t, "USHER_RIG_VERSITYGW"), keys.key, keys.secret)
	store := s3.New(s3.Options{Region: region, BaseEndpoint: aws.String(endpoint), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(keys.key, keys.secret, "")})
	if _, err := store.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("lab")}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"in/a.txt", "out/b.txt"} {
		if _, err := store.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("lab"), Key: aws.String(key), Body: strings.NewReader(key)}); err != nil {
			t.Fatal(err)
		}
	}
	facts := startDemoOn(t, endpoint, keys, "grants:\n  - {group: finance-team, bucket: lab, prefix: in/}\n")
	ada := person{t, t.TempDir(), []string{"HOME=" + t.TempDir(), "USHER_SERVER=" + facts.Server, "LANG=C.UTF-8", "TZ=UTC"}}
	ada.usher(facts.People[0].Password+"\n", "login", "--username", facts.People[0].Username, "--password-stdin")
	if got := ada.usher("", "ls", "-R", "lab/"); got != "in/a.txt\n" {
		t.Errorf("ls: %q, want in/a.txt alone", got)
	}
	if got := ada.usher("", "get", "lab/in/a.txt", "-o", "-"); got != "in/a.txt" {
		t.Errorf("get: %q, want the stored bytes", got)
	}
}

// printed is the part of the demo's JSON line that the test reads.
type printed struct {
	Server string
	People []sandbox.Person
}

// startDemoOn starts the program's demo on a storage and returns its output.
func startDemoOn(t *testing.T, endpoint string, keys owner, grants string) printed {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "grants.yaml"), []byte(grants), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), tool(t, "USHER_RIG_USHER"), "demo", "--serve", "--json", "--dir", dir, "--s3-endpoint", endpoint)
	cmd.Env = []string{"HOME=" + dir, "AWS_ACCESS_KEY_ID=" + keys.key, "AWS_SECRET_ACCESS_KEY=" + keys.secret, "AWS_REGION=" + region}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the demo ended with %v", err)
		}
	})
	var facts printed
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &facts)
	}
	if err != nil || len(facts.People) == 0 {
		t.Fatalf("the demo does not start: %v", err)
	}
	return facts
}
