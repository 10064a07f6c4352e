package dynamo

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
)

// Partitions of the index table beside those of Rows, which are 24 characters
// long.
const (
	pkMark   = "mark"   // the time up to which the index is complete
	pkSlices = "slices" // counts of sliceSize, of the hour of the mark
	pkHours  = "hours"  // counts of an hour
	pkPeople = "people" // hashes of the persons of an hour
)

// Attributes of the index table.
const (
	attrMark      = "m"
	attrDenied    = "d"
	attrDownloads = "l"
	attrPeople    = "p"
)

// settle is the age of an event from which no other writer will add an item
// before it without moving the mark back: late, the longest write, and twice the
// difference of two clocks (object.Skew allows 5 s).
const settle = time.Minute

const sliceSize = 10 * time.Second

// index is the index table with its mark.
type index struct {
	db    DB
	table string
	log   *Store

	mu   sync.Mutex
	mark time.Time // as read at
	at   time.Time
}

// complete returns the time before which the index is complete. The result can be
// Lag old; a mark that has moved on since then costs time only.
func (x *index) complete(ctx context.Context) (time.Time, error) {
	x.mu.Lock()
	mark, age := x.mark, x.log.now().Sub(x.at)
	x.mu.Unlock()
	if !mark.IsZero() && age >= 0 && age < Lag {
		return mark, nil
	}
	read := x.log.now()
	mark, ok, err := x.read(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if !ok {
		if mark, err = x.start(ctx); err != nil {
			return time.Time{}, err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.mark, x.at = mark, read
	return mark, nil
}

// read reads the mark. It returns false for an index without one.
func (x *index) read(ctx context.Context) (time.Time, bool, error) {
	out, err := x.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String(x.table), Key: dynamo.Key(pkMark, pkMark), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return time.Time{}, false, fmt.Errorf("reading the table %s: %w", x.table, err)
	}
	if len(out.Item) == 0 {
		return time.Time{}, false, nil
	}
	return time.UnixMilli(dynamo.NumberOf(out.Item, attrMark)).UTC(), true, nil
}

// start makes the first mark: the hour of the oldest item of the log.
func (x *index) start(ctx context.Context) (time.Time, error) {
	oldest, err := x.log.oldest(ctx)
	if err != nil {
		return time.Time{}, err
	}
	mark := oldest.Truncate(time.Hour)
	if oldest.IsZero() {
		mark = x.log.now().Add(-settle).UTC().Truncate(sliceSize)
	}
	err = x.set(ctx, mark, "attribute_not_exists("+dynamo.PK+")", nil)
	if errors.Is(err, dynamo.ErrCondition) { // another process made it
		mark, _, err = x.read(ctx)
	}
	return mark, err
}

// set writes the mark under a condition.
func (x *index) set(ctx context.Context, mark time.Time, condition string, values map[string]types.AttributeValue) error {
	item := dynamo.Key(pkMark, pkMark)
	item[attrMark] = dynamo.Number(mark.UnixMilli())
	_, err := x.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String(x.table), Item: item,
		ConditionExpression: aws.String(condition), ExpressionAttributeValues: values,
	})
	if err != nil {
		return fmt.Errorf("writing to the table %s: %w", x.table, err)
	}
	return nil
}

// move replaces the mark that was read. It returns ErrCondition if it differs now.
func (x *index) move(ctx context.Context, from, to time.Time) error {
	err := x.set(ctx, to, attrMark+" = :from", map[string]types.AttributeValue{":from": dynamo.Number(from.UnixMilli())})
	if errors.Is(err, dynamo.ErrCondition) { // perhaps by an earlier try of this call
		if now, ok, rerr := x.read(ctx); rerr == nil && ok && now.Equal(to) {
			err = nil
		}
	}
	if err == nil {
		x.mu.Lock()
		x.mark, x.at = to, x.log.now()
		x.mu.Unlock()
	}
	return err
}

// back moves the mark back to the hour of a late event. The item is in the log
// already, so the next pass of the Indexer finds it.
func (x *index) back(ctx context.Context, at time.Time) error {
	hour := at.UTC().Truncate(time.Hour)
	for {
		mark, ok, err := x.read(ctx)
		if err != nil {
			return err
		}
		if !ok {
			_, err := x.start(ctx)
			return err
		}
		if !mark.After(at) {
			return nil
		}
		if err := x.move(ctx, mark, hour); !errors.Is(err, dynamo.ErrCondition) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// oldest returns the time of the oldest item of the log, or the zero time. It
// reads the whole table, once in the life of an index.
func (s *Store) oldest(ctx context.Context) (time.Time, error) {
	var oldest time.Time
	in := &dynamodb.ScanInput{
		TableName: aws.String(s.log), ConsistentRead: aws.Bool(true),
		ProjectionExpression: aws.String(dynamo.PK + ", " + dynamo.SK),
	}
	for {
		out, err := s.db.Scan(ctx, in)
		if err != nil {
			return oldest, fmt.Errorf("reading the table %s: %w", s.log, err)
		}
		for _, item := range out.Items {
			if dynamo.TextOf(item, dynamo.PK) == checkPK {
				continue
			}
			if at, ok := timeOf(dynamo.TextOf(item, dynamo.SK)); ok && (oldest.IsZero() || at.Before(oldest)) {
				oldest = at
			}
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(out.LastEvaluatedKey) == 0 {
			return oldest, nil
		}
	}
}
