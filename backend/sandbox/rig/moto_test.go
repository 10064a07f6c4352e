package rig

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/dynamo"
	"usher/backend/event"
	"usher/backend/grant"
	grantdynamo "usher/backend/grant/dynamo"
	"usher/backend/grant/dynamo/storetest"
	"usher/backend/grant/granttest"
	"usher/backend/identity"
	"usher/backend/identity/directorytest"
	"usher/backend/state"
)

// moto starts a DynamoDB with transactions by others and returns its endpoint. It
// returns "" where Python has no moto: the claims of the README have this limit.
func moto(t *testing.T) string {
	t.Helper()
	for _, python := range []string{os.Getenv("USHER_RIG_PYTHON"), "python3", "/usr/bin/python3"} {
		if python == "" || exec.Command(python, "-c", "import moto.server, flask").Run() != nil {
			continue
		}
		port := freePort(t)
		cmd := exec.CommandContext(t.Context(), python, "-m", "moto.server", "-H", "127.0.0.1", "-p", fmt.Sprint(port))
		var log lockedBuffer
		cmd.Stdout, cmd.Stderr = &log, &log
		must(t, cmd.Start())
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		endpoint := fmt.Sprintf("http://127.0.0.1:%d", port)
		for end := time.Now().Add(waitLimit); ; time.Sleep(50 * time.Millisecond) {
			res, err := http.Get(endpoint + "/moto-api/")
			if err == nil {
				_ = res.Body.Close()
				return endpoint
			}
			if time.Now().After(end) {
				t.Fatalf("moto does not listen: %v\n%s", err, log.String())
			}
		}
	}
	t.Log("not checked: Python has no moto")
	return ""
}

// tables are tables in moto.
type tables struct {
	t        *testing.T
	endpoint string
	n        *atomic.Int64
}

// client returns the client of a further instance.
func (m tables) client() *dynamo.Client {
	c, err := dynamo.New(dynamo.Config{
		AWS:      aws.Config{Region: region, Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", "")},
		Endpoint: m.endpoint, Now: time.Now, Attempt: 10 * time.Second,
	})
	must(m.t, err)
	return c
}

// create creates tables with new names.
func (m tables) create(names ...string) (created []string) {
	n := m.n.Add(1)
	for _, name := range names {
		name = fmt.Sprintf("rig-%d-%s", n, name) // storetest has names of its own
		must(m.t, m.client().CreateTable(m.t.Context(), name))
		created = append(created, name)
	}
	return created
}

func (m tables) log(now func() time.Time) *auditdynamo.Store {
	name := m.create("log")[0]
	must(m.t, m.client().CreateTable(m.t.Context(), dynamo.IndexTable(name)))
	s, err := auditdynamo.New(auditdynamo.Config{DB: m.client(), Log: name, Now: now, Rand: rand.Reader})
	must(m.t, err)
	return s
}

func (m tables) state(table string) state.Config {
	client := m.client()
	reader, err := dynamo.NewReader(client, time.Now)
	must(m.t, err)
	return state.Config{Client: client, Reader: reader, Table: table, Now: time.Now, Source: &directorytest.Pool{}}
}

// TestMoto runs the stores that need transactions on moto.
func TestMoto(t *testing.T) {
	m := tables{t: t, endpoint: moto(t), n: new(atomic.Int64)}
	for name, test := range map[string]func(*testing.T, tables){
		"audit": motoAudit, "grants": motoGrants, "admins": motoAdmins,
		"sessions": motoSessions, "questions": motoQuestions, "refusals": motoRefusals,
	} {
		t.Run(name, func(t *testing.T) {
			if m.endpoint == "" {
				return // moto has logged it
			}
			m := m
			m.t = t
			test(t, m)
		})
	}
}

// motoAudit takes half a minute on moto; dynalite runs the same suite each time.
func motoAudit(t *testing.T, m tables) {
	if os.Getenv("USHER_SOAK") == "" {
		t.Skip("the whole suite of the log: USHER_SOAK is not set")
	}
	audittest.RunSlow(t, func() audit.Store { return m.log(audittest.Now) })
}

func motoGrants(t *testing.T, m tables) { granttest.Run(t, storetest.New(m.client)) }

// motoAdmins: of several changes from one version, one is in force, and it has its
// event.
func motoAdmins(t *testing.T, m tables) {
	log, table := m.log(time.Now), m.create("grants")[0]
	open := func() *grantdynamo.Store {
		client := m.client()
		reader, err := dynamo.NewReader(client, time.Now)
		must(t, err)
		c := grantdynamo.Config{Client: client, Reader: reader, Table: table, Now: time.Now, Log: slog.New(slog.DiscardHandler), Writes: log.Writes}
		must(t, grantdynamo.Init(t.Context(), c, event.IDs(rand.Reader)(time.Now())))
		s, err := grantdynamo.New(c)
		must(t, err)
		return s
	}
	before, err := open().Current(t.Context())
	must(t, err)
	var racing sync.WaitGroup
	var succeeded atomic.Int64
	for i := range 6 {
		s := open()
		next, err := grant.NewSet([]grant.Grant{{Group: fmt.Sprint("g", i), Bucket: "builds", Effect: grant.Allow}})
		must(t, err)
		racing.Go(func() {
			at := time.Now().UTC().Truncate(time.Millisecond)
			err := s.Apply(context.Background(), before.Version(), next, event.Event{
				ID: event.IDs(rand.Reader)(at), Time: at, Action: event.GrantsChanged, Outcome: event.Allowed, GrantsVersion: next.Version(),
			})
			switch {
			case err == nil:
				succeeded.Add(1)
			case !errors.Is(err, grant.ErrChanged):
				t.Error(err)
			}
		})
	}
	racing.Wait()
	found, err := log.Query(t.Context(), event.Filter{}, audit.Page{Limit: 10})
	must(t, err)
	after, err := open().Current(t.Context())
	must(t, err)
	if succeeded.Load() != 1 || len(found.Events) != 1 || found.Events[0].GrantsVersion != after.Version() || after.Version() == before.Version() {
		t.Errorf("%d changes, %d events", succeeded.Load(), len(found.Events))
	}
}

// motoSessions: the record of a session's start and its confirmation are one
// transaction.
func motoSessions(t *testing.T, m tables) {
	table := m.create("state")[0]
	sessions, err := state.NewSessions(m.state(table))
	must(t, err)
	name := m.create("log")[0]
	must(t, m.client().CreateTable(t.Context(), dynamo.IndexTable(name)))
	log, err := auditdynamo.New(auditdynamo.Config{DB: m.client(), Log: name, Now: time.Now, Rand: rand.Reader, Confirm: sessions.Confirmation})
	must(t, err)
	at := time.Now().UTC().Truncate(time.Millisecond)
	e := event.Clean(event.Event{ID: event.IDs(rand.Reader)(at), Time: at, Action: event.SessionStart, Outcome: event.Allowed, Session: event.SessionName("one")})
	first, recorded, err := sessions.Once(t.Context(), "one", e)
	if err != nil || recorded || first.ID != e.ID {
		t.Fatalf("%+v, %v, %v", first, recorded, err)
	}
	other := event.Clean(event.Event{ID: e.ID, Time: at, Action: event.List, Outcome: event.Allowed})
	must(t, log.Append(t.Context(), []event.Event{other}))
	if err := log.Append(t.Context(), []event.Event{first}); !errors.Is(err, audit.ErrConflict) {
		t.Errorf("another event with the id: %v", err)
	}
	if _, recorded, err := sessions.Once(t.Context(), "one", e); err != nil || recorded {
		t.Errorf("confirmed without a record: %v", err)
	}
	second := e
	second.ID, second.Session = event.IDs(rand.Reader)(at), event.SessionName("two")
	if first, _, err = sessions.Once(t.Context(), "two", second); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a repetition adds nothing
		must(t, log.Append(t.Context(), []event.Event{first}))
	}
	if _, recorded, err := sessions.Once(t.Context(), "two", second); err != nil || !recorded {
		t.Errorf("recorded without a confirmation: %v", err)
	}
}

