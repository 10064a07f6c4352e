package rig

import (
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend/audit"
	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/event"
	"usher/backend/grant"
)

// after is the bound of a revocation: no URL is released later.
const after = 5 * time.Second

// TestAmazonLambda plays the function of the released build on 8 instances, with
// requests dealt at random.
func TestAmazonLambda(t *testing.T) {
	f := startFleet(t, 8, false)
	t.Run("revocation", f.revocations)
	t.Run("kills", f.kills)
	t.Run("egress", f.egress)
	t.Run("starts", f.starts)
	t.Run("sessions", f.sessions)
	t.Run("size", f.size)
	if t.Failed() {
		for n, i := range f.instances {
			t.Logf("instance %d:\n%s", n, i.log.String())
		}
	}
}

// revocations disables people, takes them out of their group, or withdraws the
// grant. The soak has 600 runs.
func (f *fleet) revocations(t *testing.T) {
	runs, atOnce := 6, 6
	if os.Getenv("USHER_SOAK") != "" {
		runs, atOnce = 600, 12
	}
	var mu sync.Mutex
	urls, late, worst := 0, 0, time.Duration(0)
	for first := 0; first < runs; first += atOnce {
		var work sync.WaitGroup
		for n := first; n < min(first+atOnce, runs); n++ {
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
	t.Logf("FLEET world=lambda instances=%d runs=%d urls=%d late=%d last_url=%v", len(f.instances), runs, urls, late, worst.Round(time.Millisecond))
	if late > 0 || urls < 3*runs {
		t.Errorf("%d URLs, %d of them later than %v", urls, late, after)
	}
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

// kills ends instances at random instants of requests. Each URL that was received
// has its event.
func (f *fleet) kills(t *testing.T) {
	count := 6
	if os.Getenv("USHER_SOAK") != "" {
		count = 200
	}
	f.change(func(all []grant.Grant) []grant.Grant {
		return append(all, grant.Grant{Group: "killed", Bucket: fleetBucket, Prefix: "killed/", Effect: grant.Allow})
	})
	token := f.token(t, "killed", "killed")
	body := fmt.Sprintf(`{"objects":[{"bucket":%q,"key":"killed/a","etag":"\"0123456789abcdef0123456789abcdef\""}]}`, fleetBucket)
	var mu sync.Mutex
	var ids []string
	lost := 0
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for ctx.Err() == nil {
				a := f.instances[mrand.IntN(len(f.instances))].call(t.Context(), "release", token, body)
				mu.Lock()
				ids = append(ids, a.released()...)
				if a.status == 0 {
					lost++
				}
				mu.Unlock()
			}
		})
	}
	for range count {
		time.Sleep(time.Duration(mrand.IntN(300)) * time.Millisecond)
		f.instances[mrand.IntN(len(f.instances))].kill()
	}
	stop()
	work.Wait()
	missing := 0
	for part := range slices.Chunk(ids, 10) {
		found, err := f.log.Get(t.Context(), part)
		for end := time.Now().Add(waitLimit); err != nil && time.Now().Before(end); { // minidyn is slow with many items
			found, err = f.log.Get(t.Context(), part)
		}
		must(t, err)
		missing += len(part) - len(found)
	}
	t.Logf("FLEET world=lambda kills=%d urls=%d requests_lost=%d missing=%d", count, len(ids), lost, missing)
	if missing > 0 || len(ids) < count {
		t.Errorf("%d of %d URLs have no event", missing, len(ids))
	}
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
