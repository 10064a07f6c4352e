package backend_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// status fetches a released URL with its headers.
func status(t *testing.T, item api.ReleaseItem) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, item.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range item.Headers {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// With a reader role, listings, HEADs and URLs of a person use one session with
// the person's name. The server's own key reads nothing.
func TestReaderRole(t *testing.T) {
	w := demotest.Start(t, demo.Options{ReaderRole: true})
	w.Put(t, "company-reports", "quarterly/a b*.csv", "x")
	key, secret := w.Sandbox.Credentials()
	own := s3.NewFromConfig(aws.Config{Region: w.Region, Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")},
		func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String(w.S3Endpoint), true })
	if _, err := own.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("company-reports"), Key: aws.String("quarterly/a b*.csv")}); err == nil {
		t.Fatal("control: the server's own key reads an object")
	}
	ada := w.AddPerson(t, "reader", "finance-team")
	page, err := ada.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: "quarterly/"})
	if err != nil || len(page.Entries) < 2 {
		t.Fatal(err, len(page.Entries))
	}
	out, err := ada.Release(t.Context(), api.ReleaseRequest{Objects: []api.ReleaseObject{
		{Bucket: "company-reports", Key: "quarterly/a b*.csv"},
		{Bucket: "company-reports", Key: "quarterly/absent.csv"},
		{Bucket: "builds", Key: "releases/latest.zip"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := status(t, out.Items[0]); got != http.StatusOK {
		t.Errorf("a granted object: %d", got)
	}
	u, err := url.Parse(out.Items[0].URL)
	if err != nil || u.Query().Get("X-Amz-Security-Token") == "" || strings.Contains(out.Items[0].URL, key) {
		t.Errorf("the URL is not signed by a session: %v", err)
	}
	for _, item := range out.Items[1:] {
		if item.Error == nil || item.Error.Code != api.NotFound {
			t.Errorf("absent or not granted: %+v", item.Error)
		}
	}
	if _, err := ada.Stat(t.Context(), api.StatRequest{Bucket: "company-reports", Key: "quarterly/a b*.csv"}); err != nil {
		t.Error(err)
	}
	whoami, err := ada.Whoami(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	calls := w.Sandbox.STS.Calls()
	if len(calls) != 1 || calls[0].Name != whoami.Person.Sub || strings.Contains(calls[0].Policy, "datasets") {
		t.Errorf("%d sessions: %+v", len(calls), calls)
	}
}

// grantMany replaces the grants by n folders with a name of a length, and waits
// until a person sees them.
func grantMany(t *testing.T, w *demotest.Demo, a demotest.Actor, n, length int) (prefixes []string) {
	t.Helper()
	text := "grants:\n"
	for i := range n {
		p := fmt.Sprintf("many%04d%s/", i, strings.Repeat("x", length))
		prefixes = append(prefixes, p)
		text += fmt.Sprintf("  - {group: finance-team, bucket: builds, prefix: %s}\n", p)
	}
	if err := os.WriteFile(w.GrantsFile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		_, err := a.Stat(t.Context(), api.StatRequest{Bucket: "builds", Key: prefixes[n-1] + "a"})
		if err == nil || codeOf(err) == api.StorageRefused { // granted, and without a session
			return prefixes
		}
	}
	t.Fatal("the grants did not take effect")
	return nil
}

// Grants that no policy covers at once are split. Objects beyond the limit of
// sessions are refused, with an alarm in the log, and the others are released.
func TestTooManyGrantsForPolicies(t *testing.T) {
	w := demotest.Start(t, demo.Options{ReaderRole: true})
	ada := w.AddPerson(t, "reader", "finance-team")
	for _, c := range []struct{ grants, length, released int }{{100, 0, 100}, {60, 330, 20}} {
		for i := range c.grants {
			w.Put(t, "builds", fmt.Sprintf("many%04d%s/a", i, strings.Repeat("x", c.length)), "x")
		}
		prefixes := grantMany(t, w, ada, c.grants, c.length)
		var in api.ReleaseRequest
		for _, p := range prefixes {
			in.Objects = append(in.Objects, api.ReleaseObject{Bucket: "builds", Key: p + "a"})
		}
		out, err := ada.Release(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		released, refused := 0, 0
		for _, item := range out.Items {
			switch {
			case item.Error == nil:
				if released++; released%9 == 1 && status(t, item) != http.StatusOK {
					t.Errorf("%d grants: a released URL does not work", c.grants)
				}
			case item.Error.Code == api.StorageRefused:
				refused++
			default:
				t.Errorf("%+v", item.Error)
			}
		}
		if released < c.released || released+refused != c.grants {
			t.Errorf("%d released and %d refused of %d", released, refused, c.grants)
		}
		if c.released == c.grants {
			continue
		}
		alarms := w.Events(t, "action:"+event.Alarm)
		if len(alarms) == 0 || alarms[0].Outcome != event.Failed || alarms[0].Count != refused {
			t.Errorf("%d refused: alarms %+v", refused, alarms)
		}
		page, err := ada.List(t.Context(), api.ListRequest{Bucket: "builds", Prefix: prefixes[0]})
		if err != nil || len(page.Entries) != 1 {
			t.Errorf("a listing in one of the grants: %v", err)
		}
	}
}

// A read of one object or folder whose policy STS cannot pack is refused, with an
// alarm in the log.
func TestAReadWithoutASession(t *testing.T) {
	w := demotest.Start(t, demo.Options{ReaderRole: true, Packed: func(string) int { return 101 }})
	const folder = "annual/alone/"
	w.Put(t, "company-reports", folder+"a", "x")
	ada := w.AddPerson(t, "reader", "finance-team")
	for name, read := range map[string]func() error{
		"stat": func() error {
			_, err := ada.Stat(t.Context(), api.StatRequest{Bucket: "company-reports", Key: folder + "a"})
			return err
		},
		"versions": func() error {
			_, err := ada.Versions(t.Context(), api.VersionsRequest{Bucket: "company-reports", Key: folder + "a"})
			return err
		},
		"list": func() error {
			_, err := ada.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: folder})
			return err
		},
	} {
		before := len(w.Events(t, "action:"+event.Alarm))
		var refused *api.Error
		if err := read(); !errors.As(err, &refused) || refused.Code != api.StorageRefused {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(w.Events(t, "action:"+event.Alarm)) - before; n != 1 {
			t.Errorf("%s: %d alarms", name, n)
		}
		failed := w.Events(t, "action:"+name+" outcome:failed")
		if len(failed) != 1 || failed[0].Reason != "no session policy covers it" {
			t.Errorf("%s: %+v", name, failed)
		}
	}
}
