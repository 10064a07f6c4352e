package serve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend"
	"usher/backend/dynamo"
	"usher/backend/event"
)

// deployed records the start of a deployed version: one event for all instances,
// and not one for each cold start. The first instance stores the event in the
// state table, and each instance records exactly this event until one of them has
// confirmed it. The log keeps a repeated event once.
type deployed struct {
	client  *dynamo.Client
	table   string
	version string
	backend func() *backend.Backend

	mu   sync.Mutex
	done bool
}

// versionOf names a deployed version: of the program, of the function, and of the
// configuration.
func versionOf(program, commit string, environ []string) string {
	h := sha256.New()
	for _, entry := range slices.Sorted(slices.Values(environ)) { // the order differs between instances
		if strings.HasPrefix(entry, prefix) {
			fmt.Fprintf(h, "%q\n", entry)
		}
	}
	parts := []string{"usher " + program}
	if commit != "" {
		parts = append(parts, "revision "+commit[:min(len(commit), 12)])
	}
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, "AWS_LAMBDA_FUNCTION_VERSION="); ok {
			parts = append(parts, "function version "+value)
		}
	}
	return strings.Join(append(parts, "configuration "+hex.EncodeToString(h.Sum(nil)[:6])), ", ")
}

// record records the event unless it is recorded. It has no effect after the first
// success.
func (d *deployed) record(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done {
		return nil
	}
	key := dynamo.Key("deployed", d.version)
	found, err := d.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(d.table), Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return fmt.Errorf("looking up the deployed version: %w", err)
	}
	if dynamo.NumberOf(found.Item, "recorded") == 1 {
		d.done = true
		return nil
	}
	proposed, err := d.backend().Started(ctx)
	if err != nil {
		return err
	}
	proposed.Reason = d.version
	e, err := d.first(ctx, key, proposed)
	if err != nil {
		return err
	}
	if err := d.backend().Record(ctx, e); err != nil {
		return err
	}
	_, err = d.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(d.table), Key: key, UpdateExpression: aws.String("SET #recorded = :one"),
		ExpressionAttributeNames:  map[string]string{"#recorded": "recorded"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":one": dynamo.Number(1)},
	})
	if err != nil {
		return fmt.Errorf("confirming the deployed version: %w", err)
	}
	d.done = true
	return nil
}

// first stores the event unless another instance has stored its own, and returns
// the stored one.
func (d *deployed) first(ctx context.Context, key map[string]types.AttributeValue, e event.Event) (event.Event, error) {
	out, err := d.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(d.table), Key: key, ReturnValues: types.ReturnValueAllNew,
		UpdateExpression:          aws.String("SET #event = if_not_exists(#event, :event)"),
		ExpressionAttributeNames:  map[string]string{"#event": "event"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":event": dynamo.Text(string(event.Canonical(event.Clean(e))))},
	})
	if err != nil {
		return event.Event{}, fmt.Errorf("storing the start of the deployed version: %w", err)
	}
	stored, err := event.Parse([]byte(dynamo.TextOf(out.Attributes, "event")))
	if err != nil {
		return event.Event{}, fmt.Errorf("reading the start of the deployed version: %w", err)
	}
	return stored, nil
}
