package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/dynamo"
	"usher/backend/elapsed"
	"usher/backend/event"
)

const (
	heldPartition = "held"
	heldKeep      = 7 * 24 * time.Hour // an item outlives the record of its count
	heldEvery     = time.Second        // between two events of one person
	orphaned      = 10 * time.Second   // age from which another instance records a count
)

// DenialsConfig has the parts of Denials. All are required.
type DenialsConfig struct {
	Config
	// Writes returns the writes that make events durable, for the transaction of a
	// record.
	Writes func(events []event.Event) ([]types.TransactWriteItem, error)
	NewID  func(time.Time) string
}

// Denials counts the refusals over the budget of recorded ones. A count is durable
// before the refusal is answered, and it becomes one event in the transaction that
// marks it as recorded: the sum of the events is exact, also for killed instances.
// Safe for concurrent use.
type Denials struct {
	c DenialsConfig

	mu     sync.Mutex
	people map[string]*held // by sub
}

// held is the count of one person at this instance. Its item has the sum of all
// refusals, and the part of it that events have.
type held struct {
	mu       sync.Mutex
	id       string // sort key
	stored   int64  // sum in the item
	want     int64  // sum to be stored
	recorded int64
	sample   event.Event
	at       time.Time // first refusal that is not recorded
}

// NewDenials refuses a missing part. It makes no call.
func NewDenials(c DenialsConfig) (*Denials, error) {
	if c.Client == nil || c.Table == "" || c.Now == nil || c.Writes == nil || c.NewID == nil {
		return nil, errors.New("shared denials: client, table, clock, record and ids are needed")
	}
	return &Denials{c: c, people: map[string]*held{}}, nil
}

// Hold makes the refusals of one person durable. e is the last of them, and its
// Count their number. After an error the count is kept for the next call.
func (d *Denials) Hold(ctx context.Context, e event.Event) error {
	now := d.c.Now()
	d.mu.Lock()
	h := d.people[e.User.Sub]
	if h == nil {
		h = &held{id: d.c.NewID(now)}
		d.people[e.User.Sub] = h
	}
	d.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.want == h.recorded {
		h.at = now
	}
	h.want, h.sample = h.want+int64(e.Count), e
	return d.store(ctx, h)
}

func (d *Denials) key(id string) map[string]types.AttributeValue {
	return dynamo.Key(heldPartition, id)
}

// store writes the sum, unless an earlier call did. h.mu is held.
func (d *Denials) store(ctx context.Context, h *held) error {
	for range rounds {
		condition, values := "attribute_not_exists(#n)", map[string]types.AttributeValue{
			":want": dynamo.Number(h.want), ":event": dynamo.Text(string(event.Canonical(event.Clean(h.sample)))),
			":at": dynamo.Number(d.c.Now().UnixMilli()), ":ttl": dynamo.Number(d.c.Now().Add(heldKeep).Unix()),
		}
		if h.stored > 0 {
			condition, values[":stored"] = "#n = :stored", dynamo.Number(h.stored)
		}
		_, err := d.c.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: aws.String(d.c.Table), Key: d.key(h.id), ConditionExpression: aws.String(condition),
			UpdateExpression:          aws.String("SET #n = :want, #event = :event, #at = :at, #ttl = :ttl"),
			ExpressionAttributeNames:  map[string]string{"#n": "n", "#event": "event", "#at": "at", "#ttl": dynamo.TTL},
			ExpressionAttributeValues: values,
		})
		if err == nil {
			h.stored = h.want
			return nil
		}
		if !errors.Is(err, dynamo.ErrCondition) {
			return fmt.Errorf("counting refusals: %w", err)
		}
		if err := d.reread(ctx, h); err != nil {
			return err
		}
		if h.stored == h.want {
			return nil // an earlier attempt was applied
		}
	}
	return errors.New("counting refusals: the count changed repeatedly")
}

// reread reads the item of a count. h.mu is held.
func (d *Denials) reread(ctx context.Context, h *held) error {
	out, err := d.c.Client.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(d.c.Table), Key: d.key(h.id), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return fmt.Errorf("counting refusals: %w", err)
	}
	h.stored, h.recorded = dynamo.NumberOf(out.Item, "n"), dynamo.NumberOf(out.Item, "recorded")
	return nil
}

