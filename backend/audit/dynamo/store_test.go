package dynamo_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/audit/dynamo"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
)

// logTable and indexTable are the tables of the tests.
const (
	logTable   = "log"
	indexTable = "log-index"
)

// open returns a store with its clock after the events of the suite.
func open(t testing.TB, db dynamo.DB) *dynamo.Store { return openAt(t, db, audittest.Now, 0) }

func openAt(t testing.TB, db dynamo.DB, now func() time.Time, keep time.Duration) *dynamo.Store {
	t.Helper()
	s, err := dynamo.New(dynamo.Config{DB: db, Log: logTable, Now: now, Rand: rand.Reader, Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// minidyn returns a client of a DynamoDB behind HTTP, with new tables.
func minidyn(t testing.TB) (*dynamotest.Server, dynamo.DB) {
	t.Helper()
	server := dynamotest.New(t)
	server.Table(t, logTable)
	server.Table(t, indexTable)
	return server, server.Client(t)
}

func TestSuite(t *testing.T) {
	audittest.Run(t, func() audit.Store { return open(t, newFake()) })
}

// The suite passes on a DynamoDB that others wrote, over HTTP.
func TestSuiteOverHTTP(t *testing.T) {
	audittest.RunSlow(t, func() audit.Store {
		_, db := minidyn(t)
		return open(t, db)
	})
}

// indexed is a store whose index is extended before each read.
type indexed struct {
	*dynamo.Store
	t testing.TB
}

func (s indexed) step(ctx context.Context) {
	if ctx.Err() == nil {
		extend(s.t, s.Store)
	}
}

// extend extends the index of a store as far as possible.
func extend(t testing.TB, s *dynamo.Store) {
	t.Helper()
	for x := dynamo.NewIndexer(s); ; {
		more, err := x.Step(context.Background())
		if err != nil {
			t.Error(err)
			return
		}
		if !more {
			return
		}
	}
}

func (s indexed) Query(ctx context.Context, f event.Filter, p audit.Page) (audit.Result, error) {
	s.step(ctx)
	return s.Store.Query(ctx, f, p)
}

func (s indexed) Hours(ctx context.Context, from time.Time, n int) (audit.Summary, error) {
	s.step(ctx)
	return s.Store.Hours(ctx, from, n)
}

func (s indexed) Count(ctx context.Context) (int64, error) {
	s.step(ctx)
	return s.Store.Count(ctx)
}

// The suite passes when all events are indexed before each query, too. Its
// events are late by the store's clock, so each Append moves the mark back.
func TestSuiteWithIndex(t *testing.T) {
	audittest.Run(t, func() audit.Store { return indexed{open(t, newFake()), t} })
}
