package dynamo

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/dynamo"
	"usher/backend/event"
)

// Writes returns the writes that Append would make, as parts of another
// transaction: a change and its events are durable together or not at all. The
// events must be new.
func (s *Store) Writes(events []event.Event) ([]types.TransactWriteItem, error) {
	if len(events) == 0 {
		return nil, errors.New("recording a change: it has no event")
	}
	clean := make([]event.Event, len(events))
	for i, e := range events {
		clean[i] = event.Clean(e)
	}
	batches, err := s.codec.batches(clean)
	if err != nil {
		return nil, fmt.Errorf("recording a change: %w", err)
	}
	return s.puts(batches), nil
}

// puts returns the conditional writes of batches.
func (s *Store) puts(batches []batch) []types.TransactWriteItem {
	const absent = "attribute_not_exists(" + dynamo.PK + ")"
	items := make([]types.TransactWriteItem, 0, len(batches))
	for _, b := range batches {
		items = append(items, types.TransactWriteItem{Put: &types.Put{
			TableName: aws.String(s.log), ConditionExpression: aws.String(absent),
			Item: b.attributes(s.writer, s.number(b), s.expires(b.at)),
		}})
	}
	return items
}
