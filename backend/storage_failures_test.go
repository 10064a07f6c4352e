package backend_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
	"usher/backend/object"
	"usher/backend/object/objecttest"
	"usher/client"
)

// Absent, archived, refused and unreachable objects have different codes and
// events. The last two also have one line in the server's log. An object without
// a grant has the code of an absent one, and causes no storage call.
func TestStorageOutcomes(t *testing.T) {
	w, fake, log := onFake(t)
	alan := w.SignIn(t, "alan")
	for _, key := range []string{"kms", "policy", "tier", "ssec", "region", "ok"} {
		fake.Put("builds", "m/"+key, objecttest.Object{Body: key})
	}
	refusals := map[string]struct {
		status  int
		code    string
		message string
	}{
		"m/kms":    {403, "AccessDenied", "not authorized to perform: kms:Decrypt"},
		"m/policy": {403, "AccessDenied", "not authorized to perform: s3:GetObject with an explicit deny in a resource-based policy"},
		"m/tier":   {403, "InvalidObjectState", ""},
		"m/ssec":   {400, "InvalidRequest", "The object was stored using a form of Server Side Encryption"},
		"m/region": {301, "PermanentRedirect", ""},
	}
	hook := func(w http.ResponseWriter, r *http.Request, _, key string) bool {
		c, ok := refusals[key]
		if ok {
			objecttest.Refuse(w, r, c.status, c.code, c.message)
		}
		return ok
	}
	fake.SetHooks(nil, hook, hook)
	for key, want := range map[string]struct {
		code   api.Code
		reason string
		log    string
	}{
		"m/kms":    {api.StorageRefused, "the storage refused the server", "kms:Decrypt"},
		"m/tier":   {api.ObjectArchived, "the object is archived", ""},
		"m/policy": {api.StorageUnavailable, "a policy in AWS denies the server", "denies s3:ListBucket, s3:ListBucketVersions, s3:GetObject or s3:GetObjectVersion (403 AccessDenied): not authorized to perform: s3:GetObject"},
		"m/ssec":   {api.StorageRefused, "the storage refused the server", "Server Side Encryption"},
		"m/region": {api.StorageRefused, "the storage refused the server", "PermanentRedirect"},
		"m/absent": {api.NotFound, "there is no such object", ""},
		"m/ok":     {"", "", ""},
	} {
		for range 2 {
			if _, err := releaseOne(t.Context(), alan, "builds", key); codeOf(err) != want.code {
				t.Errorf("releasing %s: %v, want %s", key, err, want.code)
			}
			if _, err := alan.Stat(t.Context(), api.StatRequest{Bucket: "builds", Key: key}); codeOf(err) != want.code {
				t.Errorf("stat of %s: %v, want %s", key, err, want.code)
			}
		}
		if want.reason != "" {
			for _, e := range w.Events(t, "path:=builds/"+key) {
				if e.Outcome != event.Failed || e.Reason != want.reason {
					t.Errorf("%s: %s %s %q", key, e.Action, e.Outcome, e.Reason)
				}
			}
		}
		causes := slices.DeleteFunc(log.holding(want.log), func(line string) bool { return !strings.Contains(line, `"msg":"storage"`) })
		if want.log != "" && len(causes) != 1 {
			t.Errorf("%s: %d lines with %q", key, len(causes), want.log)
		}
	}
	seen := len(fake.Seen())
	denied, err := releaseOne(t.Context(), alan, "company-reports", "quarterly/q3.csv") // no grant
	if codeOf(err) != api.NotFound || len(fake.Seen()) != seen {
		t.Errorf("not granted: %+v, %v, %d requests", denied, err, len(fake.Seen())-seen)
	}
}

