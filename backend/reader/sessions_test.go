package reader_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/elapsed/elapsedtest"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/object"
	"usher/backend/reader"
	"usher/backend/sandbox"
)

const ada = "3f0e1f7a-0000-4000-8000-00000000ada0"

// world is the sandbox's S3 and STS with Sessions of its reader role.
type world struct {
	*sandbox.Sandbox
	sessions *reader.Sessions
	now      time.Time // of Sessions; the sandbox has the real time
}

func newWorld(t *testing.T, packed func(string) int) *world {
	t.Helper()
	w := &world{now: time.Now()}
	var err error
	w.Sandbox, err = sandbox.Start(t.Context(), sandbox.Options{
		Dir: t.TempDir(), Now: time.Now, ReaderRole: true, Packed: packed,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Sandbox.Close() })
	w.sessions = w.instance(t)
	return w
}

// instance returns Sessions of another server.
func (w *world) instance(t *testing.T) *reader.Sessions {
	t.Helper()
	s, err := reader.New(reader.Config{STS: w.client(), Role: w.ReaderRole, Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) client() *sts.Client {
	key, secret := w.Credentials()
	return sts.NewFromConfig(aws.Config{Region: w.Region, Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")},
		func(o *sts.Options) { o.BaseEndpoint = aws.String(w.STSEndpoint) })
}

func (w *world) reading(t *testing.T, sub string, grants []grant.Grant) *reader.Reading {
	t.Helper()
	r, err := w.sessions.Reading(sub, newSet(t, grants), []string{"red"}, w.now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newSet(t *testing.T, grants []grant.Grant) *grant.Set {
	t.Helper()
	set, err := grant.NewSet(grants)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// put writes an object as the owner.
func (w *world) put(t *testing.T, bucket, key string) {
	t.Helper()
	owner := s3.NewFromConfig(aws.Config{Region: w.Region, Credentials: credentials.NewStaticCredentialsProvider(w.S3AccessKey, w.S3SecretKey, "")},
		func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String(w.S3Endpoint), true })
	if _, err := owner.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("x")}); err != nil {
		t.Fatalf("%q: %v", key, err)
	}
}

// fetch presigns an object without any decision, and returns the status of GET.
func (w *world) fetch(t *testing.T, ctx context.Context, credentials aws.CredentialsProvider, bucket, key string) int {
	t.Helper()
	log, err := audit.New(audit.Config{Store: audittest.NewMemory(), Now: func() time.Time { return w.now }, NewID: audittest.NewID()})
	if err != nil {
		t.Fatal(err)
	}
	receipts, err := log.RecordReleases(ctx, []audit.Release{{CheckedAt: w.now, Link: true, Event: event.Event{User: event.User{Sub: ada}, Bucket: bucket, Key: key}}})
	if err != nil {
		t.Fatal(err)
	}
	presigner, err := object.NewPresigner(object.PresignerConfig{
		Region: w.Region, Endpoint: w.S3Endpoint, PathStyle: true, Credentials: credentials,
		CheckAge: func() time.Duration { return 5 * time.Second }, Now: func() time.Time { return w.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := presigner.Sign(ctx, receipts[0])
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, signed.Reveal(), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// The policy of the session refuses objects outside the grants, with usher's own
// decision switched off: the presigner signs every object here. Control: without
// a policy the same URLs work.
func TestPolicyAloneRefuses(t *testing.T) {
	w := newWorld(t, nil)
	grants := []grant.Grant{
		{Group: "red", Bucket: "company-reports", Prefix: "annual/"},
		{Group: "red", Bucket: "company-reports", Prefix: "annual/secret*/", Effect: grant.Deny},
		{Group: "red", Bucket: "builds", Object: "a?b$c*"},
		{Group: "blue", Bucket: "company-reports", Prefix: "quarterly/"},
	}
	set := newSet(t, grants)
	reading := w.reading(t, ada, grants)
	if left, err := reading.Prepare(t.Context(), []reader.Object{{Bucket: "builds", Key: "a?b$c*"}}); err != nil || len(left) > 0 {
		t.Fatal(err, left)
	}
	ctx := reading.Object(t.Context(), "builds", "a?b$c*")
	none, err := w.client().AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(w.ReaderRole), RoleSessionName: aws.String("control")})
	if err != nil {
		t.Fatal(err)
	}
	control := object.WithCredentials(t.Context(), aws.Credentials{
		AccessKeyID: *none.Credentials.AccessKeyId, SecretAccessKey: *none.Credentials.SecretAccessKey,
		SessionToken: *none.Credentials.SessionToken, CanExpire: true, Expires: *none.Credentials.Expiration,
	})
	count := 1000
	if testing.Short() {
		count = 200
	}
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"annual", "annual/", "secret*/", "secret", "quarterly/", "a", "?", "b$c*", "*", "${*}", "/", "x", "A", "a?b$c"}
	outside, reached, inside := 0, 0, 0
	for outside < count {
		bucket, key := []string{"company-reports", "builds", "datasets"}[random.IntN(3)], ""
		for range 1 + random.IntN(4) {
			key += pieces[random.IntN(len(pieces))]
		}
		w.put(t, bucket, key)
		if set.Decide([]string{"red"}, bucket, key, w.now).Allowed {
			inside++
			if status := w.fetch(t, ctx, object.ContextCredentials{}, bucket, key); status != http.StatusOK {
				t.Errorf("granted %s/%q: %d", bucket, key, status)
			}
			continue
		}
		outside++
		if status := w.fetch(t, ctx, object.ContextCredentials{}, bucket, key); status != http.StatusForbidden {
			t.Errorf("outside the grants: %s/%q: %d", bucket, key, status)
		}
		if outside%10 == 0 && w.fetch(t, control, object.ContextCredentials{}, bucket, key) == http.StatusOK {
			reached++
		}
	}
	t.Logf("%d objects outside the grants refused, %d granted objects fetched", outside, inside)
	if reached != count/10 {
		t.Errorf("control: without a policy %d of %d objects are reached", reached, count/10)
	}
}

// Two people use their own sessions at once, and the name of a session is the sub.
func TestSessionsAreOnePersons(t *testing.T) {
	w := newWorld(t, nil)
	w.put(t, "builds", "one/a")
	w.put(t, "builds", "two/a")
	contexts := map[string]context.Context{}
	for _, sub := range []string{"one", "two"} {
		r := w.reading(t, sub, []grant.Grant{{Group: "red", Bucket: "builds", Prefix: sub + "/"}})
		if _, err := r.Prepare(t.Context(), []reader.Object{{Bucket: "builds", Key: sub + "/a"}}); err != nil {
			t.Fatal(err)
		}
		contexts[sub] = r.Object(t.Context(), "builds", sub+"/a")
	}
	for sub, ctx := range contexts {
		for _, other := range []string{"one", "two"} {
			want := http.StatusForbidden
			if other == sub {
				want = http.StatusOK
			}
			if got := w.fetch(t, ctx, object.ContextCredentials{}, "builds", other+"/a"); got != want {
				t.Errorf("%s reads the object of %s: %d", sub, other, got)
			}
		}
	}
	names := map[string]bool{}
	for _, c := range w.STS.Calls() {
		names[c.Name] = true
	}
	if len(names) != 2 || !names["one"] || !names["two"] {
		t.Errorf("%v", names)
	}
}

// A session is kept for ten minutes for the same person, groups and grants. After
// a freeze the wall clock counts.
func TestKeptSessions(t *testing.T) {
	w := newWorld(t, nil)
	grants := []grant.Grant{{Group: "red", Bucket: "builds", Prefix: "a/"}, {Group: "blue", Bucket: "builds", Prefix: "b/"}}
	calls := func(sub string, groups []string, grants []grant.Grant) int {
		t.Helper()
		before := len(w.STS.Calls())
		r, err := w.sessions.Reading(sub, newSet(t, grants), groups, w.now)
		if err != nil {
			t.Fatal(err)
		}
		if left, err := r.Prepare(t.Context(), []reader.Object{{Bucket: "builds", Key: "a/x"}}); err != nil || len(left) > 0 {
			t.Fatal(err, left)
		}
		return len(w.STS.Calls()) - before
	}
	more := append([]grant.Grant{{Group: "red", Bucket: "datasets", Prefix: ""}}, grants...)
	ending := append([]grant.Grant{{Group: "red", Bucket: "datasets", Prefix: "", Expires: w.now.Add(time.Minute)}}, grants...)
	for i, step := range []struct {
		pass   time.Duration
		sub    string
		groups []string
		grants []grant.Grant
		calls  int
	}{
		{0, ada, []string{"red"}, grants, 1},
		{9 * time.Minute, ada, []string{"red"}, grants, 0},
		{0, "other", []string{"red"}, grants, 1},
		{0, ada, []string{"red", "blue"}, grants, 1},
		{0, ada, []string{"blue", "red"}, grants, 0},
		{0, ada, []string{"red"}, more, 1},
		{0, ada, []string{"red"}, more, 0},
		{11 * time.Minute, ada, []string{"red"}, more, 1},
		{0, ada, []string{"red"}, ending, 0}, // the same policy for another version
		{2 * time.Minute, ada, []string{"red"}, ending, 1},
	} {
		w.now = w.now.Add(step.pass)
		if i == 8 {
			ending[0].Expires = w.now.Add(time.Minute)
		}
		if got := calls(step.sub, step.groups, step.grants); got != step.calls {
			t.Errorf("step %d: %d calls, want %d", i, got, step.calls)
		}
	}
	w.now = elapsedtest.Thawed(time.Now(), 3600)
	calls(ada, []string{"red"}, grants)
	w.now = elapsedtest.Thawed(w.now, 3600)
	if got := calls(ada, []string{"red"}, grants); got != 1 {
		t.Errorf("after an hour in the freezer: %d calls", got)
	}
}

// A failure of STS is a failure of the storage, and never a reading with other
// credentials.
func TestFailedSessions(t *testing.T) {
	w := newWorld(t, nil)
	grants, objects := many(1, "p")
	for name, c := range map[string]struct {
		role, endpoint string
		want           error
	}{
		"another role": {"arn:aws:iam::111122223333:role/other", w.STSEndpoint, object.ErrRefused},
		"unreachable":  {w.ReaderRole, "http://127.0.0.1:1", object.ErrUnavailable},
	} {
		key, secret := w.Credentials()
		client := sts.NewFromConfig(aws.Config{Region: w.Region, Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")},
			func(o *sts.Options) { o.BaseEndpoint, o.RetryMaxAttempts = aws.String(c.endpoint), 1 })
		sessions, err := reader.New(reader.Config{STS: client, Role: c.role, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		r, err := sessions.Reading(ada, newSet(t, grants), []string{"red"}, w.now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Prepare(t.Context(), objects); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if _, err := (object.ContextCredentials{}).Retrieve(r.Object(t.Context(), objects[0].Bucket, objects[0].Key)); !errors.Is(err, object.ErrCredentials) {
			t.Errorf("%s: credentials without a session: %v", name, err)
		}
		if _, err := r.Folder(t.Context(), "builds", "p0000/"); !errors.Is(err, c.want) {
			t.Errorf("%s: listing: %v, want %v", name, err, c.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	client := sts.New(sts.Options{})
	for name, c := range map[string]reader.Config{
		"no client":     {Role: "arn:aws:iam::111122223333:role/r", Now: time.Now},
		"no clock":      {STS: client, Role: "arn:aws:iam::111122223333:role/r"},
		"no role":       {STS: client, Now: time.Now},
		"a user":        {STS: client, Now: time.Now, Role: "arn:aws:iam::111122223333:user/r"},
		"a short count": {STS: client, Now: time.Now, Role: "arn:aws:iam::1:role/r"},
	} {
		if _, err := reader.New(c); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	for _, role := range []string{"arn:aws:iam::111122223333:role/path/r", "arn:aws-us-gov:iam::111122223333:role/r", "arn:aws-cn:iam::111122223333:role/r"} {
		if _, err := reader.New(reader.Config{STS: client, Now: time.Now, Role: role}); err != nil {
			t.Error(role, err)
		}
	}
}
