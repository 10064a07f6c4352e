package dynamo_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/dynamo"
)

// fake is DynamoDB in memory, for the tests that need thousands of queries. It
// knows the expressions of this package alone. The suite passes on minidyn and,
// in the rig, on dynalite too.
type fake struct {
	mu     sync.Mutex
	tables map[string]map[string]map[string]row // by table, partition and sort key
	calls  map[string]int
	// fault, if set, decides about a call before it is applied.
	fault func(op string, n int) fault
}

type row = map[string]types.AttributeValue

// fault is the outcome of one call.
type fault int

const (
	pass   fault = iota
	refuse       // nothing happened
	landed       // applied, and the response is lost
)

func newFake() *fake {
	return &fake{tables: map[string]map[string]map[string]row{}, calls: map[string]int{}}
}

// begin counts a call. done returns the lost response of a call that landed.
func (f *fake) begin(ctx context.Context, op string) (done func() error, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", dynamo.ErrUnavailable, err)
	}
	f.mu.Lock()
	f.calls[op]++
	outcome := pass
	if f.fault != nil {
		outcome = f.fault(op, f.calls[op])
	}
	if outcome == refuse {
		f.mu.Unlock()
		return nil, dynamo.ErrThrottled
	}
	return func() error {
		f.mu.Unlock()
		if outcome == landed {
			return dynamo.ErrUnavailable
		}
		return nil
	}, nil
}

func (f *fake) partition(table *string, pk string) map[string]row {
	t := f.tables[*table]
	if t == nil {
		t = map[string]map[string]row{}
		f.tables[*table] = t
	}
	if t[pk] == nil {
		t[pk] = map[string]row{}
	}
	return t[pk]
}

func (f *fake) holds(table, condition *string, item row, values map[string]types.AttributeValue) bool {
	known := f.partition(table, dynamo.TextOf(item, dynamo.PK))[dynamo.TextOf(item, dynamo.SK)]
	switch c := aws.ToString(condition); c {
	case "":
		return true
	case "attribute_not_exists(pk)":
		return known == nil
	case "m = :from":
		return known != nil && dynamo.NumberOf(known, "m") == dynamo.NumberOf(values, ":from")
	default:
		panic("unknown condition " + c)
	}
}

func (f *fake) store(table *string, item row) {
	size := 0
	for name, value := range item {
		size += len(name)
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			size += len(v.Value)
		case *types.AttributeValueMemberB:
			size += len(v.Value)
		default:
			size += 8
		}
	}
	pk, sk := dynamo.TextOf(item, dynamo.PK), dynamo.TextOf(item, dynamo.SK)
	if pk == "" || sk == "" || len(sk) > 1024 || size > 400<<10 {
		panic(fmt.Sprintf("DynamoDB refuses this item of %d bytes", size))
	}
	f.partition(table, pk)[sk] = maps.Clone(item)
}

func (f *fake) PutItem(ctx context.Context, in *dynamodb.PutItemInput) (*dynamodb.PutItemOutput, error) {
	done, err := f.begin(ctx, "PutItem")
	if err != nil {
		return nil, err
	}
	if !f.holds(in.TableName, in.ConditionExpression, in.Item, in.ExpressionAttributeValues) {
		_ = done()
		return nil, dynamo.ErrCondition
	}
	f.store(in.TableName, in.Item)
	return &dynamodb.PutItemOutput{}, done()
}

func (f *fake) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput) (*dynamodb.TransactWriteItemsOutput, error) {
	done, err := f.begin(ctx, "TransactWriteItems")
	if err != nil {
		return nil, err
	}
	if n := len(in.TransactItems); n < 1 || n > 100 {
		panic(fmt.Sprintf("a transaction of %d items", n))
	}
	for _, w := range in.TransactItems {
		if !f.holds(w.Put.TableName, w.Put.ConditionExpression, w.Put.Item, w.Put.ExpressionAttributeValues) {
			_ = done()
			return nil, dynamo.ErrCondition
		}
	}
	for _, w := range in.TransactItems {
		f.store(w.Put.TableName, w.Put.Item)
	}
	return &dynamodb.TransactWriteItemsOutput{}, done()
}

