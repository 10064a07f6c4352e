package rig

import (
	"bytes"
	"compress/flate"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend/audit"
	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
	"usher/backend/grant"
)

// after is the bound of a revocation: no URL is released later.
const after = 5 * time.Second

// TestAmazonLambda plays the function of the released build on 8 instances, with
// requests dealt at random.
func TestAmazonLambda(t *testing.T) {
	f := startFleet(t, 8, false)
	t.Run("revocation", func(t *testing.T) { f.revocations(t, 0, 6) })
	t.Run("egress", f.egress)
	t.Run("starts", f.starts)
	t.Run("sessions", f.sessions)
	t.Run("kills", func(t *testing.T) { f.kills(t, 8, 0) })
	t.Run("size", f.size)
	if t.Failed() {
		for n, i := range f.instances {
			t.Logf("instance %d:\n%s", n, i.log.String())
		}
	}
}

// revocations disables people, takes them out of their group, or withdraws the
// grant, for the runs from one number up to another.
func (f *fleet) revocations(t *testing.T, from, to int) (urls, late int, worst time.Duration) {
	const atOnce = 6
	var mu sync.Mutex
	for first := from; first < to; first += atOnce {
		var work sync.WaitGroup
		for n := first; n < min(first+atOnce, to); n++ {
			name := fmt.Sprintf("person%04d", n)
			f.change(func(all []grant.Grant) []grant.Grant {
				return append(all, grant.Grant{Group: name, Bucket: fleetBucket, Prefix: name + "/", Effect: grant.Allow})
			})
			token := f.token(t, name, name)
			work.Go(func() {
				got, lateOnes, last := f.revocation(t, n%3, name, token)
				mu.Lock()
				defer mu.Unlock()
				urls, late, worst = urls+got, late+lateOnes, max(worst, last)
			})
		}
		work.Wait()
	}
	runs := to - from
	t.Logf("FLEET world=%s instances=%d runs=%d urls=%d late=%d last_url=%v", f.world(), len(f.instances), runs, urls, late, worst.Round(time.Millisecond))
	if late > 0 || urls < 3*runs {
		t.Errorf("%d URLs, %d of them later than %v", urls, late, after)
	}
	return urls, late, worst
}

