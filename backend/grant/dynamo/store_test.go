package dynamo_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	mrand "math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/oklog/ulid/v2"

	core "usher/backend/dynamo"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/grant/dynamo"
	"usher/backend/grant/dynamo/storetest"
	"usher/backend/grant/granttest"
)

// table is one table with a store and the events of its changes.
type table struct {
	t      testing.TB
	server *dynamotest.Server
	c      dynamo.Config
}

func newTable(t testing.TB) *table {
	t.Helper()
	s := dynamotest.New(t)
	w := &table{t: t, server: s}
	s.Table(t, "grants")
	s.Table(t, "log")
	w.c = w.config()
	return w
}

// config is the configuration of a further instance.
func (w *table) config() dynamo.Config {
	client := w.server.Client(w.t)
	reader, err := core.NewReader(client, time.Now)
	if err != nil {
		w.t.Fatal(err)
	}
	return dynamo.Config{
		Client: client, Reader: reader, Table: "grants", Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Writes: func(events []event.Event) ([]types.TransactWriteItem, error) {
			var all []types.TransactWriteItem
			for _, e := range events {
				all = append(all, types.TransactWriteItem{Put: &types.Put{
					TableName: aws.String("log"), Item: core.Key("event", e.ID), ConditionExpression: aws.String("attribute_not_exists(pk)"),
				}})
			}
			return all, nil
		},
	}
}

// open returns a store with readable grants.
func open(c dynamo.Config) (*dynamo.Store, error) {
	s, err := dynamo.New(c)
	if err == nil {
		_, err = s.Current(context.Background())
	}
	return s, err
}

func newID() string { return ulid.MustNew(ulid.Now(), rand.Reader).String() }

