package state_test

import (
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/audit"
	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
	"usher/backend/state"
)

// counting is the log and further instances that count refusals.
type counting struct {
	*world
	log *auditdynamo.Store
}

func newCounting(t *testing.T) *counting {
	w := newWorld(t)
	w.server.Table(t, "log")
	w.server.Table(t, "log-index")
	log, err := auditdynamo.New(auditdynamo.Config{DB: w.server.ClientAt(t, w.now), Log: "log", Now: w.now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return &counting{w, log}
}

func (c *counting) instance() *state.Denials {
	d, err := state.NewDenials(state.DenialsConfig{Config: c.config(0), Writes: c.log.Writes, NewID: event.IDs(rand.Reader)})
	if err != nil {
		c.t.Fatal(err)
	}
	return d
}

// refused is the event of n refusals of a person.
func (c *counting) refused(sub string, n int) event.Event {
	now := c.now()
	return event.Event{
		ID: event.IDs(rand.Reader)(now), Time: now, Action: event.Suppressed, Outcome: event.Denied, User: event.User{Sub: sub},
		Reason: "denied decisions over the budget", Count: n,
	}
}

// sum returns the number of refusals and of events on record.
func (c *counting) sum(t *testing.T) (refusals, events int) {
	t.Helper()
	found, err := c.log.Query(t.Context(), event.Filter{}, audit.Page{Limit: audit.MaxPage})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range found.Events {
		refusals += e.Count
	}
	return refusals, len(found.Events)
}

// Instances count while calls fail, time out after they were applied, or are
// throttled. Some instances end without a record, and another one adopts their
// counts. The sum of the events is exact.
func TestRefusalsAreCountedExactly(t *testing.T) {
	c := newCounting(t)
	random := mrand.New(mrand.NewPCG(5, 6))
	var mu sync.Mutex
	c.server.Fault(func(op string, _ int, _ []byte) dynamotest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if random.IntN(4) > 0 {
			return dynamotest.Pass
		}
		return []dynamotest.Fault{dynamotest.Down, dynamotest.Landed, dynamotest.Error500}[random.IntN(3)]
	})
	var want atomic.Int64
	instances := make([]*state.Denials, 4)
	for i := range instances {
		instances[i] = c.instance()
	}
	for range 6 {
		var all sync.WaitGroup
		for _, d := range instances {
			for person := range 2 {
				all.Go(func() {
					if d.Hold(context.Background(), c.refused(fmt.Sprint("person-", person), 3)) != nil {
						// The caller answers that nothing was recorded; the count is kept.
						_ = d.Drain(context.Background(), true)
					}
					want.Add(3)
				})
			}
		}
		all.Wait()
		c.advance(time.Second)
		for _, d := range instances[:2] {
			_ = d.Drain(context.Background(), false) // a failure is repeated
		}
	}
	c.server.Fault(nil)
	for _, d := range instances { // a count after a failed call is stored by the next one
		if err := d.Hold(t.Context(), c.refused("person-0", 1)); err != nil {
			t.Fatal(err)
		}
		if err := d.Hold(t.Context(), c.refused("person-1", 1)); err != nil {
			t.Fatal(err)
		}
		want.Add(2)
	}
	// The instances end here. A new one adopts their counts when they are old enough.
	last := c.instance()
	if err := last.Adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	early, _ := c.sum(t)
	c.advance(time.Minute)
	for range 2 {
		if err := last.Adopt(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got, events := c.sum(t)
	if int64(got) != want.Load() || early == got {
		t.Errorf("%d refusals in %d events, want %d; %d before the adoption", got, events, want.Load(), early)
	}
	// An instance that was frozen records nothing twice.
	for _, d := range instances {
		if err := d.Drain(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	if again, _ := c.sum(t); again != got {
		t.Errorf("%d refusals after the thaw, want %d", again, got)
	}
}

// The count and its event are one transaction: without the event the count stays.
func TestCountStaysWithoutItsEvent(t *testing.T) {
	c := newCounting(t)
	conflicting := c.config(0)
	d, err := state.NewDenials(state.DenialsConfig{Config: conflicting, NewID: event.IDs(rand.Reader), Writes: func([]event.Event) ([]types.TransactWriteItem, error) {
		return []types.TransactWriteItem{{ConditionCheck: &types.ConditionCheck{
			TableName: aws.String("state"), Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "none"}, "sk": &types.AttributeValueMemberS{Value: "none"}},
			ConditionExpression: aws.String("attribute_exists(pk)"),
		}}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Hold(t.Context(), c.refused("ada", 7)); err != nil {
		t.Fatal(err)
	}
	if err := d.Drain(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Minute)
	if err := c.instance().Adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, events := c.sum(t); got != 7 || events != 1 {
		t.Errorf("%d refusals in %d events", got, events)
	}
}
