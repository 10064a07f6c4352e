package dynamo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/audit/sealer"
	"usher/backend/dynamo"
)

const (
	pkLate    = "late" // of the index: an hour with events that were added late
	attrValue = "v"
	// lateKeep is the time for which a mark of late events is returned.
	lateKeep = 2 * 24 * time.Hour
)

// markLate notes the hours of batches that were added late, for the sealer. The
// batches are durable before.
func (s *Store) markLate(ctx context.Context, batches []batch) error {
	now := s.now()
	marked := map[time.Time]bool{}
	for _, b := range batches {
		hour := b.at.UTC().Truncate(time.Hour)
		if now.Sub(b.at) <= late || marked[hour] {
			continue
		}
		marked[hour] = true
		if err := s.MarkLate(ctx, hour); err != nil {
			return err
		}
	}
	return nil
}

// MarkLate notes that an hour has events that were added late.
func (s *Store) MarkLate(ctx context.Context, at time.Time) error {
	now := s.now()
	item := dynamo.Key(pkLate, at.UTC().Truncate(time.Hour).Format(hourLayout))
	item[attrValue], item[dynamo.TTL] = dynamo.Text(s.newID(now)), dynamo.Number(now.Add(lateKeep).Unix())
	if _, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(s.index.table), Item: item}); err != nil {
		return fmt.Errorf("marking an hour with late events: %w", err)
	}
	return nil
}

// Sealing returns the log as a sealer reads it: with expired items, and with the
// stored bytes of the events.
func (s *Store) Sealing() sealer.Log { return sealing{s} }

type sealing struct{ s *Store }

// Oldest implements sealer.Log.
func (l sealing) Oldest(ctx context.Context) (time.Time, error) { return l.s.oldest(ctx) }

// Batches implements sealer.Log.
func (l sealing) Batches(ctx context.Context, from, to time.Time, use func(sealer.Batch) bool) error {
	w := window{low: least(from), high: least(to), ascending: true}
	for _, hour := range w.hours() {
		m := l.s.shardsOf(hour, w)
		for {
			row, err := m.take(ctx)
			if err != nil {
				return err
			}
			if row == nil {
				break
			}
			if at, _ := timeOf(dynamo.TextOf(row, dynamo.SK)); !at.Before(to) {
				break // the end of a window is inclusive
			}
			if !use(l.s.codec.sealed(row)) {
				return nil
			}
		}
	}
	return nil
}

// keysPerRead bounds one read. SPEC: BatchGetItem takes up to 100 keys.
const keysPerRead = 100

// Get implements sealer.Log.
func (l sealing) Get(ctx context.Context, ids []string) (all []sealer.Batch, err error) {
	for some := range slices.Chunk(ids, keysPerRead) {
		keys := types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}
		for _, id := range some {
			if _, ok := timeOf(id); !ok {
				return nil, fmt.Errorf("the planned batch %.40q has no id of the log", id)
			}
			keys.Keys = append(keys.Keys, dynamo.Key(partition(id), id))
		}
		out, err := l.s.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{l.s.log: keys}})
		if err != nil {
			return nil, fmt.Errorf("reading the table %s: %w", l.s.log, err)
		}
		for _, row := range out.Responses[l.s.log] {
			all = append(all, l.s.codec.sealed(row))
		}
	}
	return all, nil
}

// Marks implements sealer.Log.
func (l sealing) Marks(ctx context.Context) ([]sealer.Mark, error) {
	rows, err := l.s.index.rows(ctx, pkLate, "0", "")
	if err != nil {
		return nil, err
	}
	var all []sealer.Mark
	for _, row := range rows {
		hour, err := time.Parse(hourLayout, dynamo.TextOf(row, dynamo.SK))
		if err != nil {
			return nil, fmt.Errorf("a row of the table %s: %w", l.s.index.table, err)
		}
		all = append(all, sealer.Mark{Hour: hour, Value: dynamo.TextOf(row, attrValue)})
	}
	return all, nil
}

// sealed reads an item as a batch.
func (c *codec) sealed(attributes map[string]types.AttributeValue) sealer.Batch {
	b := sealer.Batch{ID: dynamo.TextOf(attributes, dynamo.SK)}
	raw, err := c.raw(attributes)
	if err != nil {
		b.Damage = err
		return b
	}
	for line := range bytes.Lines(raw) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		b.Events = append(b.Events, sealer.Event{ID: sealer.IDOf(line), Line: line})
	}
	if len(b.Events) == 0 || b.Events[0].ID != b.ID || partition(b.ID) != dynamo.TextOf(attributes, dynamo.PK) {
		b.Damage = fmt.Errorf("item %.40q: %w: its keys are not those of its first event", b.ID, ErrDamaged)
	}
	return b
}

