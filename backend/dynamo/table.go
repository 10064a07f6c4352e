package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// The attributes that every table has.
const (
	PK  = "pk"  // partition key, a text of 1 to 2,048 bytes
	SK  = "sk"  // sort key, a text of 1 to 1,024 bytes
	TTL = "ttl" // expiry in Unix seconds; DynamoDB deletes the item days later
)

// IndexTable returns the name of the index of a log table.
func IndexTable(log string) string { return log + "-index" }

// Definition returns the form of a table: on demand, encrypted, with the keys of
// all tables.
func Definition(name string) *dynamodb.CreateTableInput {
	text := func(name string) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS}
	}
	return &dynamodb.CreateTableInput{
		TableName:            aws.String(name),
		AttributeDefinitions: []types.AttributeDefinition{text(PK), text(SK)},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(PK), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(SK), KeyType: types.KeyTypeRange},
		},
		BillingMode: types.BillingModePayPerRequest,
	}
}

const (
	createTime = 2 * time.Minute
	createPoll = 250 * time.Millisecond
)

// CreateTable creates a table, waits until it is active, and turns the expiry
// on. An existing table with the same keys is accepted.
func (c *Client) CreateTable(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, createTime)
	defer cancel()
	_, err := call(ctx, c, "CreateTable", Definition(name), c.api.CreateTable)
	var exists *types.ResourceInUseException
	if err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("creating the table %s: %w", name, err)
	}
	for {
		active, err := c.active(ctx, name)
		if err != nil {
			return err
		}
		if active {
			break
		}
		select {
		case <-time.After(createPoll):
		case <-ctx.Done():
			return fmt.Errorf("waiting for the table %s: %w", name, ctx.Err())
		}
	}
	return c.expire(ctx, name)
}

// expire turns the expiry on. Local replacements of DynamoDB without expiry are
// accepted: readers filter ended items in any case.
func (c *Client) expire(ctx context.Context, name string) error {
	_, err := call(ctx, c, "UpdateTimeToLive", &dynamodb.UpdateTimeToLiveInput{
		TableName:               aws.String(name),
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(TTL), Enabled: aws.Bool(true)},
	}, c.api.UpdateTimeToLive)
	var coded smithy.APIError
	if errors.As(err, &coded) && (coded.ErrorCode() == "UnknownOperationException" || coded.ErrorCode() == "ValidationException") {
		return nil // no such operation, or already on
	}
	if err != nil {
		return fmt.Errorf("turning on the expiry of the table %s: %w", name, err)
	}
	return nil
}

// active reports whether a table takes requests. A table with other keys is an
// error.
func (c *Client) active(ctx context.Context, name string) (bool, error) {
	out, err := call(ctx, c, "DescribeTable", &dynamodb.DescribeTableInput{TableName: aws.String(name)}, c.api.DescribeTable)
	if err != nil {
		return false, fmt.Errorf("checking the table %s: %w", name, err)
	}
	keys := map[types.KeyType]string{}
	for _, k := range out.Table.KeySchema {
		keys[k.KeyType] = aws.ToString(k.AttributeName)
	}
	if keys[types.KeyTypeHash] != PK || keys[types.KeyTypeRange] != SK {
		return false, fmt.Errorf("checking the table %s: its keys must be %s (partition) and %s (sort), both texts", name, PK, SK)
	}
	return out.Table.TableStatus != types.TableStatusCreating && out.Table.TableStatus != types.TableStatusDeleting, nil
}

// Check returns an error for the first table that is missing, not active or of
// another form.
func (c *Client) Check(ctx context.Context, names ...string) error {
	for _, name := range names {
		active, err := c.active(ctx, name)
		if err != nil {
			return err
		}
		if !active {
			return fmt.Errorf("the table %s is not active", name)
		}
	}
	return nil
}
