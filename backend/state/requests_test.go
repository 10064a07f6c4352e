package state_test

import (
	"errors"
	"testing"

	"usher/backend/accessrequest"
	"usher/backend/accessrequest/requesttest"
	"usher/backend/dynamo"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/state"
)

func TestRequestsInDynamoDB(t *testing.T) {
	requesttest.Run(t, func(t *testing.T) requesttest.Fixture {
		w := newWorld(t)
		return requesttest.Fixture{
			Open:    func() (requesttest.Store, error) { return state.NewRequests(w.config(0)) },
			Now:     w.now,
			Advance: w.advance,
		}
	})
}

// A write whose response was lost counts once. Without DynamoDB nothing is stored.
func TestRequestsWithFaults(t *testing.T) {
	w := newWorld(t)
	s, err := state.NewRequests(w.config(0))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(all []accessrequest.Request) (accessrequest.Change, error) {
		return accessrequest.Ask(all, accessrequest.Request{Sub: "ada", Bucket: "builds"}, w.now())
	}
	lost := false
	w.server.Fault(func(op string, _ int, _ []byte) dynamotest.Fault {
		if op == "TransactWriteItems" && !lost {
			lost = true
			return dynamotest.Landed
		}
		return dynamotest.Pass
	})
	if err := s.Update(t.Context(), ask); err != nil || !lost {
		t.Errorf("%v", err)
	}
	if all, err := s.All(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
	w.server.Fault(func(string, int, []byte) dynamotest.Fault { return dynamotest.Down })
	if err := s.Update(t.Context(), ask); !errors.Is(err, dynamo.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if _, err := s.All(t.Context()); !errors.Is(err, dynamo.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}
