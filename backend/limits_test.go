package backend_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// peers is the number of test connections. It is above the number of work slots.
const peers = 515

// unfinished opens connections and sends a complete header with an incomplete
// body on each. statuses waits for the responses within timeout, and returns their
// number by status; status 0 means no response.
func unfinished(t *testing.T, server, token string, timeout time.Duration) (statuses func() map[int]int) {
	t.Helper()
	host := strings.TrimPrefix(server, "http://")
	head := "POST /v1/whoami HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\n" +
		"Authorization: Bearer " + token + "\r\nContent-Length: 1000\r\n\r\n{"
	var mu sync.Mutex
	var wait sync.WaitGroup
	got := map[int]int{}
	for range peers {
		c, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := io.WriteString(c, head); err != nil {
			t.Fatal(err)
		}
		wait.Go(func() {
			_ = c.SetReadDeadline(time.Now().Add(timeout))
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			status := 0
			if err == nil {
				status = res.StatusCode
				_ = res.Body.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			got[status]++
		})
	}
	return func() map[int]int {
		wait.Wait()
		mu.Lock()
		defer mu.Unlock()
		return got
	}
}

// until polls a condition for at most 20 s.
func until(t *testing.T, condition string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", condition)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func disable(t *testing.T, w *demotest.Demo, name string) {
	t.Helper()
	_, err := w.Admin().AdminDisableUser(t.Context(), &cognitoidentityprovider.AdminDisableUserInput{UserPoolId: &w.UserPoolID, Username: &name})
	if err != nil {
		t.Fatal(err)
	}
}

// One person's unfinished bodies use only that person's share of the body slots,
// and no work slots. Negative control: without shares (Backend.WithoutShares) the
// same peers use more.
func TestUnfinishedBodiesLeaveSlotsToOthers(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	w.Put(t, "company-reports", "annual/one.csv", "one")
	ada := w.SignIn(t, "ada")
	mallory, err := w.AddPerson(t, "mallory").Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server, b := rebuilt(t, w, time.Now, nil)
	unfinished(t, server, mallory, time.Minute)
	until(t, "the peers use 32 slots", func() bool { bodies, _ := b.InUse(); return bodies == 32 })
	for i := range 50 {
		if _, err := releaseOne(t.Context(), at(t, ada, server), "company-reports", "annual/one.csv"); err != nil {
			t.Fatalf("download %d during %d unfinished bodies: %v", i, peers, err)
		}
	}
	if bodies, work := b.InUse(); bodies != 32 || work != 0 {
		t.Errorf("%d body slots and %d work slots in use, want 32 and 0", bodies, work)
	}

	control, off := rebuilt(t, w, time.Now, nil)
	off.WithoutShares()
	unfinished(t, control, mallory, time.Minute)
	until(t, "the peers use over 100 slots", func() bool { bodies, _ := off.InUse(); return bodies > 100 })
}

// A disabled person uses no slot: the refusal does not wait for the body.
func TestDisabledPersonUsesNoSlot(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	mallory, err := w.AddPerson(t, "mallory").Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	disable(t, w, "mallory")
	server, b := rebuilt(t, w, time.Now, nil)
	got := unfinished(t, server, mallory, 20*time.Second)()
	if got[http.StatusUnauthorized]+got[http.StatusTooManyRequests] != peers || got[http.StatusUnauthorized] == 0 {
		t.Errorf("the statuses of unfinished bodies: %v, want 401 (and 429 over the budget)", got)
	}
	if bodies, work := b.InUse(); bodies != 0 || work != 0 {
		t.Errorf("%d body slots and %d work slots in use, want none", bodies, work)
	}
}

// all reads the log of a rebuilt server through a filter.
func all(t *testing.T, log backend.Log, filter string) []event.Event {
	t.Helper()
	f, err := event.ParseFilter(filter, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var events []event.Event
	for page := (audit.Page{Limit: audit.MaxPage}); ; {
		found, err := log.Query(t.Context(), f, page)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, found.Events...)
		if page.Position = found.Position; page.Position == "" {
			return events
		}
	}
}

// Refused requests of a disabled person add at most 300 events a minute to the
// log; the others are one event with their exact number. Each refusal has the
// action of its verb.
func TestDisabledPersonCannotFillTheLog(t *testing.T) {
	now := &clock{}
	w := demotest.Start(t, demo.Options{Now: now.Now})
	token, err := w.AddPerson(t, "mallory", "finance-team").Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	grace := w.SignIn(t, "grace")
	disable(t, w, "mallory")
	var log backend.Log
	server, b := rebuilt(t, w, now.Now, func(c *backend.Config) { log = c.Audit })
	refused := map[string]int{}
	total := 0
	for round := range 100 {
		for verb, action := range b.Actions() {
			switch status, code := bearer(t, server, verb.Path(), token, "{}"); {
			case code == api.SessionRevoked:
				refused[action]++
				total++
			case code != api.RateLimited:
				t.Fatalf("%s: %d %s", verb, status, code)
			}
		}
		if round%10 == 0 {
			now.Pass(time.Second) // refills the rates a little
		}
	}
	now.Pass(61 * time.Second)
	names(t, at(t, grace, server), "", "") // any request records the suppressed refusals
	denied, held := map[string]int{}, 0
	for _, e := range all(t, log, "who:mallory") {
		switch {
		case e.Action == event.Suppressed:
			held += e.Count
		case e.Outcome == event.Denied && e.Reason == "session ended":
			denied[e.Action]++
		default:
			t.Errorf("an event of a disabled person: %+v", e)
		}
	}
	sum := 0
	for action := range refused {
		sum += denied[action]
		if denied[action] == 0 {
			t.Errorf("no refusal is recorded as %s", action)
		}
	}
	if sum != 300 || sum+held != total || total < 600 {
		t.Errorf("%d refusals: %d events and %d suppressed, want 300 events and the rest suppressed", total, sum, held)
	}
}

// Sign-outs of one session are one event, even concurrently and after a restart.
func TestRepeatedSignOutsAreOneEvent(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	token, err := w.SignIn(t, "ada").Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var log backend.Log
	server, b := rebuilt(t, w, time.Now, func(c *backend.Config) { log = c.Audit })
	signOut := func() string {
		status, body := post(t, server, api.VerbSignout, token, "{}")
		if status != http.StatusOK {
			t.Fatalf("signing out: %d %s", status, body)
		}
		return body
	}
	first := signOut()
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if got := signOut(); got != first {
				t.Errorf("a repetition returns %s, the first sign-out %s", got, first)
			}
		})
	}
	wait.Wait()
	b.ForgetSessions()
	if got := signOut(); got != first {
		t.Errorf("after a restart: %s, want %s", got, first)
	}
	events := all(t, log, "who:ada action:"+event.SignOut)
	if len(events) != 1 || !strings.Contains(first, events[0].ID) {
		t.Errorf("%d events of 22 sign-outs of one session, want 1", len(events))
	}
	other, err := w.SignIn(t, "ada").Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status, body := post(t, server, api.VerbSignout, other, "{}"); status != http.StatusOK || body == first {
		t.Errorf("another session: %d %s", status, body)
	}
}

// The groups of a person without groups are the JSON list [], not null.
func TestNoGroupsAreAnEmptyList(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	token, err := w.AddPerson(t, "newcomer").Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status, body := post(t, w.Server, api.VerbWhoami, token, "{}"); status != http.StatusOK || !strings.Contains(body, `"groups":[]`) {
		t.Errorf("%d %s", status, body)
	}
}

// post posts a body with a token and returns the status and the response body.
func post(t *testing.T, server string, verb api.Verb, token, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+verb.Path(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res := demotest.Do(t, req)
	return res.Status, string(res.Body)
}