// revocation sends requests to random instances before and after a change. It
// returns the numbers of all URLs and of late ones, and the time of the last one
// after the change.
func (f *fleet) revocation(t *testing.T, kind int, name, token string) (urls, late int, last time.Duration) {
	body := fmt.Sprintf(`{"objects":[{"bucket":%q,"key":"%s/a","etag":"\"0123456789abcdef0123456789abcdef\""}]}`, fleetBucket, name)
	ask := func() (int, time.Time) {
		started := time.Now()
		return len(f.instances[mrand.IntN(len(f.instances))].call(t.Context(), "release", token, body).released()), started
	}
	for end := time.Now().Add(waitLimit); urls < 4 && time.Now().Before(end); {
		n, _ := ask()
		urls += n
	}
	switch kind {
	case 0:
		_, err := f.admin.AdminDisableUser(t.Context(), &cognitoidentityprovider.AdminDisableUserInput{UserPoolId: aws.String(fleetPool), Username: &name})
		must(t, err)
	case 1:
		_, err := f.admin.AdminRemoveUserFromGroup(t.Context(), &cognitoidentityprovider.AdminRemoveUserFromGroupInput{
			UserPoolId: aws.String(fleetPool), Username: &name, GroupName: &name,
		})
		must(t, err)
	default:
		f.change(func(all []grant.Grant) []grant.Grant {
			return slices.DeleteFunc(all, func(g grant.Grant) bool { return g.Group == name })
		})
	}
	changed := time.Now()
	for time.Since(changed) < after+1500*time.Millisecond {
		n, started := ask()
		urls += n
		if n == 0 {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		since := started.Sub(changed)
		last = max(last, since)
		if since > after {
			late += n
			t.Errorf("kind %d: a URL %v after the change", kind, since)
		}
	}
	return urls, late, last
}

// kills ends instances with SIGKILL at a call to DynamoDB: before the call, or
// after it and before its response. Each URL that was received has its event, and
// each session one start.
func (f *fleet) kills(t *testing.T, count int, seed uint64) (urls, missing int) {
	f.change(func(all []grant.Grant) []grant.Grant {
		return append(all, grant.Grant{Group: "killed", Bucket: fleetBucket, Prefix: "killed/", Effect: grant.Allow})
	})
	body := fmt.Sprintf(`{"objects":[{"bucket":%q,"key":"killed/a","etag":"\"0123456789abcdef0123456789abcdef\""}]}`, fleetBucket)
	random := mrand.New(mrand.NewPCG(seed, 13))
	var ids []string
	var token string
	at := map[int]int{} // kills by the number of the call
	reach := 14
	if f.serve { // it makes calls beside requests too
		reach = 24
	}
	for n := range count {
		if n%2 == 0 { // the first request of a session makes more calls
			token = f.token(t, fmt.Sprintf("killed%04d", n), "killed")
		}
		i := f.instances[n%len(f.instances)]
		k, landed := 1+random.IntN(reach), random.IntN(2) == 0
		died := f.killAt(i, k, landed)
		for try := 0; try < reach && !died(); try++ {
			ids = append(ids, i.call(t.Context(), "release", token, body).released()...)
		}
		if died() {
			at[k]++
		}
		f.tables.Fault(nil)
		i.kill()
	}
	missing, starts := f.onRecord(t, ids)
	t.Logf("FLEET world=%s kills=%d at=%v urls=%d missing=%d sessions=%d", f.world(), count, at, len(ids), missing, starts)
	killed := 0
	for _, n := range at {
		killed += n
	}
	if missing > 0 || len(ids) < count/4 || killed < count*3/4 {
		t.Errorf("%d of %d URLs have no event; %d of %d instances were killed at a call", missing, len(ids), killed, count)
	}
	return len(ids), missing
}

// killAt kills an instance at the k-th call to DynamoDB from now, all of which are
// its own. The call is applied if landed is set.
func (f *fleet) killAt(i *instance, k int, landed bool) (died func() bool) {
	var calls atomic.Int64
	var dead atomic.Bool
	f.tables.Fault(func(string, int, []byte) dynamotest.Fault {
		switch n := int(calls.Add(1)); {
		case n < k:
			return dynamotest.Pass
		case n > k: // of calls beside the k-th one
			return dynamotest.Down
		case landed:
			i.killed()
			dead.Store(true)
			return dynamotest.Landed
		}
		i.killed()
		dead.Store(true)
		return dynamotest.Down
	})
	return dead.Load
}

// onRecord returns the number of ids without the event of a release. It checks
// that no session has several starts.
func (f *fleet) onRecord(t *testing.T, ids []string) (missing, sessions int) {
	t.Helper()
	released, starts := map[string]bool{}, map[string]int{}
	for page := (audit.Page{Limit: audit.MaxPage}); ; {
		found, err := f.log.Query(t.Context(), event.Filter{}, page)
		must(t, err)
		for _, e := range found.Events {
			released[e.ID] = e.Action == event.Download && e.Outcome == event.Allowed
			if e.Action == event.SessionStart && e.Outcome == event.Allowed {
				starts[e.Session]++
			}
		}
		if page.Position = found.Position; page.Position == "" {
			break
		}
	}
	for _, id := range ids {
		if !released[id] {
			missing++
		}
	}
	for session, n := range starts {
		if n != 1 {
			t.Errorf("session %s has %d events of its start", session, n)
		}
	}
	return missing, len(starts)
}

// egress checks the hosts that all instances dialed: the pool, S3, DynamoDB and
// STS of the region.
func (f *fleet) egress(t *testing.T) {
	hosts, refused := f.proxy.visited()
	want := []string{poolHost + ":443", "dynamodb." + region + ".amazonaws.com:443", "s3." + region + ".amazonaws.com:443", "sts." + region + ".amazonaws.com:443"}
	if !slices.Equal(hosts, want) || len(refused) > 0 {
		t.Errorf("the proxy connected %q and refused %q", hosts, refused)
	}
}

// recorded returns the events of an action when there are at least some.
func (f *fleet) recorded(t *testing.T, least int, terms ...event.Term) (events []event.Event) {
	t.Helper()
	indexer := auditdynamo.NewIndexer(f.log)
	for end := time.Now().Add(waitLimit); len(events) < least && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if _, err := indexer.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		found, err := f.log.Query(t.Context(), event.Filter{Terms: terms}, audit.Page{Limit: 10})
		must(t, err)
		events = found.Events
	}
	return events
}

// starts counts the events of the function's start: one for all instances.
func (f *fleet) starts(t *testing.T) {
	starts := f.recorded(t, 1, event.Term{Field: event.ByAction, Value: event.ServiceStart})
	if len(starts) != 1 {
		t.Errorf("%d events of a start for one version: %+v", len(starts), starts)
	}
}

// maxZip is the greatest size of the function's archive in bytes.
const maxZip = 10 << 20

var initReport = regexp.MustCompile(`INIT REPORT\(durationMs: ([0-9.]+)\)`)

// size measures the archive of the function and its initialization.
func (f *fleet) size(t *testing.T) {
	binary, err := os.ReadFile(tool(t, "USHER_RIG_LAMBDA"))
	must(t, err)
	var archive bytes.Buffer
	w, err := flate.NewWriter(&archive, flate.BestCompression)
	must(t, err)
	_, err = w.Write(binary)
	must(t, err)
	must(t, w.Close())
	var inits []float64
	for _, i := range f.instances {
		for _, m := range initReport.FindAllStringSubmatch(i.log.String(), -1) {
			ms, err := strconv.ParseFloat(m[1], 64)
			must(t, err)
			inits = append(inits, ms)
		}
	}
	slices.Sort(inits)
	if len(inits) == 0 || archive.Len() > maxZip {
		t.Fatalf("%d initializations, an archive of %d bytes", len(inits), archive.Len())
	}
	t.Logf("FUNCTION world=lambda binary_mb=%.1f zip_mb=%.1f init_ms=%.0f..%.0f", float64(len(binary))/1e6, float64(archive.Len())/1e6, inits[0], inits[len(inits)-1])
}
