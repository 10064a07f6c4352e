package backend_test

import (
	"context"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/audit"
	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// refusalsOnRecord returns the number of denied decisions in the log.
func refusalsOnRecord(t *testing.T, store *auditdynamo.Store) (n int) {
	t.Helper()
	filter, err := event.ParseFilter("outcome:denied", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for page := (audit.Page{Limit: audit.MaxPage}); ; {
		found, err := store.Query(t.Context(), filter, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range found.Events {
			n += audit.Denials(e)
		}
		if page.Position = found.Position; page.Position == "" {
			return n
		}
	}
}

// tryPost is post for a server that may die.
func tryPost(ctx context.Context, server string, verb api.Verb, token, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server+verb.Path(), strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// A person floods servers with refused requests while the servers are killed one
// after another. Each answered refusal is on record, by itself or in a sum.
func TestFleetCountsEveryRefusal(t *testing.T) {
	var ahead atomic.Int64
	f := demotest.StartFleet(t, demotest.FleetOptions{Size: 1, Now: func(int) func() time.Time {
		return func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	}})
	ada := f.SignIn(t, "ada")
	token, err := ada.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const each = 100
	var body strings.Builder
	for i := range each {
		fmt.Fprintf(&body, `,{"bucket":"builds","key":"%d"}`, i)
	}
	flood := `{"objects":[` + body.String()[1:] + `]}`
	random := mrand.New(mrand.NewPCG(3, 4))
	answered, sent, victims := 0, 0, runs(2, 3, 40)
	for range victims {
		victim := f.Add()
		f.Route(victim)
		victim.KillAt(8+random.IntN(12), random.IntN(2) == 0)
		for range 12 {
			status, text, err := tryPost(t.Context(), f.Server, api.VerbRelease, token, flood)
			sent += each
			if err == nil && (status == http.StatusOK || status == http.StatusTooManyRequests) {
				answered += each
			} else if err == nil && status != http.StatusServiceUnavailable {
				t.Errorf("%d %s", status, text)
			}
			if victim.Dead() {
				break
			}
		}
		f.Route(nil)
		victim.Retire()
	}
	ahead.Store(int64(11 * time.Second)) // the counts of the killed servers are old enough to be adopted
	store, got := fleetLog(t, f), 0
	for end := time.Now().Add(30 * time.Second); got < answered && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		got = refusalsOnRecord(t, store)
	}
	t.Logf("REFUSALS sent=%d answered=%d recorded=%d", sent, answered, got)
	if got < answered || got > sent || answered <= min(victims, 3)*300 { // more than the servers record one by one
		t.Errorf("%d refusals are on record; %d were answered, %d sent", got, answered, sent)
	}
}
