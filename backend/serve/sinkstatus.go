package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"usher/backend/api"
	"usher/backend/dynamo"
	"usher/backend/elapsed"
	"usher/backend/sink"
)

// sinkState is the state of a sink as the delivering server publishes it. The names are
// those of an item of the state table.
type sinkState struct {
	Name      string    `json:"name"`
	Delivered int64     `json:"delivered"`
	Oldest    time.Time `json:"oldest,omitzero"` // of the undelivered events
	Stuck     bool      `json:"stuck,omitempty"`
	LastSent  time.Time `json:"last_sent,omitzero"`
}

// stateOf returns the state of a feeder.
func stateOf(s sink.Status) sinkState {
	return sinkState{s.Name, s.Delivered, s.Oldest, s.Stuck != nil, s.LastSent}
}

// answer returns the state for people.
func (s sinkState) answer(now time.Time) api.Sink {
	status := sink.Status{LastSent: s.LastSent}
	if !s.Oldest.IsZero() {
		status.Lag = max(0, elapsed.Since(now, s.Oldest))
	}
	out := api.Sink{Name: s.Name, LagSeconds: int(status.Lag.Seconds()), Stuck: s.Stuck, Late: status.Late(), Delivered: s.Delivered}
	if !s.LastSent.IsZero() {
		out.LastSent = &s.LastSent
	}
	return out
}

const (
	skSinks   = "sinks"
	attrSinks = "json"
	// sharedFresh bounds the rate of reads of the item: anyone may ask for the health.
	sharedFresh   = 5 * time.Second
	sharedTimeout = 2 * time.Second
)

// sharedSinks is the item of the state table with the states of all sinks. The
// delivering server writes it, and the others answer from it.
type sharedSinks struct {
	db    *dynamo.Client
	table string
	now   func() time.Time
	fresh time.Duration

	mu     sync.Mutex
	at     time.Time // of the last read
	states []sinkState
}

// shareSinks returns the item of the servers that share a log; nil for a log of one.
func (p *parts) shareSinks(c Config) *sharedSinks {
	if p.shared == nil {
		return nil
	}
	return &sharedSinks{db: p.shared.client, table: table(c.State), now: p.deps.Now, fresh: cmp.Or(c.Pace.Renew, sharedFresh)}
}

// store writes the item.
func (s *sharedSinks) store(ctx context.Context, states []sinkState) error {
	text, err := json.Marshal(states)
	if err != nil {
		return fmt.Errorf("writing the state of the sinks: %w", err)
	}
	item := dynamo.Key(pkPlace, skSinks)
	item[attrSinks] = dynamo.Text(string(text))
	if _, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(s.table), Item: item}); err != nil {
		return fmt.Errorf("writing the table %s: %w", s.table, err)
	}
	return nil
}

// load returns the states, from the table or from the last read. After a failure it
// returns the last known ones: the health has the failing table.
func (s *sharedSinks) load(ctx context.Context) []sinkState {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if !s.at.IsZero() && elapsed.Since(now, s.at) < s.fresh {
		return s.states
	}
	s.at = now
	ctx, cancel := context.WithTimeout(ctx, sharedTimeout)
	defer cancel()
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(s.table), Key: dynamo.Key(pkPlace, skSinks), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return s.states
	}
	var states []sinkState
	if json.Unmarshal([]byte(dynamo.TextOf(out.Item, attrSinks)), &states) == nil {
		s.states = states
	}
	return s.states
}
