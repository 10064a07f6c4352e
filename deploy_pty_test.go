package main

import (
	"archive/zip"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/deploy/deploytest"
)

// functionZip is a program for arm64 that only a deployment reads.
func functionZip(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "usher-lambda-arm64.zip")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	w, err := z.Create("bootstrap")
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 64)
	copy(head, "\x7fELF\x02\x01\x01")
	head[18] = 183 // arm64
	if _, err := w.Write(head); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

// A new admin has AWS credentials and needs two commands: usher deploy, with four
// questions, and usher login. CloudFormation and the storage of the stack are
// scripted; the pool and the server are the demo's.
func TestDeployAndLogin(t *testing.T) {
	t.Parallel()
	w := demotest.Start(t, demo.Options{})
	a := deploytest.New(t)
	a.URL, a.Region, a.Pool, a.Client = w.Server, w.Region, w.UserPoolID, w.ClientID
	home := t.TempDir()
	env := append(os.Environ(),
		"HOME="+home, "XDG_CONFIG_HOME="+filepath.Join(home, "config"), "XDG_STATE_HOME="+filepath.Join(home, "state"), "TERM=xterm-256color",
		"AWS_ACCESS_KEY_ID="+w.S3AccessKey, "AWS_SECRET_ACCESS_KEY="+w.S3SecretKey, "AWS_REGION="+w.Region, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL="+a.Endpoint(), "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER="+w.CognitoEndpoint,
		"AWS_CONFIG_FILE="+filepath.Join(home, "none"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(home, "none"),
	)
	program, err := exec.LookPath("usher")
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) *terminal {
		cmd := exec.Command(program, args...)
		cmd.Env, cmd.Dir = env, home
		return start(t, cmd, 200, 60)
	}
	s := run("deploy", "--zip", functionZip(t))
	questions := []struct{ question, answer string }{
		{"Region of AWS", ""}, {"Buckets that people may browse", "company-reports"}, {"E-mail address of the first person", "emmy@example.com"}, {"Deploy these changes?", "yes"},
	}
	for _, q := range questions {
		s.shows(q.question)
		s.keys(q.answer, "enter")
	}
	s.shows("usher is deployed: "+w.Server, "usher login --username emmy@example.com", "usher configure "+w.Server+"#"+w.Pin)
	if code := s.quits(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, s.text())
	}
	if text := s.text(); strings.Contains(text, w.S3SecretKey) || strings.Count(text, "?") > 4 {
		t.Errorf("a secret or another question on the screen:\n%s", text)
	}
	raw, err := os.ReadFile(w.MailFile)
	if err != nil {
		t.Fatal(err)
	}
	var mail struct {
		To       string `json:"to"`
		Password string `json:"temporary_password"`
	}
	if err := json.Unmarshal(raw, &mail); err != nil || mail.To != "emmy@example.com" || mail.Password == "" {
		t.Fatalf("no invitation in %s: %v", raw, err)
	}
	if strings.Contains(s.text(), mail.Password) {
		t.Error("the temporary password is on the screen")
	}
	login := run("login", "--username", "emmy@example.com")
	login.shows("Password")
	login.keys(mail.Password, "enter")
	login.shows("New password")
	login.keys("A-new-Passw0rd-of-Emmy", "enter")
	login.shows("again")
	login.keys("A-new-Passw0rd-of-Emmy", "enter")
	login.shows("You are signed in", "usher-admins", "usher-readers")
	if code := login.quits(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, login.text())
	}
}
