package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/dynamo"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/grant/pack"
)

// Apply puts grants in force, or fails with grant.ErrChanged if another version
// than before is in force. The change, its events and its entry in the history
// are one transaction. The id of the first event names the version in the table.
func (s *Store) Apply(ctx context.Context, before string, next *grant.Set, events ...event.Event) error {
	if s.c.Writes == nil || next == nil || len(events) == 0 || events[0].ID == "" {
		return errors.New("changing the grants: a record of changes, grants and events are needed")
	}
	id := events[0].ID
	records, err := s.c.Writes(events)
	if err != nil {
		return fmt.Errorf("recording a change of the grants: %w", err)
	}
	item, only, err := upload(ctx, s.c, id, next)
	if err != nil {
		return err
	}
	history := dynamo.Attributes{dynamo.PK: dynamo.Text("history"), dynamo.SK: dynamo.Text(id), "before": dynamo.Text(before)}
	for _, name := range []string{"version", "upload", "chunks"} {
		history[name] = item[name]
	}
	writes := slices.Concat([]types.TransactWriteItem{
		{Put: &types.Put{
			TableName: aws.String(s.c.Table), Item: item, ConditionExpression: aws.String("#version = :before"),
			ExpressionAttributeNames:  map[string]string{"#version": "version"},
			ExpressionAttributeValues: map[string]types.AttributeValue{":before": dynamo.Text(before)},
		}},
		{Put: &types.Put{TableName: aws.String(s.c.Table), Item: history}},
	}, copyOf(s.c.Table, id, only), records)
	_, err = s.c.Client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes, ClientRequestToken: aws.String(id)})
	if err == nil {
		s.keep(version{"version#" + id, next})
		dynamo.Forget(ctx, s.current)
		return nil
	}
	return s.outcome(ctx, id, before, err)
}

// outcome finds the outcome of a transaction without a clear response.
func (s *Store) outcome(ctx context.Context, id, before string, cause error) error {
	dynamo.Forget(ctx, s.current)
	items, err := s.c.Reader.Read(ctx, s.current)
	switch {
	case err != nil:
		return fmt.Errorf("changing the grants: the outcome is unknown: %w", cause)
	case dynamo.TextOf(items[s.current], "upload") == "version#"+id:
		return nil // an earlier attempt was applied
	case dynamo.TextOf(items[s.current], "version") != before:
		return fmt.Errorf("changing the grants: %w", grant.ErrChanged)
	}
	return fmt.Errorf("changing the grants: %w", cause)
}

// copySK is the sort key of the copy of the version in force. It has the version's
// only chunk under a fixed name, so that a new server reads it in its first call.
const copySK = "copy"

// copyOf returns the write of the copy; none for a version of several chunks.
func copyOf(table, id string, only []byte) []types.TransactWriteItem {
	if only == nil {
		return nil
	}
	return []types.TransactWriteItem{{Put: &types.Put{TableName: aws.String(table), Item: dynamo.Attributes{
		dynamo.PK: dynamo.Text("current"), dynamo.SK: dynamo.Text(copySK), "upload": dynamo.Text("version#" + id), "data": dynamo.Bytes(only),
	}}}}
}

// chunk is the size of a chunk in bytes. An item has up to 400 KB.
const chunk = 256 << 10

// upload writes the chunks of a version. It returns the item that puts the version
// in force, and the chunk if it is the only one. Chunks without that item have no
// effect.
func upload(ctx context.Context, c Config, id string, set *grant.Set) (item dynamo.Attributes, only []byte, err error) {
	packed, err := pack.Pack(set.Grants())
	if err != nil {
		return nil, nil, err
	}
	if again, err := pack.Unpack(packed); err != nil || len(again) != set.Len() {
		return nil, nil, fmt.Errorf("packing grants: %d of %d are readable: %w", len(again), set.Len(), errors.Join(err, ErrDamaged))
	}
	key := "version#" + id
	n := 0
	for part := range slices.Chunk(packed, chunk) {
		_, err := c.Client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(c.Table), Item: dynamo.Attributes{
			dynamo.PK: dynamo.Text(key), dynamo.SK: dynamo.Text(fmt.Sprintf("%06d", n)), "data": dynamo.Bytes(part),
		}})
		if err != nil {
			return nil, nil, fmt.Errorf("writing a version of the grants: %w", err)
		}
		n++
	}
	if n == 1 {
		only = packed
	}
	return dynamo.Attributes{
		dynamo.PK: dynamo.Text("current"), dynamo.SK: dynamo.Text("current"), "upload": dynamo.Text(key),
		"version": dynamo.Text(set.Version()), "chunks": dynamo.Number(int64(n)), "grants": dynamo.Number(int64(set.Len())),
		"at": dynamo.Number(c.Now().UnixMilli()),
	}, only, nil
}

// Init puts the first version in force: no grants at all, so nothing is allowed.
// An existing version stays.
func Init(ctx context.Context, c Config, id string) error {
	none, err := grant.NewSet(nil)
	if err != nil {
		return err
	}
	item, _, err := upload(ctx, c, id, none)
	if err != nil {
		return err
	}
	_, err = c.Client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String(c.Table), Item: item, ConditionExpression: aws.String("attribute_not_exists(#pk)"),
		ExpressionAttributeNames: map[string]string{"#pk": dynamo.PK},
	})
	if err != nil && !errors.Is(err, dynamo.ErrCondition) {
		return fmt.Errorf("preparing the table of grants: %w", err)
	}
	return nil
}
