package dynamo

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// rounds is the number of calls for the unprocessed parts of a batch, and pause
// is the time before the second one, doubled each time.
const (
	rounds = 5
	pause  = 25 * time.Millisecond
)

// BatchGetItem reads up to 100 items of any tables. It repeats the call for
// unprocessed keys and fails with ErrThrottled if some remain: a result is
// complete. A missing item is absent from the responses.
func (c *Client) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput) (*dynamodb.BatchGetItemOutput, error) {
	var all *dynamodb.BatchGetItemOutput
	rest := *in
	for round := range rounds {
		if err := wait(ctx, round); err != nil {
			return nil, fmt.Errorf("BatchGetItem: %w", classified(err))
		}
		out, err := call(ctx, c, "BatchGetItem", &rest, c.api.BatchGetItem)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = out
		} else {
			for table, items := range out.Responses {
				all.Responses[table] = append(all.Responses[table], items...)
			}
		}
		if len(out.UnprocessedKeys) == 0 {
			all.UnprocessedKeys = nil
			return all, nil
		}
		rest.RequestItems = maps.Clone(out.UnprocessedKeys)
	}
	return nil, fmt.Errorf("BatchGetItem: unprocessed keys remain: %w", ErrThrottled)
}

// BatchWriteItem writes up to 25 items of any tables, without conditions and not
// as a unit. It repeats the call for unprocessed items and fails with
// ErrThrottled if some remain.
func (c *Client) BatchWriteItem(ctx context.Context, in *dynamodb.BatchWriteItemInput) error {
	rest := *in
	for round := range rounds {
		if err := wait(ctx, round); err != nil {
			return fmt.Errorf("BatchWriteItem: %w", classified(err))
		}
		out, err := call(ctx, c, "BatchWriteItem", &rest, c.api.BatchWriteItem)
		if err != nil {
			return err
		}
		if len(out.UnprocessedItems) == 0 {
			return nil
		}
		rest.RequestItems = out.UnprocessedItems
	}
	return fmt.Errorf("BatchWriteItem: unprocessed items remain: %w", ErrThrottled)
}

func wait(ctx context.Context, round int) error {
	if round == 0 {
		return nil
	}
	timer := time.NewTimer(pause << (round - 1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