func (f *fake) BatchWriteItem(ctx context.Context, in *dynamodb.BatchWriteItemInput) error {
	done, err := f.begin(ctx, "BatchWriteItem")
	if err != nil {
		return err
	}
	for table, writes := range in.RequestItems {
		if len(writes) > 25 {
			panic("a batch of more than 25 items")
		}
		keys := map[string]bool{}
		for _, w := range writes {
			key := dynamo.TextOf(w.PutRequest.Item, dynamo.PK) + " " + dynamo.TextOf(w.PutRequest.Item, dynamo.SK)
			if keys[key] {
				panic("a batch with one key twice: " + key)
			}
			keys[key] = true
			f.store(&table, w.PutRequest.Item)
		}
	}
	return done()
}

func (f *fake) GetItem(ctx context.Context, in *dynamodb.GetItemInput) (*dynamodb.GetItemOutput, error) {
	done, err := f.begin(ctx, "GetItem")
	if err != nil {
		return nil, err
	}
	item := f.partition(in.TableName, dynamo.TextOf(in.Key, dynamo.PK))[dynamo.TextOf(in.Key, dynamo.SK)]
	return &dynamodb.GetItemOutput{Item: maps.Clone(item)}, done()
}

func (f *fake) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput) (*dynamodb.BatchGetItemOutput, error) {
	done, err := f.begin(ctx, "BatchGetItem")
	if err != nil {
		return nil, err
	}
	out := &dynamodb.BatchGetItemOutput{Responses: map[string][]map[string]types.AttributeValue{}}
	for table, keys := range in.RequestItems {
		seen := map[string]bool{}
		for _, k := range keys.Keys {
			pk, sk := dynamo.TextOf(k, dynamo.PK), dynamo.TextOf(k, dynamo.SK)
			if len(keys.Keys) > 100 || seen[pk+sk] {
				panic("a batch with one key twice, or more than 100")
			}
			seen[pk+sk] = true
			if item := f.partition(&table, pk)[sk]; item != nil {
				out.Responses[table] = append(out.Responses[table], maps.Clone(item))
			}
		}
	}
	return out, done()
}

func (f *fake) Query(ctx context.Context, in *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
	done, err := f.begin(ctx, "Query")
	if err != nil {
		return nil, err
	}
	values := in.ExpressionAttributeValues
	low, high := dynamo.TextOf(values, ":low"), "~"
	switch aws.ToString(in.KeyConditionExpression) {
	case "#pk = :pk AND #sk BETWEEN :low AND :high":
		if high = dynamo.TextOf(values, ":high"); low > high {
			panic("BETWEEN with a lower bound above the upper one")
		}
	case "#pk = :pk AND #sk >= :low":
	default:
		panic("unknown key condition")
	}
	rows := f.partition(in.TableName, dynamo.TextOf(values, ":pk"))
	keys := slices.Sorted(maps.Keys(rows))
	if !aws.ToBool(in.ScanIndexForward) && in.ScanIndexForward != nil {
		slices.Reverse(keys)
	}
	start := dynamo.TextOf(in.ExclusiveStartKey, dynamo.SK)
	out := &dynamodb.QueryOutput{}
	for _, sk := range keys {
		after := strings.Compare(sk, start)
		if in.ScanIndexForward != nil && !*in.ScanIndexForward {
			after = -after
		}
		if sk < low || sk > high || start != "" && after <= 0 {
			continue
		}
		out.Items = append(out.Items, maps.Clone(rows[sk]))
		if limit := cmp.Or(aws.ToInt32(in.Limit), 500); len(out.Items) == int(limit) {
			out.LastEvaluatedKey = dynamo.Key(dynamo.TextOf(values, ":pk"), sk) // also after the last row
			break
		}
	}
	return out, done()
}

func (f *fake) Scan(ctx context.Context, in *dynamodb.ScanInput) (*dynamodb.ScanOutput, error) {
	done, err := f.begin(ctx, "Scan")
	if err != nil {
		return nil, err
	}
	out := &dynamodb.ScanOutput{}
	for _, rows := range f.tables[*in.TableName] {
		for _, r := range rows {
			out.Items = append(out.Items, maps.Clone(r))
		}
	}
	return out, done()
}

// all returns the items of a table.
func (f *fake) all(table string) []row {
	out, _ := f.Scan(context.Background(), &dynamodb.ScanInput{TableName: &table})
	return out.Items
}

// text returns a text attribute.
func text(item row, name string) string { return dynamo.TextOf(item, name) }
