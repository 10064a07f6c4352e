//go:build !nosandbox

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/sandbox/cognito"
	"usher/session"
)

// errorText is a sentence of session without a name there.
type errorText string

func (e errorText) Error() string { return string(e) }
func (errorText) Exit() int       { return api.ExitSignedOut }

// condition is a column of the table.
type condition struct {
	name  string
	fault cognito.Fault // "": none
	wrong bool
	late  bool
	limit bool // the call ends at its time limit
}

func conditions() []condition {
	return []condition{
		{name: "right"}, {name: "wrong", wrong: true}, {name: "expired", late: true},
		{name: "cut before", fault: cognito.FaultCutBefore}, {name: "cut after", fault: cognito.FaultCutAfter}, {name: "cut half", fault: cognito.FaultCutHalf},
		{name: "hang", fault: cognito.FaultHang}, {name: "hang to the limit", fault: cognito.FaultHang, limit: true},
		{name: "two packets", fault: cognito.FaultTwoPackets}, {name: "throttled", fault: cognito.FaultThrottled},
	}
}

// table is a demo whose pool has every native challenge.
type table struct {
	*demotest.Demo
	now     *shifted
	account atomic.Int64 // of the next person
}

// person plays one cell: a row under a condition, with the commands or on the page.
type person struct {
	t        *table
	row      challengeRow
	when     condition
	user     string
	folders  session.Folders
	profile  session.Profile
	typed    string        // the new password
	renewed  bool          // a new code was requested
	arrived  chan struct{} // at the row's question
	answer   chan struct{} // closed: answer it
	answered bool
	done     chan struct{} // closed after the end
	stop     context.CancelFunc
	reached  context.CancelFunc // the time limit of the call

	mu       sync.Mutex
	seen     strings.Builder // all texts, on one line
	exit     int             // of a command
	signedIn bool
	failed   error // of the play itself
}

// reply returns the answer to a question. At the row's question it waits.
func (p *person) reply(q question, choices []string) string {
	first := q == p.row.at && !p.answered
	if first {
		p.answered = true
		close(p.arrived)
		<-p.answer
	}
	if first && p.when.wrong {
		if q == askUser {
			return p.row.wrong + p.user
		}
		p.typed = p.row.wrong
		return p.row.wrong
	}
	switch q {
	case askUser:
		return p.user
	case askPassword:
		return tablePassword
	case askNewPassword:
		p.typed = "Another-Horse-8"
		return p.typed
	case askAgain:
		return p.typed
	case askAttribute:
		return "Newcomer"
	case askMail:
		return p.user + "@example.org"
	case askRemember:
		return map[bool]string{true: "y", false: "n"}[p.row.prepared]
	case askChoice:
		for i, c := range choices {
			if c == p.row.choice || p.row.choice == "" {
				return fmt.Sprint(i + 1)
			}
		}
		return "1"
	}
	if p.when.late && !first && p.answered && !p.renewed {
		p.renewed = true
		return "" // for a new code
	}
	return p.t.Sandbox.CodeNow(p.user)
}

func (p *person) sees(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen.WriteString(strings.Join(strings.Fields(text), " ") + " ")
}

func (p *person) saw() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

// newPerson adds an account for a cell.
func (w *table) newPerson(t *testing.T, row challengeRow, when condition) *person {
	t.Helper()
	account := row.account
	account.Username = fmt.Sprintf("person%d", w.account.Add(1))
	account.Groups = []string{"engineering"}
	if account.Email != "" {
		account.Email = account.Username + "@example.com"
	}
	if _, err := w.Sandbox.Pool.AddUser(account); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	folders := session.Folders{Config: filepath.Join(dir, "config"), State: filepath.Join(dir, "state")}
	profile, err := folders.Resolve(t.Context(), "", w.Server, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	return &person{
		t: w, row: row, when: when, user: account.Username, folders: folders, profile: profile,
		arrived: make(chan struct{}), answer: make(chan struct{}), done: make(chan struct{}),
	}
}

// Each challenge with a right, a wrong and a late answer and with each fault of the
// connection, with the commands and on the page: each failure has its own sentence
// and exit code, no text of the pool is shown, and no call is sent twice.
func TestTableOfChallenges(t *testing.T) {
	t.Parallel()
	now := &shifted{}
	w := &table{now: now, Demo: demotest.Start(t, demo.Options{Now: now.Now, Faults: []string{"requires:given_name", "devices-always"}})}
	if err := w.Sandbox.Warm(); err != nil {
		t.Fatal(err)
	}
	cells := 0
	for _, when := range conditions() {
		if testing.Short() && when.name != "cut after" {
			continue
		}
		t.Run(when.name, func(t *testing.T) {
			cells += w.play(t, when)
		})
	}
	t.Logf("SIGNIN rows=%d cells=%d", len(tableOfChallenges()), cells)
}

// play plays one column of the table, all rows at the same time. It returns the
// number of cells.
func (w *table) play(t *testing.T, when condition) int {
	pool := w.Sandbox.Pool
	pool.Mend()
	var all []*person
	for _, row := range tableOfChallenges() {
		if when.wrong && row.refusal == nil || when.late && row.late == 0 {
			continue
		}
		ways := []func(*testing.T, *person){w.startCommand, w.startPage}
		if when.limit { // the tests of session play the limits of the page
			ways = ways[:1]
		}
		for _, start := range ways {
			p := w.newPerson(t, row, when)
			all = append(all, p)
			start(t, p)
		}
	}
	for _, p := range all {
		select {
		case <-p.arrived:
		case <-p.done:
			t.Errorf("%s: the sign-in ended before the challenge: %v, %q", p.row.name, p.failed, p.saw())
		case <-time.After(patience):
			t.Fatalf("%s: the question never came: %q", p.row.name, p.saw())
		}
	}
	passed := time.Duration(0)
	for wave := range 6 {
		want := map[string]int{}
		for _, p := range all {
			if p.row.wave != wave {
				continue
			}
			if when.fault != "" {
				pool.Break(when.fault, p.row.call)
			}
			if when.late && p.row.late > passed {
				w.now.Pass(p.row.late - passed)
				passed = p.row.late
			}
			want[p.row.call]++
		}
		for _, p := range all {
			if p.row.wave == wave {
				close(p.answer)
			}
		}
		for call, n := range want { // later waves pass other challenges meanwhile
			w.met(t, when, call, n)
		}
	}
	w.end(t, when, all)
	if when.fault != "" && when.fault != cognito.FaultTwoPackets {
		w.once(t, when, all)
	}
	pool.Mend()
	for _, p := range all {
		p.check(t)
		if t.Failed() {
			t.Logf("%s saw %q", p.user, p.saw())
			break
		}
	}
	return len(all)
}

// met waits until n calls have met the fault.
func (w *table) met(t *testing.T, when condition, call string, n int) {
	t.Helper()
	if when.fault == "" {
		return
	}
	for end := time.Now().Add(patience); w.Sandbox.Pool.Met()[call] < n; <-time.After(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d calls of %s", w.Sandbox.Pool.Met()[call], n, call)
		}
	}
}