// States keeps the state of the sealer in a table that servers share.
type States struct {
	db    DB
	table string
}

// NewStates returns the states in a table. It makes no call.
func NewStates(db DB, table string) (*States, error) {
	if db == nil || table == "" {
		return nil, errors.New("audit in DynamoDB: the state of a sealer needs a client and a table")
	}
	return &States{db, table}, nil
}

// Keys and attributes of the state.
const (
	pkSeal      = "seal"
	skHead      = "head"
	skHolds     = "holds"
	attrVersion = "v"
	attrState   = "s"
)

// Load implements sealer.States.
func (s *States) Load(ctx context.Context) (state sealer.State, err error) {
	err = s.load(ctx, skHead, &state)
	return state, err
}

// load reads an item into a value, which stays as it is if there is no item.
func (s *States) load(ctx context.Context, sk string, into any) error {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(s.table), Key: dynamo.Key(pkSeal, sk), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return fmt.Errorf("reading the table %s: %w", s.table, err)
	}
	if len(out.Item) == 0 {
		return nil
	}
	if err := json.Unmarshal([]byte(dynamo.TextOf(out.Item, attrState)), into); err != nil {
		return fmt.Errorf("the state of the sealer in the table %s: %w", s.table, err)
	}
	return nil
}

// Save implements sealer.States.
func (s *States) Save(ctx context.Context, state sealer.State) error {
	return s.save(ctx, skHead, state.Version, state, attrVersion+" = :before", state.Version-1)
}

// save writes an item under a condition, or if it does not exist and version is
// the first one.
func (s *States) save(ctx context.Context, sk string, version int64, value any, condition string, before int64) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding the state of the sealer: %w", err)
	}
	item := dynamo.Key(pkSeal, sk)
	item[attrVersion], item[attrState] = dynamo.Number(version), dynamo.Text(string(text))
	in := &dynamodb.PutItemInput{
		TableName: aws.String(s.table), Item: item, ConditionExpression: aws.String(condition),
		ExpressionAttributeValues: map[string]types.AttributeValue{":before": dynamo.Number(before)},
	}
	if before == 0 {
		in.ConditionExpression, in.ExpressionAttributeValues = aws.String("attribute_not_exists("+dynamo.PK+")"), nil
	}
	_, err = s.db.PutItem(ctx, in)
	if !errors.Is(err, dynamo.ErrCondition) {
		if err != nil {
			return fmt.Errorf("writing to the table %s: %w", s.table, err)
		}
		return nil
	}
	// An earlier try of this call may have been applied.
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(s.table), Key: dynamo.Key(pkSeal, sk), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return fmt.Errorf("reading the table %s back: %w", s.table, err)
	}
	if dynamo.TextOf(out.Item, attrState) == string(text) {
		return nil
	}
	return sealer.ErrLost
}

// Holds is the progress of the copies of held events: those of earlier hours than
// Mark are copied.
type Holds struct {
	Filters string    `json:"filters"` // other filters begin again
	Mark    time.Time `json:"mark"`
}

// LoadHolds returns the progress, or the zero Holds.
func (s *States) LoadHolds(ctx context.Context) (h Holds, err error) {
	err = s.load(ctx, skHolds, &h)
	return h, err
}

// SaveHolds stores the progress. An older one of another server repeats copies and
// loses none.
func (s *States) SaveHolds(ctx context.Context, h Holds) error {
	text, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encoding the progress of holds: %w", err)
	}
	item := dynamo.Key(pkSeal, skHolds)
	item[attrState] = dynamo.Text(string(text))
	if _, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(s.table), Item: item}); err != nil {
		return fmt.Errorf("writing to the table %s: %w", s.table, err)
	}
	return nil
}

// SaveHour implements sealer.States.
func (s *States) SaveHour(ctx context.Context, version int64, h sealer.Hour) error {
	const older = "attribute_not_exists(" + dynamo.PK + ") OR " + attrVersion + " < :before"
	err := s.save(ctx, h.Start.UTC().Format(hourLayout), version, h, older, version)
	if errors.Is(err, sealer.ErrLost) {
		return nil // ranges of a later version are kept
	}
	return err
}

// LoadHour implements sealer.States.
func (s *States) LoadHour(ctx context.Context, start time.Time) (h sealer.Hour, err error) {
	err = s.load(ctx, start.UTC().Format(hourLayout), &h)
	return h, err
}
