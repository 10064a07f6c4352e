package backend_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/accessrequest"
	"usher/backend/api"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// Two admins answer the same request at the same moment, on different servers. One answer
// is valid, with its grant or none. The other admin gets a sentence, and the log has both
// tries.
func TestTwoAdminsAnswerAtOnce(t *testing.T) {
	f := demotest.StartFleet(t, demotest.FleetOptions{Size: 2})
	ctx := t.Context()
	ada := f.SignIn(t, "ada")
	admins := map[string]demotest.Actor{"margaret": f.SignIn(t, "margaret"), "hedy": f.AddPerson(t, "hedy", "usher-admins")}
	end := time.Now().Add(24 * time.Hour).UTC().Truncate(time.Millisecond)
	for round, approves := range []map[string]bool{
		{"margaret": true, "hedy": false}, {"margaret": true, "hedy": true}, {"margaret": false, "hedy": false},
		{"margaret": false, "hedy": true}, {"margaret": true, "hedy": false}, {"margaret": true, "hedy": true},
	} {
		key := "race-" + string(rune('a'+round)) + "/"
		if _, err := ada.Ask(ctx, api.AskRequest{Bucket: "builds", Key: key}); err != nil {
			t.Fatal(err)
		}
		q := oneAsking(t, admins["margaret"])
		var mu sync.Mutex
		var done sync.WaitGroup
		start, failed, won := make(chan struct{}), map[string]error{}, []string{}
		for name, admin := range admins {
			in := api.AnswerRequest{Request: q.Request, Approve: approves[name], Reason: name + " has decided"}
			if in.Approve {
				in.Group, in.Expires = "finance-team", &end
			}
			done.Go(func() {
				<-start
				out, err := admin.Answer(ctx, in)
				mu.Lock()
				defer mu.Unlock()
				if err == nil && len(out.Problems) == 0 {
					won = append(won, name)
				} else {
					failed[name] = err
				}
			})
		}
		close(start)
		done.Wait()
		if len(won) != 1 || len(failed) != 1 {
			t.Fatalf("%s: answers of %v stand, and those of %v do not", key, won, failed)
		}
		for name, err := range failed {
			if codeOf(err) != api.RequestAnswered {
				t.Errorf("%s: %s: %v", key, name, err)
			}
		}
		mine, err := ada.Asked(ctx)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(mine.Requests, func(a api.Asked) bool { return a.Key == key })
		if want := map[bool]string{true: api.AskApproved, false: api.AskDeclined}[approves[won[0]]]; mine.Requests[i].State != want || mine.Requests[i].Answer != won[0]+" has decided" {
			t.Errorf("%s: %s has answered, but the request is %+v", key, won[0], mine.Requests[i])
		}
		listed, err := admins["hedy"].GrantsList(ctx)
		if err != nil {
			t.Fatal(err)
		}
		grants := 0
		for _, g := range listed.Grants {
			if strings.Contains(g.Text, key) {
				grants++
				if !approves[won[0]] || !strings.HasPrefix(g.Reason, won[0]) {
					t.Errorf("%s: the grant %s with the reason %q", key, g.Text, g.Reason)
				}
			}
		}
		if want := map[bool]int{true: 1}[approves[won[0]]]; grants != want {
			t.Errorf("%s: %d grants, not %d", key, grants, want)
		}
		tries := map[string]string{}
		for _, e := range f.Events(t, "action:access-answered") {
			if e.Path() == "builds/"+key {
				tries[e.User.Username] += e.Outcome
			}
		}
		for name := range admins {
			if want := map[bool]string{true: event.Allowed, false: event.Failed}[name == won[0]]; tries[name] != want {
				t.Errorf("%s: the log has the try of %s as %q, not %q", key, name, tries[name], want)
			}
		}
	}
}

// Requests of one person at the same moment: those over the limit have a record that they
// had no effect.
func TestRequestsAtOnce(t *testing.T) {
	f := demotest.StartFleet(t, demotest.FleetOptions{Size: 2})
	ada := f.SignIn(t, "ada")
	const most = accessrequest.MaxOpen
	var all sync.WaitGroup
	var kept atomic.Int32
	start := make(chan struct{})
	for i := range 2 * most {
		all.Go(func() {
			<-start
			_, err := ada.Ask(t.Context(), api.AskRequest{Bucket: "builds", Key: fmt.Sprint("folder-", i, "/")})
			switch {
			case err == nil:
				kept.Add(1)
			case codeOf(err) != api.RequestsFull:
				t.Error(err)
			}
		})
	}
	close(start)
	all.Wait()
	if kept.Load() != most {
		t.Errorf("%d requests are kept", kept.Load())
	}
	allowed, void := map[string]bool{}, 0
	events := f.Events(t, "action:access-requested")
	for _, e := range events {
		if e.Outcome == event.Allowed {
			allowed[e.ID] = true
		}
	}
	for _, e := range events {
		if id, ok := strings.CutPrefix(e.Reason, "the event "); ok {
			if id, _, _ = strings.Cut(id, " "); !allowed[id] || e.Outcome != event.Failed {
				t.Errorf("%s: %s", e.Outcome, e.Reason)
			}
			void++
		}
	}
	if len(allowed)-void != most {
		t.Errorf("%d requests are recorded as allowed, and %d of them without an effect", len(allowed), void)
	}
}