// end waits for the end of all cells. A call without an answer ends after its
// notice, as the person stops it, or at its limit.
func (w *table) end(t *testing.T, when condition, all []*person) {
	t.Helper()
	notice := regexp.MustCompile(`Waiting for the sign-in service at ` + regexp.QuoteMeta(strings.TrimPrefix(w.CognitoEndpoint, "http://")) + ` to answer\. esc stops it\.|` +
		`Waiting for the sign-in service at ` + regexp.QuoteMeta(strings.TrimPrefix(w.CognitoEndpoint, "http://")) + `\. Ctrl-C stops it\.`)
	for _, p := range all {
		switch {
		case when.limit:
			p.reached()
		case when.fault == cognito.FaultHang:
			for end := time.Now().Add(patience); !notice.MatchString(p.saw()); <-time.After(5 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%s: no notice after 3 s: %q", p.row.name, p.saw())
				}
			}
			p.stop()
		}
	}
	for _, p := range all {
		select {
		case <-p.done:
		case <-time.After(patience):
			t.Fatalf("%s does not end: %q", p.row.name, p.saw())
		}
	}
}

// once requires that each person's call was sent once. A throttled call had no
// effect, and is sent three times.
func (w *table) once(t *testing.T, when condition, all []*person) {
	t.Helper()
	want := map[string]int{}
	for _, p := range all {
		want[p.row.call]++
		if when.fault == cognito.FaultThrottled {
			want[p.row.call] += 2
		}
	}
	for call, n := range want {
		if got := w.Sandbox.Pool.Met()[call]; got != n {
			t.Errorf("%s: %d calls of %s, want %d", when.name, got, call, n)
		}
	}
}

// check compares the end of a cell with the table.
func (p *person) check(t *testing.T) {
	t.Helper()
	if p.failed != nil {
		t.Errorf("%s: %v", p.row.name, p.failed)
		return
	}
	saw := p.saw()
	for _, raw := range []string{"Exception", "https response", "operation error", "StatusCode", "context ", ": EOF", "unexpected EOF", "RequestID", "\x1b]"} {
		if strings.Contains(saw, raw) {
			t.Errorf("%s: raw text %q", p.row.name, raw)
		}
	}
	sentence, exit := "", api.ExitOK
	switch {
	case p.when.wrong:
		sentence, exit = p.row.refusal.Error(), exitCode(p.row.refusal)
		if p.row.again {
			exit = api.ExitOK
		}
	case p.when.late:
		sentence, exit = p.row.tooLate.Error(), exitCode(p.row.tooLate)
		if p.row.flag == "--forgot" { // the prompt follows again, for a new code
			exit = api.ExitOK
		}
	case p.when.fault == cognito.FaultHang && !p.when.limit:
		exit = api.ExitInterrupted
	case p.when.fault == cognito.FaultThrottled:
		sentence, exit = session.ErrThrottled.Error(), api.ExitUnavailable
	case p.when.fault != "" && p.when.fault != cognito.FaultTwoPackets:
		sentence, exit = "Can't reach "+strings.TrimPrefix(p.t.CognitoEndpoint, "http://"), api.ExitUnavailable
	}
	if !strings.Contains(saw, sentence) {
		t.Errorf("%s: no %q", p.row.name, sentence)
	}
	if p.exit != exit || p.signedIn != (exit == api.ExitOK) {
		t.Errorf("%s: exit code %d, want %d; signed in: %t", p.row.name, p.exit, exit, p.signedIn)
	}
}

func exitCode(err error) int {
	var failing api.Failing
	if errors.As(err, &failing) {
		return failing.Exit()
	}
	return api.ExitBug
}
