package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// LeaseConfig has the parts of a lease. All are required.
type LeaseConfig struct {
	Client *Client
	Table  string
	Name   string        // of the work
	Owner  string        // of this instance, unique
	Life   time.Duration // time without renewal after which another owner gets the lease
}

// Lease gives one instance the right to do some work. It reduces repeated work
// and proves nothing: an instance that stopped for longer than the life may
// resume beside its successor, so the work itself must be safe to repeat.
type Lease struct{ c LeaseConfig }

// NewLease refuses a missing part.
func NewLease(c LeaseConfig) (*Lease, error) {
	if c.Client == nil || c.Table == "" || c.Name == "" || c.Owner == "" || c.Life <= 0 {
		return nil, errors.New("dynamo: a lease needs a client, table, name, owner and life")
	}
	return &Lease{c}, nil
}

// leaseKeep is the time after which DynamoDB may delete an unused lease.
const leaseKeep = 24 * time.Hour

// Hold takes the lease, or renews it. It returns false while another owner has
// it. A retried call of the same owner succeeds.
func (l *Lease) Hold(ctx context.Context) (bool, error) {
	earliest, latest := l.c.Client.Time()
	_, err := l.c.Client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String(l.c.Table),
		Item: map[string]types.AttributeValue{
			PK: Text("lease"), SK: Text(l.c.Name), "owner": Text(l.c.Owner),
			"until": Number(latest.Add(l.c.Life).UnixMilli()), TTL: Number(latest.Add(leaseKeep).Unix()),
		},
		ConditionExpression:       aws.String("attribute_not_exists(#pk) OR #owner = :me OR #until < :now"),
		ExpressionAttributeNames:  map[string]string{"#pk": PK, "#owner": "owner", "#until": "until"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":me": Text(l.c.Owner), ":now": Number(earliest.UnixMilli())},
	})
	if errors.Is(err, ErrCondition) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("taking the lease %s: %w", l.c.Name, err)
	}
	return true, nil
}

// Release ends the lease of this owner. A lease of another owner stays.
func (l *Lease) Release(ctx context.Context) error {
	_, err := l.c.Client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName:                 aws.String(l.c.Table),
		Key:                       Key("lease", l.c.Name),
		ConditionExpression:       aws.String("#owner = :me"),
		ExpressionAttributeNames:  map[string]string{"#owner": "owner"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":me": Text(l.c.Owner)},
	})
	if err != nil && !errors.Is(err, ErrCondition) {
		return fmt.Errorf("releasing the lease %s: %w", l.c.Name, err)
	}
	return nil
}

// Key returns the keys of an item.
func Key(pk, sk string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{PK: Text(pk), SK: Text(sk)}
}

// Text returns a text attribute.
func Text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// Number returns a number attribute.
func Number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// Bytes returns a binary attribute.
func Bytes(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }

// TextOf returns a text attribute of an item, or "" if it is absent or of
// another type.
func TextOf(item map[string]types.AttributeValue, name string) string {
	if v, ok := item[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

// NumberOf returns a whole number of an item, or 0 if it is absent or of another
// type.
func NumberOf(item map[string]types.AttributeValue, name string) int64 {
	if v, ok := item[name].(*types.AttributeValueMemberN); ok {
		n, err := strconv.ParseInt(v.Value, 10, 64)
		if err == nil {
			return n
		}
	}
	return 0
}

// BytesOf returns a binary attribute of an item, or nil if it is absent or of
// another type.
func BytesOf(item map[string]types.AttributeValue, name string) []byte {
	if v, ok := item[name].(*types.AttributeValueMemberB); ok {
		return v.Value
	}
	return nil
}