func (w *table) open() *dynamo.Store {
	w.t.Helper()
	s, err := open(w.config())
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *table) version() string {
	set, err := w.open().Current(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return set.Version()
}

func newSet(t testing.TB, grants ...grant.Grant) *grant.Set {
	t.Helper()
	set, err := grant.NewSet(grants)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (w *table) count(name, pk string) int {
	out, err := w.c.Client.Query(context.Background(), &dynamodb.QueryInput{
		TableName: aws.String(name), KeyConditionExpression: aws.String("pk = :p"), ConsistentRead: aws.Bool(true),
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": core.Text(pk)},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return len(out.Items)
}

func (w *table) init() {
	w.t.Helper()
	if err := dynamo.Init(context.Background(), w.c, newID()); err != nil {
		w.t.Fatal(err)
	}
}

func TestStore(t *testing.T) {
	s := dynamotest.New(t)
	granttest.Run(t, storetest.New(func() *core.Client { return s.Client(t) }))
}

// Of several admins with the same compared version, one succeeds, and each
// success has its event.
func TestOneOfManyAdminsSucceeds(t *testing.T) {
	ctx := context.Background()
	w := newTable(t)
	w.init()
	before := w.version()
	var mu sync.Mutex
	succeeded := 0
	var racing sync.WaitGroup
	for i := range 8 {
		s := w.open()
		racing.Go(func() {
			id := newID()
			err := s.Apply(ctx, before, newSet(t, grant.Grant{Group: fmt.Sprint("g", i), Bucket: "builds"}), event.Event{ID: id})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				succeeded++
			case !errors.Is(err, grant.ErrChanged):
				t.Errorf("admin %d: %v", i, err)
			}
		})
	}
	racing.Wait()
	if events, history := w.count("log", "event"), w.count("grants", "history"); succeeded != 1 || events != 1 || history != 1 {
		t.Errorf("%d changes, %d events, %d entries in the history", succeeded, events, history)
	}
}

// A change whose event cannot be written does not happen, and the reverse.
func TestNoChangeWithoutItsEvent(t *testing.T) {
	ctx := context.Background()
	w := newTable(t)
	w.init()
	s, before, id := w.open(), w.version(), newID()
	next := newSet(t, grant.Grant{Group: "g", Bucket: "builds"})
	if err := s.Apply(ctx, before, next); err == nil {
		t.Error("a change without an event was accepted")
	}
	if err := s.Apply(ctx, "another", next, event.Event{ID: newID()}); !errors.Is(err, grant.ErrChanged) {
		t.Errorf("a change of another version: %v", err)
	}
	if w.count("log", "event") != 0 || w.version() != before {
		t.Error("a refused change left a trace")
	}
	_, err := w.c.Client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("log"), Item: core.Key("event", id)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(ctx, before, next, event.Event{ID: id}); err == nil || w.version() != before {
		t.Errorf("a change happened although its event was refused: %v", err)
	}
}

// A fault at any call leaves the old or the new version in force, with as many
// events as changes.
func TestFaultsDuringAChange(t *testing.T) {
	ctx := context.Background()
	for _, fault := range []dynamotest.Fault{dynamotest.Throttle, dynamotest.Down, dynamotest.Error500, dynamotest.Landed} {
		for at := range 5 {
			for _, lasting := range []bool{false, true} {
				w := newTable(t)
				w.init()
				s, before, id := w.open(), w.version(), newID()
				next := newSet(t, grant.Grant{Group: "g", Bucket: "builds"})
				w.server.Reset()
				w.server.Fault(func(_ string, n int, _ []byte) dynamotest.Fault {
					if n == at+1 || lasting && n > at {
						return fault
					}
					return dynamotest.Pass
				})
				err := s.Apply(ctx, before, next, event.Event{ID: id})
				w.server.Fault(nil)
				applied, events := w.version() == next.Version(), w.count("log", "event")
				if applied != (events == 1) || err == nil && !applied || !lasting && err != nil {
					t.Errorf("fault %d at call %d (lasting %v): applied %v, %d events, %v", fault, at+1, lasting, applied, events, err)
				}
			}
		}
	}
}

// A missing chunk is refused by a new instance; a running one keeps the previous
// grants and reports it.
func TestMissingChunk(t *testing.T) {
	ctx := context.Background()
	w := newTable(t)
	w.init()
	running, id := w.open(), newID()
	before := w.version()
	if err := w.open().Apply(ctx, before, newSet(t, many(20_000)...), event.Event{ID: id}); err != nil {
		t.Fatal(err)
	}
	if n := w.count("grants", "version#"+id); n < 2 {
		t.Fatalf("%d chunks", n)
	}
	_, err := w.c.Client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String("grants"), Key: core.Key("version#"+id, "000001")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(w.config()); err == nil || !strings.Contains(err.Error(), "chunks") {
		t.Errorf("a new instance opened: %v", err)
	}
	set, err := running.Current(ctx)
	if err != nil || set.Version() != before || running.Problem() == nil {
		t.Errorf("a running instance: %v, problem %v", err, running.Problem())
	}
}

// While DynamoDB does not respond, no grants are returned: a change could be
// missing.
func TestNoGrantsWhileDown(t *testing.T) {
	w := newTable(t)
	w.init()
	s := w.open()
	if err := w.open().Apply(context.Background(), w.version(), newSet(t, many(2)...), event.Event{ID: newID()}); err != nil {
		t.Fatal(err)
	}
	w.uncopy()
	for _, failing := range []string{"BatchGetItem", "Query"} { // the version in force, and its chunks
		w.server.Fault(func(op string, _ int, _ []byte) dynamotest.Fault {
			if op == failing {
				return dynamotest.Down
			}
			return dynamotest.Pass
		})
		if set, err := s.Current(context.Background()); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("%s fails: %v, %v", failing, set, err)
		}
	}
}

// uncopy removes the copy of the version in force.
func (w *table) uncopy() {
	w.t.Helper()
	_, err := w.c.Client.DeleteItem(context.Background(), &dynamodb.DeleteItemInput{TableName: aws.String("grants"), Key: core.Key("current", "copy")})
	if err != nil {
		w.t.Fatal(err)
	}
}

// A new instance reads the version in force in one call, from its copy. A missing
// copy, or one of another version, is not used.
func TestCopyOfTheVersionInForce(t *testing.T) {
	w := newTable(t)
	w.init()
	read := func(want *grant.Set, calls map[string]int) {
		t.Helper()
		c := w.config()
		s, err := dynamo.New(c)
		if err != nil {
			t.Fatal(err)
		}
		w.server.Reset()
		ctx := core.Scope(t.Context())
		if _, err := c.Reader.Read(ctx, s.Items()...); err != nil {
			t.Fatal(err)
		}
		if set, err := s.Current(ctx); err != nil || set.Version() != want.Version() {
			t.Errorf("another version: %v", err)
		}
		if got := w.server.Calls(); !maps.Equal(got, calls) {
			t.Errorf("%v, want %v", got, calls)
		}
	}
	once, twice := map[string]int{"BatchGetItem": 1}, map[string]int{"BatchGetItem": 1, "Query": 1}
	old, next := newSet(t, many(2)...), newSet(t, many(3)...)
	if err := w.open().Apply(t.Context(), w.version(), old, event.Event{ID: newID()}); err != nil {
		t.Fatal(err)
	}
	read(old, once)
	item, err := w.c.Client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("grants"), Key: core.Key("current", "copy")})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.open().Apply(t.Context(), old.Version(), next, event.Event{ID: newID()}); err != nil {
		t.Fatal(err)
	}
	read(next, once)
	if _, err := w.c.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("grants"), Item: item.Item}); err != nil {
		t.Fatal(err)
	}
	read(next, twice)
	w.uncopy()
	read(next, twice)
}

func many(n int) []grant.Grant {
	random := mrand.New(mrand.NewPCG(1, 2))
	all := make([]grant.Grant, n)
	for i := range all {
		all[i] = grant.Grant{Group: fmt.Sprint("team-", i%500), Bucket: fmt.Sprint("bucket-", i%40), Prefix: fmt.Sprintf("%x/%x/%d/", random.Uint64(), random.Uint64(), i), Reason: "access to project data"}
	}
	return all
}

// The largest set of grants is stored and read back.
func TestLargestSet(t *testing.T) {
	if os.Getenv("USHER_SOAK") == "" {
		t.Skip("100,000 grants: USHER_SOAK is not set")
	}
	ctx := context.Background()
	w := newTable(t)
	w.init()
	id, next := newID(), newSet(t, many(100_000)...)
	if err := w.open().Apply(ctx, w.version(), next, event.Event{ID: id}); err != nil {
		t.Fatal(err)
	}
	if w.version() != next.Version() {
		t.Error("another version was read back")
	}
	t.Logf("%d chunks", w.count("grants", "version#"+id))
}
