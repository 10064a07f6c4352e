package dynamo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/audit"
	"usher/backend/dynamo"
	"usher/backend/event"
)

// DB is the part of DynamoDB that the store uses. It has no UpdateItem and no
// DeleteItem. *dynamo.Client implements it.
type DB interface {
	PutItem(ctx context.Context, in *dynamodb.PutItemInput) (*dynamodb.PutItemOutput, error)
	TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput) (*dynamodb.TransactWriteItemsOutput, error)
	BatchWriteItem(ctx context.Context, in *dynamodb.BatchWriteItemInput) error
	GetItem(ctx context.Context, in *dynamodb.GetItemInput) (*dynamodb.GetItemOutput, error)
	BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput) (*dynamodb.BatchGetItemOutput, error)
	Query(ctx context.Context, in *dynamodb.QueryInput) (*dynamodb.QueryOutput, error)
	Scan(ctx context.Context, in *dynamodb.ScanInput) (*dynamodb.ScanOutput, error)
}

const (
	// Lag is the age from which events are found by all processes and by all
	// fields, and the distance of ascending pages from now.
	Lag = 3 * time.Second
	// ahead is the greatest time of an event after this machine's clock.
	ahead = time.Minute
	// late is the age of an event, after its write, from which the writer moves
	// the mark of the index back. The Indexer stays further behind (settle).
	late = 30 * time.Second

	// SPEC: DynamoDB developer guide, "Constraints": a transaction has up to 100
	// items and 4 MB.
	maxItems       = 100
	maxTransaction = 4<<20 - 64<<10

	checkKeep = time.Hour
	checkPK   = "check"
)

// Config has the parts of a Store. All but Keep and Confirm are required.
type Config struct {
	DB   DB
	Log  string // name of the log table
	Now  func() time.Time
	Rand io.Reader
	Keep time.Duration // time until events expire; 0: never
	// Confirm returns a write of another table that is a part of the transaction of
	// an event, and false for an event without one. nil: no event has one.
	Confirm func(event.Event) (types.TransactWriteItem, bool)
}

// Store is an audit.Store.
type Store struct {
	db     DB
	log    string
	index  index
	now    func() time.Time
	newID  func(time.Time) string
	keep   time.Duration
	writer string
	codec  *codec

	confirm func(event.Event) (types.TransactWriteItem, bool)

	mu      sync.Mutex
	last    int64            // number of the last item
	pending map[string]int64 // numbers of unconfirmed items, for their retries
}

// New returns a store. It makes no call.
func New(c Config) (*Store, error) {
	switch {
	case c.DB == nil || c.Log == "":
		return nil, errors.New("audit in DynamoDB: no client or no table")
	case c.Now == nil || c.Rand == nil:
		return nil, errors.New("audit in DynamoDB: no clock or no randomness")
	case c.Keep < 0:
		return nil, errors.New("audit in DynamoDB: events cannot expire before their time")
	}
	codec, err := newCodec()
	if err != nil {
		return nil, err
	}
	newID := event.IDs(c.Rand)
	s := &Store{
		db: c.DB, log: c.Log, now: c.Now, newID: newID, keep: c.Keep, writer: newID(c.Now()), codec: codec,
		pending: map[string]int64{}, confirm: c.Confirm,
	}
	s.index = index{db: c.DB, table: dynamo.IndexTable(c.Log), log: s}
	return s, nil
}

// Append implements audit.Store.
func (s *Store) Append(ctx context.Context, events []event.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(events) == 0 {
		return nil
	}
	batches, err := s.codec.batches(events)
	if err != nil {
		return err
	}
	now := s.now()
	oldest, size := batches[0].at, 0
	for _, b := range batches {
		if b.at.Before(oldest) {
			oldest = b.at
		}
		if b.at.After(now.Add(ahead)) {
			return fmt.Errorf("an event's time is more than %s after the clock", ahead)
		}
		size += len(b.packed)
	}
	if len(batches)+len(s.confirmations(batches)) > maxItems || size > maxTransaction {
		return fmt.Errorf("%d events do not fit into one transaction of DynamoDB", len(events))
	}
	if err := s.write(ctx, batches); err != nil {
		return err
	}
	if s.now().Sub(oldest) > late {
		return errors.Join(s.index.back(ctx, oldest), s.markLate(ctx, batches))
	}
	return nil
}

