package state

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/dynamo"
	"usher/backend/event"
)

// Sessions gives the start and the end of a session one event, for all instances
// and after a crash at any instant. The first instance stores the event; every
// instance records exactly this event until it is confirmed, in the transaction of
// its record. A log keeps a repeated event once.
type Sessions struct{ c Config }

// NewSessions refuses a missing part.
func NewSessions(c Config) (*Sessions, error) {
	if c.Client == nil || c.Reader == nil || c.Table == "" {
		return nil, errors.New("shared sessions: client, reader and table are needed")
	}
	return &Sessions{c}, nil
}

// Once returns the session's event with the action of e, and whether it is
// recorded. Without one, e becomes that event.
func (s *Sessions) Once(ctx context.Context, session string, e event.Event) (event.Event, bool, error) {
	item := s.c.item(session)
	found, err := s.c.Reader.Read(ctx, item)
	if err != nil {
		return event.Event{}, false, err
	}
	attributes := found[item]
	if dynamo.TextOf(attributes, e.Action) == "" {
		if attributes, err = s.first(ctx, item, e); err != nil {
			return event.Event{}, false, err
		}
	}
	first, err := event.Parse([]byte(dynamo.TextOf(attributes, e.Action)))
	if err != nil {
		return event.Event{}, false, fmt.Errorf("reading the event of a session: %w", err)
	}
	return first, dynamo.NumberOf(attributes, e.Action+" recorded") == 1, nil
}

// first stores e unless another instance has stored its own.
func (s *Sessions) first(ctx context.Context, item dynamo.Item, e event.Event) (dynamo.Attributes, error) {
	_, latest := s.c.Client.Time()
	out, err := s.c.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(item.Table), Key: dynamo.Key(item.PK, item.SK), ReturnValues: types.ReturnValueAllNew,
		UpdateExpression:         aws.String("SET #event = if_not_exists(#event, :event), #ttl = :ttl"),
		ExpressionAttributeNames: map[string]string{"#event": e.Action, "#ttl": dynamo.TTL},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":event": dynamo.Text(string(event.Canonical(event.Clean(e)))), ":ttl": dynamo.Number(latest.Add(answerKeep).Unix()),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("storing the event of a session: %w", err)
	}
	return out.Attributes, nil
}

// Confirmation returns the write that confirms a session's event, as a part of the
// transaction that makes the event durable, and false for all other events.
func (s *Sessions) Confirmation(e event.Event) (types.TransactWriteItem, bool) {
	if e.Action != event.SessionStart && e.Action != event.SignOut || e.Outcome != event.Allowed || e.Session == "" {
		return types.TransactWriteItem{}, false
	}
	item := s.c.named(e.Session)
	_, latest := s.c.Client.Time()
	return types.TransactWriteItem{Update: &types.Update{
		TableName: aws.String(item.Table), Key: dynamo.Key(item.PK, item.SK),
		UpdateExpression:         aws.String("SET #done = :one, #ttl = :ttl"),
		ExpressionAttributeNames: map[string]string{"#done": e.Action + " recorded", "#ttl": dynamo.TTL},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":one": dynamo.Number(1), ":ttl": dynamo.Number(latest.Add(answerKeep).Unix()),
		},
	}}, true
}