// motoQuestions: the early count of a question happens without an answer in force,
// and not with one.
func motoQuestions(t *testing.T, m tables) {
	table := m.create("state")[0]
	count := func() (n int64) {
		out, err := m.client().Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String(table)})
		must(t, err)
		for _, item := range out.Items {
			if strings.HasPrefix(dynamo.TextOf(item, dynamo.PK), "questions#") {
				n += dynamo.NumberOf(item, "n")
			}
		}
		return n
	}
	cold := func() {
		d, err := state.NewDirectory(m.state(table))
		must(t, err)
		claims := directorytest.Claims("ada")
		d.Early(t.Context(), claims.Session, true)
		s, err := d.ForRelease(t.Context(), claims)
		if err == nil && s.Settle != nil {
			_, err = s.Settle(t.Context())
		}
		if err != nil && !errors.Is(err, identity.ErrBusy) {
			t.Fatal(err)
		}
	}
	for _, want := range []int64{1, 1} {
		cold()
		if n := count(); n != want {
			t.Errorf("%d questions counted, want %d", n, want)
		}
	}
}

// motoRefusals: counts of two instances become events with the exact sum.
func motoRefusals(t *testing.T, m tables) {
	log, table := m.log(time.Now), m.create("state")[0]
	var all sync.WaitGroup
	for range 2 {
		d, err := state.NewDenials(state.DenialsConfig{Config: m.state(table), Writes: log.Writes, NewID: event.IDs(rand.Reader)})
		must(t, err)
		all.Go(func() {
			for range 3 {
				at := time.Now()
				e := event.Event{
					ID: event.IDs(rand.Reader)(at), Time: at, Action: event.Suppressed, Outcome: event.Denied,
					User: event.User{Sub: "ada"}, Reason: "over the budget", Count: 7,
				}
				if err := errors.Join(d.Hold(context.Background(), e), d.Drain(context.Background(), true)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	found, err := log.Query(t.Context(), event.Filter{}, audit.Page{Limit: 100})
	must(t, err)
	sum := 0
	for _, e := range found.Events {
		sum += e.Count
	}
	if sum != 42 {
		t.Errorf("%d refusals in %d events, want 42", sum, len(found.Events))
	}
}
