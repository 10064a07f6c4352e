package dynamo_test

import (
	"sync"
	"testing"
	"time"

	"usher/backend/device"
	"usher/backend/device/devicetest"
	store "usher/backend/device/dynamo"
	"usher/backend/dynamo/dynamotest"
)

// clock is a clock that a test sets.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// Two instances share one table.
func open(t *testing.T, fault func(op string, n int, body []byte) dynamotest.Fault) devicetest.Shared {
	t.Helper()
	c := &clock{at: time.Date(2026, 11, 3, 9, 30, 0, 0, time.UTC)}
	server := dynamotest.New(t)
	table := server.Table(t, "usher-state")
	instance := func() device.Store {
		s, err := store.New(server.Client(t), table, c.now)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := devicetest.Shared{A: instance(), B: instance(), Advance: c.advance, Now: c.now}
	if fault != nil {
		server.Fault(fault)
	}
	return s
}

func TestStore(t *testing.T) {
	devicetest.Run(t, func(t *testing.T) devicetest.Shared { return open(t, nil) })
}

// Writes whose responses are lost are repeated, and are not taken for the writes
// of another instance.
func TestLostResponses(t *testing.T) {
	n := 0
	s := open(t, func(op string, _ int, _ []byte) dynamotest.Fault {
		if op == "PutItem" {
			if n++; n%2 == 1 {
				return dynamotest.Landed
			}
		}
		return dynamotest.Pass
	})
	r, err := s.A.Insert(t.Context(), devicetest.Sample(s, 1), device.Limits{Total: 5, Owner: 5})
	if err != nil {
		t.Fatal(err)
	}
	r.State = device.Refused
	if r, err = s.A.Replace(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if found, err := s.B.Find(t.Context(), r.ID); err != nil || found != r {
		t.Errorf("%+v %v", found, err)
	}
	if n < 4 {
		t.Errorf("only %d writes were seen", n)
	}
}