// A listing that the storage refuses is reported as refused, not as absent.
func TestListOutcomes(t *testing.T) {
	w, fake, _ := onFake(t)
	alan := w.SignIn(t, "alan")
	for _, c := range []struct {
		status int
		code   string
		want   api.Code
	}{
		{403, "AccessDenied", api.StorageUnavailable}, {301, "PermanentRedirect", api.StorageRefused}, {404, "NoSuchBucket", api.StorageRefused},
		{404, "NoSuchKey", api.StorageRefused}, {400, "InvalidArgument", api.StorageRefused},
	} {
		fake.SetHooks(func(l *objecttest.Listing) {
			l.Status, l.Body = c.status, "<Error><Code>"+c.code+"</Code></Error>"
		}, nil, nil)
		if _, err := alan.List(t.Context(), api.ListRequest{Bucket: "builds"}); codeOf(err) != c.want {
			t.Errorf("%d %s: %v, want %s", c.status, c.code, err, c.want)
		}
	}
}

// unreachable is a storage that does not respond.
type unreachable struct{ backend.Objects }

var errUnreachable = &object.Failure{Kind: object.ErrUnavailable, Doing: "testing"}

func (unreachable) List(context.Context, object.ListQuery) (object.Page, error) {
	return object.Page{}, errUnreachable
}

func (unreachable) Head(context.Context, string, string, string, string) (object.Facts, error) {
	return object.Facts{}, errUnreachable
}

func TestUnreachableStorage(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	alan := w.SignIn(t, "alan")
	server, _ := rebuilt(t, w, time.Now, func(c *backend.Config) { c.Objects = unreachable{c.Objects} })
	there := at(t, alan, server)
	for verb, call := range map[string]func(context.Context) error{
		"list": func(ctx context.Context) error {
			_, err := there.List(ctx, api.ListRequest{Bucket: "builds"})
			return err
		},
		"release": func(ctx context.Context) error { _, err := releaseOne(ctx, there, "builds", "x"); return err },
		"stat": func(ctx context.Context) error {
			_, err := there.Stat(ctx, api.StatRequest{Bucket: "builds", Key: "x"})
			return err
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var answer api.Code
		err := call(client.WithWait(ctx, func(w client.Wait) { // before a retry
			answer = w.Code
			cancel()
		}))
		if answer != api.StorageUnavailable && codeOf(err) != api.StorageUnavailable { // the items of a release are not retried
			t.Errorf("%s: %q, %v", verb, answer, err)
		}
		cancel()
	}
}

// If the storage refuses only the client, the server repeats the request when the
// client reports the failure. The cause is in the log, and the repetition carries
// the event id.
func TestRefusedDownloadIsExplained(t *testing.T) {
	w, fake, log := onFake(t)
	alan := w.SignIn(t, "alan")
	fake.Put("builds", "kms", objecttest.Object{Body: "x"})
	fake.SetHooks(nil, nil, func(w http.ResponseWriter, r *http.Request, _, _ string) bool {
		objecttest.Refuse(w, r, 403, "AccessDenied", "not authorized to perform: kms:Decrypt")
		return true
	})
	item, err := releaseOne(t.Context(), alan, "builds", "kms")
	if err != nil {
		t.Fatal(err)
	}
	report := func(a demotest.Actor) {
		t.Helper()
		if err := a.Client.Complete(t.Context(), api.CompleteRequest{Items: []api.CompleteItem{{Event: item.Event, Outcome: api.CompletedFailed}}}); err != nil {
			t.Fatal(err)
		}
	}
	report(w.SignIn(t, "grace")) // another person's event
	if n := len(log.holding("kms:Decrypt")); n != 0 {
		t.Errorf("another person's report: %d lines", n)
	}
	report(alan)
	if n := len(log.holding("kms:Decrypt")); n != 1 {
		t.Errorf("%d lines", n)
	}
	last := fake.Seen()[len(fake.Seen())-1]
	if !strings.HasPrefix(last, "GET ") || !strings.Contains(last, "x-usher-event="+item.Event) {
		t.Errorf("the repetition: %s", last)
	}
}