// write writes all batches or none. Events that are in the log already, as after
// a write with a lost response, are left out.
func (s *Store) write(ctx context.Context, batches []batch) error {
	for range 3 {
		err := s.put(ctx, batches)
		if !errors.Is(err, dynamo.ErrCondition) {
			return err
		}
		var missing []event.Event
		for _, b := range batches {
			rest, err := s.missing(ctx, b)
			if err != nil {
				return err
			}
			missing = append(missing, rest...)
		}
		if len(missing) == 0 {
			return s.reconfirm(ctx, batches)
		}
		if batches, err = s.codec.batches(missing); err != nil {
			return err
		}
	}
	return errors.New("other servers write the same events")
}

// confirmations returns the writes that belong to the events of batches.
func (s *Store) confirmations(batches []batch) (all []types.TransactWriteItem) {
	if s.confirm == nil {
		return nil
	}
	for _, b := range batches {
		for _, e := range b.events {
			if w, ok := s.confirm(e); ok {
				all = append(all, w)
			}
		}
	}
	return all
}

// reconfirm repeats the confirmation of events that are in the log already.
func (s *Store) reconfirm(ctx context.Context, batches []batch) error {
	items := s.confirmations(batches)
	if len(items) == 0 {
		return nil
	}
	if _, err := s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: items}); err != nil {
		return fmt.Errorf("confirming an event of the table %s: %w", s.log, err)
	}
	return nil
}

// put makes one conditional write of all batches and of their confirmations.
func (s *Store) put(ctx context.Context, batches []batch) error {
	items := append(s.puts(batches), s.confirmations(batches)...)
	var err error
	if len(items) == 1 {
		_, err = s.db.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: items[0].Put.TableName, ConditionExpression: items[0].Put.ConditionExpression, Item: items[0].Put.Item,
		})
	} else {
		_, err = s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: items})
	}
	if err != nil {
		return fmt.Errorf("writing to the table %s: %w", s.log, err)
	}
	s.confirmed(batches)
	return nil
}

// missing returns the events of a batch that the item with its key does not have.
// It returns ErrConflict if the item has another event with one of their ids.
func (s *Store) missing(ctx context.Context, b batch) ([]event.Event, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String(s.log), Key: dynamo.Key(b.pk, b.sk), ConsistentRead: aws.Bool(true),
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading an item of the table %s back: %w", s.log, err)
	case len(out.Item) == 0:
		return b.events, nil
	case bytes.Equal(dynamo.BytesOf(out.Item, attrHash), b.hash[:]):
		s.confirmed([]batch{b})
		return nil, nil
	}
	item, err := s.codec.item(out.Item)
	if err != nil {
		return nil, err
	}
	there := map[string][]byte{}
	for _, e := range item.Events {
		there[e.ID] = event.Canonical(e)
	}
	var rest []event.Event
	for _, e := range b.events {
		known, ok := there[e.ID]
		if ok && !bytes.Equal(known, event.Canonical(e)) {
			return nil, audit.ErrConflict
		}
		if !ok {
			rest = append(rest, e)
		}
	}
	return rest, nil
}

// maxPending bounds the numbers kept for retries.
const maxPending = 10_000

// number returns the number of an item. A retry has the number of the first try,
// so a gap is a write that never succeeded or an item that is gone.
func (s *Store) number(b batch) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := b.key()
	if n, ok := s.pending[key]; ok {
		return n
	}
	if len(s.pending) >= maxPending {
		clear(s.pending)
	}
	s.last++
	s.pending[key] = s.last
	return s.last
}

func (s *Store) confirmed(batches []batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range batches {
		delete(s.pending, b.key())
	}
}

func (b batch) key() string { return b.sk + string(b.hash[:]) }

// expires returns the time at which an event of an instant expires, or 0.
func (s *Store) expires(at time.Time) int64 {
	if s.keep == 0 {
		return 0
	}
	return at.Add(s.keep).Unix()
}

// Check implements audit.Store. It writes an item without events that expires
// within an hour, and reads the index.
func (s *Store) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now := s.now()
	item := dynamo.Key(checkPK, s.newID(now))
	item[attrWriter], item[dynamo.TTL] = dynamo.Text(s.writer), dynamo.Number(now.Add(checkKeep).Unix())
	item[attrHash] = dynamo.Bytes(make([]byte, sha256.Size))
	if _, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(s.log), Item: item}); err != nil {
		return fmt.Errorf("writing to the table %s: %w", s.log, err)
	}
	_, _, err := s.index.read(ctx)
	return err
}

// Close implements io.Closer. The store holds nothing that needs closing.
func (s *Store) Close() error { return nil }
