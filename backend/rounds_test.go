package backend_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/api"
	"usher/backend/demo/demotest"
	"usher/backend/dynamo"
)

// rounds counts the round trips of a request: a call that begins after the end of
// another one can depend on it.
type rounds struct {
	next http.RoundTripper

	mu    sync.Mutex
	on    bool
	ended int // greatest round of the calls that have ended
	calls []string
}

// roundTime makes calls that do not depend on each other overlap.
const roundTime = 100 * time.Millisecond

func (r *rounds) RoundTrip(h *http.Request) (*http.Response, error) {
	body := []byte{}
	if h.Body != nil {
		var err error
		if body, err = io.ReadAll(h.Body); err != nil {
			return nil, err
		}
		h = h.Clone(h.Context())
		h.Body = io.NopCloser(bytes.NewReader(body))
	}
	_, name, _ := strings.Cut(h.Header.Get("X-Amz-Target"), ".")
	if name == "" {
		name = h.Method + " " + h.URL.Path
	}
	r.mu.Lock()
	// The indexer calls DynamoDB beside the requests.
	counted := r.on && !bytes.Contains(body, []byte("usher-log-index")) && (name != "Query" || !bytes.Contains(body, []byte(`"usher-log"`)))
	round := r.ended + 1
	if counted {
		r.calls = append(r.calls, fmt.Sprintf("%d:%s", round, name))
	}
	r.mu.Unlock()
	if counted {
		time.Sleep(roundTime)
		defer func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.ended = max(r.ended, round)
		}()
	}
	return r.next.RoundTrip(h)
}

func (r *rounds) count(on bool) (int, []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on = on
	return r.ended, r.calls
}

// ageAnswers makes the answers of the pool in the shared state too old.
func ageAnswers(t *testing.T, f *demotest.Fleet) {
	t.Helper()
	db := f.DynamoDB.Client(t)
	found, err := db.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("usher-state")})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range found.Items {
		if dynamo.TextOf(item, dynamo.SK) != "live" {
			continue
		}
		if _, err := db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: aws.String("usher-state"), Key: dynamo.Key(dynamo.TextOf(item, dynamo.PK), "live"),
			UpdateExpression: aws.String("SET #at = :old"), ExpressionAttributeNames: map[string]string{"#at": "at"},
			ExpressionAttributeValues: map[string]types.AttributeValue{":old": dynamo.Number(1)},
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// The round trips of the first request of a server, which has neither the keys of
// the pool nor the version of the grants in force nor any session. The first
// release compares the clocks with S3 too.
func TestRoundTripsOfAColdServer(t *testing.T) {
	var mu sync.Mutex
	wires := map[int]*rounds{}
	f := demotest.StartFleet(t, demotest.FleetOptions{Size: 1, ReaderRole: true, Wire: func(i int, next http.RoundTripper) http.RoundTripper {
		mu.Lock()
		defer mu.Unlock()
		if wires[i] == nil {
			wires[i] = &rounds{next: next}
		}
		return wires[i]
	}})
	f.Put(t, "company-reports", "annual/one.csv", "one")
	first := f.Instances()[0]
	admin := f.SignIn(t, "margaret")
	listed, err := f.SignIn(t, "ada").List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: "annual/", Recursive: true})
	if err != nil || len(listed.Entries) == 0 {
		t.Fatalf("%+v, %v", listed, err)
	}
	known := listed.Entries[0]
	whoami := func(ctx context.Context, a demotest.Actor) error { _, err := a.Whoami(ctx); return err }
	release := func(ctx context.Context, a demotest.Actor) error {
		out, err := a.Release(ctx, api.ReleaseRequest{Objects: []api.ReleaseObject{{Bucket: "company-reports", Key: "annual/" + known.Name, ETag: known.ETag, Mark: known.Mark}}})
		if err == nil && out.Items[0].URL == "" {
			err = fmt.Errorf("no URL: %v", out.Items[0].Error)
		}
		return err
	}
	examined := func(ctx context.Context, a demotest.Actor) error {
		out, err := a.Release(ctx, api.ReleaseRequest{Objects: []api.ReleaseObject{{Bucket: "company-reports", Key: "annual/one.csv"}}})
		if err == nil && out.Items[0].URL == "" {
			err = fmt.Errorf("no URL: %v", out.Items[0].Error)
		}
		return err
	}
	list := func(ctx context.Context, a demotest.Actor) error {
		out, err := a.List(ctx, api.ListRequest{Bucket: "company-reports", Prefix: "annual/", Recursive: true, URLs: 10, Limit: 1})
		if err == nil && (len(out.Entries) == 0 || out.Entries[0].Release == nil) {
			err = fmt.Errorf("no URL: %v", out.Entries)
		}
		return err
	}
	for n, c := range []struct {
		name      string
		do        func(context.Context, demotest.Actor) error
		in, known bool // the session, and an answer about it, are in the shared state
		want      int
	}{
		{"whoami, answer known", whoami, true, true, 1},
		{"release, answer known", release, true, true, 3},
		{"whoami, session known", whoami, true, false, 3},
		{"release, session known", release, true, false, 4},
		{"whoami, new session", whoami, false, false, 4},
		{"release, new session", release, false, false, 4},
		{"folder, answer known", list, true, true, 4},
		{"folder, session known", list, true, false, 4},
		{"folder, new session", list, false, false, 4},
		{"HEAD and release, new session", examined, false, false, 4},
	} {
		least, calls := 1<<30, []string(nil)
		for try := 0; try < 10 && least > c.want; try++ { // a slow machine delays calls that could overlap
			f.Route(first)
			ada := f.SignIn(t, "ada")
			cold := f.Add()
			f.Route(cold)
			res, err := http.Get(f.Server + "/v1/none") // the server has started
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			f.Route(first)
			// A version of the grants that the server has not loaded.
			edit := api.GrantsEditRequest{Add: []api.Grant{prefix("finance-team", "builds", fmt.Sprintf("%d-%d/", n, try))}}
			if _, err := admin.GrantsEdit(t.Context(), edit); err != nil {
				t.Fatal(err)
			}
			if c.in {
				if err := release(t.Context(), ada); err != nil {
					t.Fatal(err)
				}
			}
			if !c.known {
				ageAnswers(t, f)
			}
			f.Route(cold)
			mu.Lock()
			wire := wires[len(f.Instances())-1]
			mu.Unlock()
			wire.count(true)
			if err := c.do(t.Context(), ada); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if got, made := wire.count(false); got < least {
				least, calls = got, made
			}
			f.Route(nil)
			cold.Retire()
		}
		t.Logf("%-30s %d round trips: %v", c.name, least, calls)
		if least > c.want {
			t.Errorf("%s: %d round trips, want at most %d", c.name, least, c.want)
		}
	}
}
