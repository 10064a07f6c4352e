package backend_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/sandbox"
	"usher/client"
	"usher/session"
)

// A complete session, from sign-in to sign-out with refusals and bad requests,
// leaves no secret in any file, the backend's log and the audit log included.
func TestNoSecretIsWritten(t *testing.T) {
	dir := t.TempDir()
	accesses := &accessLog{}
	w := demotest.Start(t, demo.Options{Dir: dir, AccessLog: accesses})
	w.Put(t, "company-reports", "annual/audited/one.csv", "one")
	options := session.Options{Now: time.Now, Random: rand.Reader}
	in, err := session.NewSignIn(session.Folders{State: t.TempDir()}, w.Profile, options)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(w.People, func(p sandbox.Person) bool { return p.Username == "grace" })
	password := w.People[i].Password
	if _, err := in.Password(t.Context(), "grace", []byte("Not-"+password)); err == nil {
		t.Fatal("a wrong password is accepted")
	}
	step, err := in.Password(t.Context(), "grace", []byte(password))
	if err != nil || step.Kind != session.Done {
		t.Fatalf("signing in: %v %v", step.Kind, err)
	}
	folder := t.TempDir()
	s, err := session.Open(session.Folders{Config: folder, State: folder}, w.Profile, options)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Adopt(step.Tokens); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Config{Server: w.Server, Tokens: s, UserAgent: "usher-test/1"})
	if err != nil {
		t.Fatal(err)
	}
	grace := demotest.Actor{Client: c, Session: s}
	names(t, grace, "company-reports", "annual/audited/")
	item, err := releaseOne(t.Context(), grace, "company-reports", "annual/audited/one.csv")
	if err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, item, nil); status != http.StatusOK || body != "one" {
		t.Fatalf("the download: %d %q", status, body)
	}
	for key, want := range map[string]api.Code{"quarterly/q3.csv": api.NotFound, "annual/audited/none.csv": api.NotFound} {
		if _, err := releaseOne(t.Context(), grace, "company-reports", key); codeOf(err) != want {
			t.Fatalf("%s: %v", key, err)
		}
	}
	raw(t, w, grace, "release", `{"objects":[{"bucket":"company-reports","key":"x","etag":"`+item.URL+`"}]}`) // a URL in the field of an ETag
	if err := grace.Complete(t.Context(), api.CompleteRequest{Items: []api.CompleteItem{{Event: item.Event, Outcome: api.CompletedDone, Bytes: 3, Seconds: 1, Verified: "size"}}}); err != nil {
		t.Fatal(err)
	}
	query(t, grace, "who:grace")
	if err := s.SignOut(t.Context(), session.Ending{Tell: grace.Signout}); err != nil {
		t.Fatal(err)
	}
	if _, err := grace.Whoami(t.Context()); err == nil {
		t.Error("the session is valid after its end")
	}

	link, err := url.Parse(item.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, backendSecret := w.Sandbox.Credentials()
	access, refresh := step.Tokens.Access.Reveal(), step.Tokens.Refresh.Reveal()
	parts := strings.Split(access, ".")
	secrets := map[string]string{
		"the access token's claims": parts[1][:60], "the access token's signature": parts[2][:60], "the refresh token": refresh[len(refresh)/2:],
		"the password": password, "the URL's signature": link.Query().Get("X-Amz-Signature"), "the owner's key": w.S3SecretKey, "the backend's key": backendSecret,
		"an Authorization header": "Bearer ", "a presigned query": "X-Amz-Signature=" + link.Query().Get("X-Amz-Signature")[:8], "a session token": "X-Amz-Security-Token=",
	}
	for name, value := range map[string]string{"the password": password, "the backend's key": backendSecret, "the URL's signature": link.Query().Get("X-Amz-Signature")} {
		secrets[name+" in base64"] = base64.RawStdEncoding.EncodeToString([]byte(value))
	}
	for name, value := range secrets {
		if len(value) < 7 {
			t.Fatalf("%s is %q: too short to search for", name, value)
		}
	}
	files, holders := 0, 0
	found := search(t, dir, func(path string, content []byte) []string {
		files++
		if bytes.Contains(content, []byte(item.Event)) {
			holders++
		}
		if name := filepath.Base(path); name == "sandbox.json" || name == "pool.json" {
			return nil // the sandbox's own state, with the secrets of its pool and account
		}
		return holds(content, secrets)
	})
	found = append(found, holds([]byte(strings.Join(accesses.lines, "\n")), map[string]string{"the URL's signature": secrets["the URL's signature"]})...)
	signatures := 0
	for _, f := range found {
		if strings.Contains(f, "signature") || strings.Contains(f, "presigned") {
			signatures++
		}
	}
	t.Logf("SECRETS sinks=%d kinds=%d tokens_found=%d signatures_found=%d sinks_with_the_event=%d", files+1, len(secrets), len(found)-signatures, signatures, holders)
	if len(found) > 0 {
		t.Errorf("secrets are in files: %q", found)
	}
	// Negative controls: the search finds the event, and planted secrets.
	if files < 5 || holders == 0 {
		t.Errorf("%d files were read, and %d contain the event of the download", files, holders)
	}
	if got := holds([]byte("GET /x?token="+access+" as "+refresh+password), secrets); len(got) != 4 {
		t.Errorf("of four planted secrets, the search finds %q", got)
	}
	if kept, err := os.ReadFile(filepath.Join(dir, "sandbox.json")); err != nil || len(holds(kept, secrets)) < 3 {
		t.Errorf("the sandbox's own file: %v, and only %q are found in it", err, holds(kept, secrets))
	}
}

// holds returns the names of the secrets in a content, plain or query-escaped.
func holds(content []byte, secrets map[string]string) (names []string) {
	for name, value := range secrets {
		if bytes.Contains(content, []byte(value)) || bytes.Contains(content, []byte(url.QueryEscape(value))) {
			names = append(names, name)
		}
	}
	return names
}

func search(t *testing.T, dir string, look func(path string, content []byte) []string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, name := range look(path, content) {
			found = append(found, filepath.Base(path)+": "+name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
