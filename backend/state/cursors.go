package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"usher/backend/cursor"
	"usher/backend/dynamo"
)

const (
	day       = 24 * time.Hour
	keyBytes  = 32
	keyTime   = 4 * time.Second // longest wait for a key
	keepKeys  = 3               // days in memory
	keyExpiry = 3 * day
)

// Cursors seals positions with a key of the day, which the first instance of the
// day makes. A cursor of yesterday opens too. Safe for concurrent use.
type Cursors struct {
	c    Config
	rand io.Reader

	mu   sync.Mutex
	days map[string]*cursor.Sealer
}

// NewCursors refuses a missing part. It makes no call.
func NewCursors(c Config, random io.Reader) (*Cursors, error) {
	if c.Client == nil || c.Table == "" || c.Now == nil || random == nil {
		return nil, errors.New("shared cursor keys: client, table, clock and randomness are needed")
	}
	return &Cursors{c: c, rand: random, days: map[string]*cursor.Sealer{}}, nil
}

// Seal returns the encrypted text for the client.
func (k *Cursors) Seal(c cursor.Cursor) (string, error) {
	s, err := k.sealer(k.c.Now(), true)
	if err != nil {
		return "", err
	}
	return s.Seal(c)
}

// Open returns a cursor of today or yesterday if it was sealed for this query.
// The clocks of two instances may be on two days, so it also tries tomorrow's
// key within a minute of midnight.
func (k *Cursors) Open(text string, want cursor.Cursor, now time.Time) (cursor.Cursor, error) {
	tried := ""
	var unread error
	for _, at := range []time.Time{now, now.Add(-cursor.Life - time.Minute), now.Add(time.Minute)} {
		if dayOf(at) == tried {
			continue
		}
		tried = dayOf(at)
		s, err := k.sealer(at, false)
		if err != nil {
			unread = errors.Join(unread, err)
			continue
		}
		if s == nil {
			continue
		}
		if c, err := s.Open(text, want, now); err == nil {
			return c, nil
		}
	}
	if unread != nil {
		return cursor.Cursor{}, unread
	}
	return cursor.Cursor{}, cursor.ErrRefused
}

// Item names the item of today's key.
func (k *Cursors) Item() dynamo.Item {
	return dynamo.Item{Table: k.c.Table, PK: keyPartition, SK: dayOf(k.c.Now())}
}

// Learn takes the key of a day from its item, which the caller has read. It creates
// the key if the item is absent.
func (k *Cursors) Learn(item dynamo.Item, attributes dynamo.Attributes) {
	if key := dynamo.BytesOf(attributes, "key"); key != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		_, _ = k.keep(item.SK, key) // a failure occurs again in Seal
		return
	}
	_, _ = k.sealer(k.c.Now(), true)
}

// keyPartition is the partition key of the keys.
const keyPartition = "cursor"

// Marks returns marks with the key of the day. A mark of yesterday opens too.
func (k *Cursors) Marks(now time.Time) (cursor.Marks, error) {
	s, err := k.sealer(now, true)
	if err != nil {
		return nil, err
	}
	return marks{s, k, now}, nil
}

// marks opens with the key of the day before only if a mark is not of the day.
type marks struct {
	*cursor.Sealer
	keys *Cursors
	now  time.Time
}

// Size implements cursor.Marks.
func (m marks) Size(mark, bucket, key, etag string) (int64, bool) {
	if size, ok := m.Sealer.Size(mark, bucket, key, etag); ok {
		return size, true
	}
	before, err := m.keys.sealer(m.now.Add(-day), false)
	if err != nil || before == nil {
		return 0, false
	}
	return before.Size(mark, bucket, key, etag)
}

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// sealer returns the sealer of a day, or nil if the day has no key and create is
// false.
func (k *Cursors) sealer(at time.Time, create bool) (*cursor.Sealer, error) {
	name := dayOf(at)
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.days[name]; s != nil {
		return s, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), keyTime)
	defer cancel()
	key, err := k.read(ctx, name)
	if err == nil && key == nil && create {
		key, err = k.create(ctx, name, at)
	}
	if err != nil || key == nil {
		return nil, err
	}
	return k.keep(name, key)
}

// keep adds the sealer of a day. k.mu is held.
func (k *Cursors) keep(name string, key []byte) (*cursor.Sealer, error) {
	s, err := cursor.NewSealer(k.rand, key)
	if err != nil {
		return nil, err
	}
	if len(k.days) >= keepKeys {
		clear(k.days)
	}
	k.days[name] = s
	return s, nil
}

func (k *Cursors) read(ctx context.Context, name string) ([]byte, error) {
	out, err := k.c.Client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String(k.c.Table), Key: dynamo.Key(keyPartition, name), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, fmt.Errorf("reading a cursor key: %w", err)
	}
	return dynamo.BytesOf(out.Item, "key"), nil
}

func (k *Cursors) create(ctx context.Context, name string, at time.Time) ([]byte, error) {
	key := make([]byte, keyBytes)
	if _, err := io.ReadFull(k.rand, key); err != nil {
		return nil, fmt.Errorf("making a cursor key: %w", err)
	}
	item := dynamo.Key(keyPartition, name)
	item["key"], item[dynamo.TTL] = dynamo.Bytes(key), dynamo.Number(at.Add(keyExpiry).Unix())
	_, err := k.c.Client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String(k.c.Table), Item: item, ConditionExpression: aws.String("attribute_not_exists(#pk)"),
		ExpressionAttributeNames: map[string]string{"#pk": dynamo.PK},
	})
	switch {
	case err == nil:
		return key, nil
	case errors.Is(err, dynamo.ErrCondition):
		return k.read(ctx, name) // the key of the first instance, or ours after a lost response
	}
	return nil, fmt.Errorf("storing a cursor key: %w", err)
}
