package backend_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend/api"
	"usher/backend/audit"
	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/demo/demotest"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
)

// runs returns the number of runs of a series.
func runs(short, normal, soak int) int {
	switch {
	case os.Getenv("USHER_SOAK") != "":
		return soak
	case testing.Short():
		return short
	}
	return normal
}

// fleetLog reads the log of a fleet without its servers.
func fleetLog(t *testing.T, f *demotest.Fleet) *auditdynamo.Store {
	t.Helper()
	store, err := auditdynamo.New(auditdynamo.Config{DB: f.DynamoDB.Client(t), Log: "usher-log", Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// starts returns the number of session-start events of each session.
func starts(t *testing.T, store *auditdynamo.Store) map[string]int {
	t.Helper()
	count := map[string]int{}
	filter, err := event.ParseFilter("action:session-start outcome:allowed", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	page := audit.Page{Limit: audit.MaxPage}
	for {
		found, err := store.Query(t.Context(), filter, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range found.Events {
			count[e.Session]++
		}
		if page.Position = found.Position; page.Position == "" {
			return count
		}
	}
}

// People lose their access by the user pool and by grants, while their requests
// go to 8 servers at random. No request that begins after the bound gets a URL:
// 5 s for the pool, and nothing for a change of the grants.
func TestFleetFollowsEveryRemoval(t *testing.T) {
	size := runs(6, 12, 600)
	f := demotest.StartFleet(t, demotest.FleetOptions{Size: 8, Now: skewed})
	f.Put(t, "company-reports", "annual/revoked/one.csv", "one")
	f.Put(t, "builds", "secret/a.txt", "content")
	admin := f.SignIn(t, "margaret")
	var people sync.WaitGroup
	slots := make(chan struct{}, 12)
	var late, refused atomic.Int64
	for i := range size {
		people.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			name := fmt.Sprintf("leaver-%03d", i)
			l := &leaver{Actor: f.AddPerson(t, name, "finance-team"), name: name, pages: i%3 == 0}
			if l.Client == nil {
				return
			}
			ctx, stop := context.WithTimeout(t.Context(), 60*time.Second)
			defer stop()
			done := make(chan struct{})
			go func() {
				defer close(done)
				l.poll(ctx, func() time.Duration { return 5 * time.Second }, 200*time.Millisecond)
			}()
			for l.requests.Load() < 4 && ctx.Err() == nil {
				time.Sleep(20 * time.Millisecond)
			}
			if err := remove(ctx, f.Demo, name, i%2 == 0); err != nil {
				t.Error(err)
			}
			l.gone.Store(time.Now().UnixNano())
			<-done
			late.Add(l.late.Load())
			if l.refused.Load() != 0 {
				refused.Add(1)
			}
		})
	}
	// Grants change meanwhile. A request that begins after the change follows it.
	ada := f.SignIn(t, "ada")
	for range runs(3, 10, 100) {
		for _, granted := range []bool{true, false} {
			in := api.GrantsEditRequest{Add: []api.Grant{prefix("finance-team", "builds", "secret/")}}
			if !granted {
				in = api.GrantsEditRequest{Remove: in.Add}
			}
			if _, err := admin.GrantsEdit(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if _, err := releaseOne(t.Context(), ada, "builds", "secret/a.txt"); (err == nil) != granted {
					t.Errorf("granted %v: %v", granted, err)
				}
			}
		}
	}
	people.Wait()
	t.Logf("FLEET people=%d refused=%d late=%d", size, refused.Load(), late.Load())
	if late.Load() != 0 || refused.Load() != int64(size) {
		t.Errorf("%d URLs after the bound; %d of %d people were refused", late.Load(), refused.Load(), size)
	}
	for session, n := range starts(t, fleetLog(t, f)) {
		if n != 1 {
			t.Errorf("session %s has %d session-start events", session, n)
		}
	}
}

// While DynamoDB fails, nothing is released and the health page names the part. A
// record with a lost response is one event.
func TestFleetWithoutDynamoDB(t *testing.T) {
	f := demotest.StartFleet(t, demotest.FleetOptions{Size: 2})
	f.Put(t, "company-reports", "annual/one.csv", "one")
	ada := f.SignIn(t, "ada")
	ready := func() (api.Health, int) {
		res, err := http.Get(f.Server + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		var health api.Health
		if err := json.NewDecoder(res.Body).Decode(&health); err != nil {
			t.Fatal(err)
		}
		return health, res.StatusCode
	}
	if item, err := releaseOne(t.Context(), ada, "company-reports", "annual/one.csv"); err != nil || item.URL == "" {
		t.Fatal(err)
	}
	f.DynamoDB.Reset()
	var lost atomic.Bool
	f.DynamoDB.Fault(func(op string, _ int, _ []byte) dynamotest.Fault {
		if op == "PutItem" && lost.CompareAndSwap(false, true) {
			return dynamotest.Landed
		}
		return dynamotest.Pass
	})
	item, err := releaseOne(t.Context(), ada, "company-reports", "annual/one.csv")
	if err != nil || !lost.Load() {
		t.Fatalf("a record with a lost response: %v", err)
	}
	f.DynamoDB.Fault(func(string, int, []byte) dynamotest.Fault { return dynamotest.Throttle })
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if item, err := releaseOne(ctx, ada, "company-reports", "annual/one.csv"); err == nil || item.URL != "" {
		t.Errorf("a URL while DynamoDB throttles: %v", err)
	}
	health, status := ready()
	parts := map[string]bool{}
	for _, p := range health.Problems {
		parts[p.Part] = true
	}
	if status != http.StatusServiceUnavailable || !parts["log"] || !parts["state"] || !parts["grants"] {
		t.Errorf("%d %+v", status, health)
	}
	f.DynamoDB.Fault(nil)
	if _, err := releaseOne(t.Context(), ada, "company-reports", "annual/one.csv"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if found, err := fleetLog(t, f).Get(t.Context(), []string{item.Event}); err != nil || len(found) != 1 {
		t.Errorf("%d events, %v", len(found), err)
	}
}

// skewed gives the servers clocks that are up to 5 s apart.
func skewed(i int) func() time.Time {
	skew := time.Duration(i%3-1) * 2500 * time.Millisecond
	return func() time.Time { return time.Now().Add(skew) }
}

func remove(ctx context.Context, d *demotest.Demo, name string, disable bool) error {
	if disable {
		_, err := d.Admin().AdminDisableUser(ctx, &cognitoidentityprovider.AdminDisableUserInput{UserPoolId: &d.UserPoolID, Username: &name})
		return err
	}
	_, err := d.Admin().AdminRemoveUserFromGroup(ctx, &cognitoidentityprovider.AdminRemoveUserFromGroupInput{UserPoolId: &d.UserPoolID, Username: &name, GroupName: aws.String("finance-team")})
	return err
}

// afterSignOut signs a person in on all servers, and out on one of them. It
// returns the questions to the pool before the sign-out, and the requests that
// other servers served after it.
func afterSignOut(t *testing.T, f *demotest.Fleet, questions *atomic.Int64) (asked int64, served int) {
	t.Helper()
	ada := f.SignIn(t, "ada")
	token, err := ada.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := questions.Load()
	for _, i := range f.Instances() {
		f.Route(i)
		if _, err := ada.Whoami(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	asked = questions.Load() - before
	f.Route(f.Instances()[0])
	if err := ada.Client.Signout(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Admin().AdminUserGlobalSignOut(t.Context(), &cognitoidentityprovider.AdminUserGlobalSignOutInput{
		UserPoolId: &f.UserPoolID, Username: aws.String("ada"),
	}); err != nil {
		t.Fatal(err)
	}
	for _, i := range f.Instances()[1:] {
		f.Route(i)
		if status, _ := post(t, f.Server, api.VerbWhoami, token, "{}"); status == http.StatusOK {
			served++
		}
	}
	return asked, served
}

// counted starts 8 servers and counts their questions to the pool.
func counted(t *testing.T, apart bool) (*demotest.Fleet, *atomic.Int64) {
	questions := &atomic.Int64{}
	return demotest.StartFleet(t, demotest.FleetOptions{Size: 8, Apart: apart, Now: skewed, Wire: func(_ int, next http.RoundTripper) http.RoundTripper {
		return counter{next, questions}
	}}), questions
}

// counter counts the questions about groups.
type counter struct {
	next http.RoundTripper
	n    *atomic.Int64
}

func (c counter) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".AdminListGroupsForUser") {
		c.n.Add(1)
	}
	return c.next.RoundTrip(r)
}

// A sign-out on one server is known to all at once, and one question to the pool
// is enough for all.
func TestFleetKnowsASignOutAtOnce(t *testing.T) {
	f, questions := counted(t, false)
	for range runs(1, 3, 50) {
		if asked, served := afterSignOut(t, f, questions); asked != 1 || served != 0 {
			t.Errorf("%d questions for 8 servers; %d requests served after the sign-out", asked, served)
		}
	}
}

// Control: servers with a state of their own each ask the pool, serve a person
// after the sign-out on another server, and record several starts of a session.
func TestFleetApart(t *testing.T) {
	f, questions := counted(t, true)
	asked, served := afterSignOut(t, f, questions)
	if asked < 2 || served == 0 {
		t.Errorf("%d questions, %d requests served: the series would not find a state for each server", asked, served)
	}
	most := 0
	for _, n := range starts(t, fleetLog(t, f)) {
		most = max(most, n)
	}
	if most < 2 {
		t.Errorf("at most %d starts of a session: the series would not find a state for each server", most)
	}
}

// Servers are killed between any two calls to DynamoDB. Each URL that a client
// received has its event in the log, and each session has one start.
func TestKilledServersLoseNothing(t *testing.T) {
	f := demotest.StartFleet(t, demotest.FleetOptions{Size: 1})
	f.Put(t, "company-reports", "annual/one.csv", "one")
	ctx := t.Context()
	random := mrand.New(mrand.NewPCG(7, 7))
	var ids []string
	killed, n := 0, runs(6, 12, 1000)
	var ada demotest.Actor
	for i := range n {
		if i%2 == 0 {
			ada = f.SignIn(t, "ada") // the first request of a session makes more calls
		}
		victim := f.Add()
		f.Route(victim)
		victim.KillAt(1+random.IntN(9), random.IntN(2) == 0)
		for range 4 {
			out, err := ada.Release(ctx, api.ReleaseRequest{Objects: []api.ReleaseObject{
				{Bucket: "company-reports", Key: "annual/one.csv"}, {Bucket: "company-reports", Key: "annual/absent.csv"},
			}})
			if err == nil && out.Items[0].URL != "" {
				ids = append(ids, out.Items[0].Event)
			}
			if victim.Dead() {
				killed++
				break
			}
		}
		f.Route(nil)
		victim.Retire()
	}
	store := fleetLog(t, f)
	missing := 0
	for _, id := range ids {
		found, err := store.Get(ctx, []string{id})
		if err != nil {
			t.Fatal(err)
		}
		if len(found) != 1 || found[0].Action != event.Download || found[0].Outcome != event.Allowed {
			missing++
		}
	}
	t.Logf("KILL runs=%d killed=%d released=%d missing=%d", n, killed, len(ids), missing)
	if missing != 0 || killed < n/2 || len(ids) < n/2 {
		t.Errorf("%d of %d released URLs have no event; %d of %d servers were killed", missing, len(ids), killed, n)
	}
	for session, count := range starts(t, store) {
		if count != 1 {
			t.Errorf("session %s has %d session-start events", session, count)
		}
	}
}

// unreadableLog fails the queries of the tables while on is true. Only the log and its
// index are queried.
type unreadableLog struct {
	next http.RoundTripper
	on   *atomic.Bool
}

func (u unreadableLog) RoundTrip(r *http.Request) (*http.Response, error) {
	if u.on.Load() && strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".Query") {
		return nil, errors.New("no answer from the log")
	}
	return u.next.RoundTrip(r)
}

// A server that cannot read the log, and knows that the session has started, records
// no second start when the groups change.
func TestGroupsChangeWhileTheLogCannotBeRead(t *testing.T) {
	var unreadable atomic.Bool
	f := demotest.StartFleet(t, demotest.FleetOptions{Size: 1, Wire: func(_ int, next http.RoundTripper) http.RoundTripper { return unreadableLog{next, &unreadable} }})
	ada := f.SignIn(t, "ada")
	if _, err := ada.Whoami(t.Context()); err != nil {
		t.Fatal(err)
	}
	unreadable.Store(true)
	if _, err := f.Admin().AdminAddUserToGroup(t.Context(), &cognitoidentityprovider.AdminAddUserToGroupInput{
		UserPoolId: &f.UserPoolID, Username: aws.String("ada"), GroupName: aws.String("engineering")}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) { // until the live check is too old
		me, err := ada.Whoami(t.Context())
		if err != nil || slices.Contains(me.Groups, "engineering") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the change of the groups did not show")
		}
	}
	unreadable.Store(false)
	if me, err := ada.Whoami(t.Context()); err != nil || !slices.Contains(me.Groups, "engineering") {
		t.Errorf("%v, %v", me.Groups, err)
	}
	for session, n := range starts(t, fleetLog(t, f)) {
		if n != 1 {
			t.Errorf("session %s has %d session-start events", session, n)
		}
	}
}
