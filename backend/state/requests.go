package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/accessrequest"
	"usher/backend/dynamo"
)

// The items of the requests for access are one partition. The first item in it counts
// the changes: a change is applied only if no other one came between its read and its
// write, so the bounds hold for all instances.
const (
	requestPartition = "access-request"
	requestHead      = "#head" // before every id, which is a hexadecimal number
	requestRounds    = 8       // attempts of a change that others overtake
)

// Requests keeps the requests for access. Safe for concurrent use.
type Requests struct{ c Config }

// NewRequests refuses a missing part. It makes no call.
func NewRequests(c Config) (*Requests, error) {
	if c.Client == nil || c.Table == "" || c.Now == nil {
		return nil, errors.New("shared requests for access: client, table and clock are needed")
	}
	return &Requests{c}, nil
}

// All returns the requests.
func (s *Requests) All(ctx context.Context) ([]accessrequest.Request, error) {
	all, _, err := s.read(ctx)
	return all, err
}

// read returns the requests and the number of changes. The number is read first: a
// change during the read makes the write that follows fail.
func (s *Requests) read(ctx context.Context) (all []accessrequest.Request, changes int64, err error) {
	in := &dynamodb.QueryInput{
		TableName: aws.String(s.c.Table), ConsistentRead: aws.Bool(true),
		KeyConditionExpression: aws.String("#pk = :pk"), ExpressionAttributeNames: map[string]string{"#pk": dynamo.PK},
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": dynamo.Text(requestPartition)},
	}
	for {
		out, err := s.c.Client.Query(ctx, in)
		if err != nil {
			return nil, 0, fmt.Errorf("reading the requests for access: %w", err)
		}
		for _, item := range out.Items {
			if dynamo.TextOf(item, dynamo.SK) == requestHead {
				changes = dynamo.NumberOf(item, "n")
				continue
			}
			var r accessrequest.Request
			if err := json.Unmarshal([]byte(dynamo.TextOf(item, "request")), &r); err != nil {
				return nil, 0, fmt.Errorf("reading a request for access: %w", err)
			}
			all = append(all, r)
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return all, changes, nil
		}
	}
}

// Update stores the change that edit makes of the requests. Edit runs again if another
// instance changed them meanwhile. After an error of edit nothing is changed.
func (s *Requests) Update(ctx context.Context, edit func([]accessrequest.Request) (accessrequest.Change, error)) error {
	for range requestRounds {
		all, changes, err := s.read(ctx)
		if err != nil {
			return err
		}
		change, err := edit(all)
		if err != nil {
			return err
		}
		if err = s.write(ctx, change, changes); !errors.Is(err, dynamo.ErrCondition) && !errors.Is(err, dynamo.ErrThrottled) {
			return err
		}
	}
	return errors.New("storing a request for access: other requests overtook it")
}

func (s *Requests) write(ctx context.Context, change accessrequest.Change, changes int64) error {
	text, err := json.Marshal(change.Put)
	if err != nil {
		return fmt.Errorf("storing a request for access: %w", err)
	}
	item := dynamo.Key(requestPartition, change.Put.ID)
	item["request"], item[dynamo.TTL] = dynamo.Text(string(text)), dynamo.Number(change.Put.Ends().Unix())
	condition, values := "attribute_not_exists(#n)", map[string]types.AttributeValue{":next": dynamo.Number(changes + 1)}
	if changes > 0 {
		condition, values[":n"] = "#n = :n", dynamo.Number(changes)
	}
	writes := []types.TransactWriteItem{
		{Update: &types.Update{
			TableName: aws.String(s.c.Table), Key: dynamo.Key(requestPartition, requestHead), ConditionExpression: aws.String(condition),
			UpdateExpression: aws.String("SET #n = :next"), ExpressionAttributeNames: map[string]string{"#n": "n"}, ExpressionAttributeValues: values,
		}},
		{Put: &types.Put{TableName: aws.String(s.c.Table), Item: item}},
	}
	if change.Drop != "" {
		writes = append(writes, types.TransactWriteItem{Delete: &types.Delete{TableName: aws.String(s.c.Table), Key: dynamo.Key(requestPartition, change.Drop)}})
	}
	if _, err := s.c.Client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes}); err != nil {
		return fmt.Errorf("storing a request for access (after %s changes): %w", strconv.FormatInt(changes, 10), err)
	}
	return nil
}