// Drain records the counts of this instance that are a second old, or all of them.
func (d *Denials) Drain(ctx context.Context, all bool) error {
	now := d.c.Now()
	d.mu.Lock()
	people := make(map[string]*held, len(d.people))
	for sub, h := range d.people {
		people[sub] = h
	}
	d.mu.Unlock()
	var failed error
	for sub, h := range people {
		if err := d.drain(ctx, sub, h, now, all); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

func (d *Denials) drain(ctx context.Context, sub string, h *held, now time.Time, all bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.want == h.recorded {
		d.mu.Lock()
		defer d.mu.Unlock()
		if elapsed.Since(now, h.at) > heldKeep/2 { // before its item expires
			delete(d.people, sub)
		}
		return nil
	}
	if !all && elapsed.Since(now, h.at) < heldEvery {
		return nil
	}
	if h.stored < h.want {
		if err := d.store(ctx, h); err != nil {
			return err
		}
	}
	err := d.record(ctx, h.id, h.stored, h.recorded, h.sample)
	if errors.Is(err, dynamo.ErrCondition) { // recorded by another instance, or an earlier attempt was applied
		return d.reread(ctx, h)
	}
	if err == nil {
		h.recorded = h.stored
	}
	return err
}

// record makes the event of a count durable, and marks the count as recorded.
func (d *Denials) record(ctx context.Context, id string, sum, recorded int64, e event.Event) error {
	e.Time = d.c.Now()
	e.ID, e.Count = d.c.NewID(e.Time), int(sum-recorded)
	writes, err := d.c.Writes([]event.Event{e})
	if err != nil {
		return fmt.Errorf("recording refusals: %w", err)
	}
	condition, values := "#n = :sum AND attribute_not_exists(#recorded)", map[string]types.AttributeValue{":sum": dynamo.Number(sum)}
	if recorded > 0 {
		condition, values[":before"] = "#n = :sum AND #recorded = :before", dynamo.Number(recorded)
	}
	writes = append(writes, types.TransactWriteItem{Update: &types.Update{
		TableName: aws.String(d.c.Table), Key: d.key(id), UpdateExpression: aws.String("SET #recorded = :sum"), ConditionExpression: aws.String(condition),
		ExpressionAttributeNames: map[string]string{"#n": "n", "#recorded": "recorded"}, ExpressionAttributeValues: values,
	}})
	if _, err := d.c.Client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes}); err != nil {
		return fmt.Errorf("recording refusals: %w", err)
	}
	return nil
}

// Adopt records the counts that other instances left: they were killed or are
// frozen.
func (d *Denials) Adopt(ctx context.Context) error {
	in := &dynamodb.QueryInput{
		TableName: aws.String(d.c.Table), ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("#pk = :held"),
		ExpressionAttributeNames: map[string]string{"#pk": dynamo.PK}, ExpressionAttributeValues: map[string]types.AttributeValue{":held": dynamo.Text(heldPartition)},
	}
	for {
		page, err := d.c.Client.Query(ctx, in)
		if err != nil {
			return fmt.Errorf("reading counts of refusals: %w", err)
		}
		for _, item := range page.Items {
			sum, recorded := dynamo.NumberOf(item, "n"), dynamo.NumberOf(item, "recorded")
			if sum <= recorded || d.age(item) < orphaned {
				continue
			}
			e, err := event.Parse([]byte(dynamo.TextOf(item, "event")))
			if err != nil {
				return fmt.Errorf("reading a count of refusals: %w", err)
			}
			if err := d.record(ctx, dynamo.TextOf(item, dynamo.SK), sum, recorded, e); err != nil && !errors.Is(err, dynamo.ErrCondition) {
				return err
			}
		}
		if in.ExclusiveStartKey = page.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return nil
		}
	}
}

func (d *Denials) age(item dynamo.Attributes) time.Duration {
	return d.c.Now().Sub(time.UnixMilli(dynamo.NumberOf(item, "at")))
}
