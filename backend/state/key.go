package state

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"usher/backend/dynamo"
)

// Key returns a key that all instances share, by its name. The first instance
// makes it; it never changes.
func Key(ctx context.Context, c Config, random io.Reader, name string) ([]byte, error) {
	read := func() ([]byte, error) {
		out, err := c.Client.GetItem(ctx, &dynamodb.GetItemInput{
			TableName: aws.String(c.Table), Key: dynamo.Key("key", name), ConsistentRead: aws.Bool(true),
		})
		if err != nil {
			return nil, fmt.Errorf("reading the key %s: %w", name, err)
		}
		key := dynamo.BytesOf(out.Item, "key")
		if key != nil && len(key) != keyBytes {
			return nil, fmt.Errorf("the key %s in the table has %d bytes", name, len(key))
		}
		return key, nil
	}
	if key, err := read(); err != nil || key != nil {
		return key, err
	}
	key := make([]byte, keyBytes)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, fmt.Errorf("making the key %s: %w", name, err)
	}
	item := dynamo.Key("key", name)
	item["key"] = dynamo.Bytes(key)
	_, err := c.Client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String(c.Table), Item: item, ConditionExpression: aws.String("attribute_not_exists(#pk)"),
		ExpressionAttributeNames: map[string]string{"#pk": dynamo.PK},
	})
	if err != nil && !errors.Is(err, dynamo.ErrCondition) {
		return nil, fmt.Errorf("storing the key %s: %w", name, err)
	}
	if key, err = read(); err == nil && key == nil { // the key of the first instance
		err = fmt.Errorf("the key %s is not in the table after its write", name)
	}
	return key, err
}
