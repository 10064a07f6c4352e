package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/audit/sealer"
	"usher/backend/dynamo"
)

const (
	skArchive    = "archive"   // of the mark: hours before it are archived as a whole
	pkArchived   = "archived#" // and the hour: a row for each archived item
	archivedKeep = 30 * 24 * time.Hour
	// streamKeep is the age from which the stream of a table delivers nothing more.
	// SPEC: DynamoDB developer guide, "Change data capture": records are kept for 24
	// hours.
	streamKeep = 25 * time.Hour
)

// Archive keeps a record of the items that were sent to an archive, and finds
// those that were not.
type Archive struct {
	x *Indexer
	s *Store
}

// NewArchive returns the record of a log.
func NewArchive(s *Store) *Archive { return &Archive{NewIndexer(s), s} }

// Batch reads an item of the stream.
func (a *Archive) Batch(image map[string]types.AttributeValue) sealer.Batch {
	return a.s.codec.sealed(image)
}

// IsCheck reports whether an item is one of Store.Check, without events.
func IsCheck(image map[string]types.AttributeValue) bool {
	return dynamo.TextOf(image, dynamo.PK) == checkPK
}

// Sent notes that batches were sent.
func (a *Archive) Sent(ctx context.Context, batches []sealer.Batch) error {
	out := a.x.writer(ctx)
	expires := a.s.now().Add(archivedKeep).Unix()
	for _, b := range batches {
		at, _ := timeOf(b.ID)
		row := dynamo.Key(pkArchived+at.Format(hourLayout), b.ID)
		row[dynamo.TTL] = dynamo.Number(expires)
		out.row(row)
	}
	return out.wait()
}

// Repair sends the items of one hour that the stream did not deliver within its
// life, and returns whether more hours can be repaired. send must be durable.
func (a *Archive) Repair(ctx context.Context, send func(context.Context, []sealer.Batch) error) (more bool, err error) {
	mark, err := a.mark(ctx)
	if err != nil || mark.IsZero() {
		return false, err
	}
	end := mark.Add(time.Hour)
	if end.Add(streamKeep).After(a.s.now()) {
		return false, nil
	}
	rows, err := a.s.index.rows(ctx, pkArchived+mark.Format(hourLayout), "0", "")
	if err != nil {
		return false, err
	}
	known := map[string]bool{}
	for _, row := range rows {
		known[dynamo.TextOf(row, dynamo.SK)] = true
	}
	var missing []sealer.Batch
	flush := func() error {
		if len(missing) == 0 {
			return nil
		}
		if err := send(ctx, missing); err != nil {
			return err
		}
		err := a.Sent(ctx, missing)
		missing = nil
		return err
	}
	var failed error
	err = a.s.Sealing().Batches(ctx, mark, end, func(b sealer.Batch) bool {
		if b.Damage == nil && !known[b.ID] {
			missing = append(missing, b)
		}
		if len(missing) == rowsPerCall {
			failed = flush()
		}
		return failed == nil
	})
	if err = errors.Join(err, failed); err == nil {
		err = flush()
	}
	if err != nil {
		return true, fmt.Errorf("repairing the archive of the audit log: %w", err)
	}
	return true, a.move(ctx, mark, end)
}

// mark returns the hour before which everything is archived. The first one is the
// hour of the oldest item; the zero time is that of an empty log.
func (a *Archive) mark(ctx context.Context) (time.Time, error) {
	out, err := a.s.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String(a.s.index.table), Key: dynamo.Key(pkMark, skArchive), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the table %s: %w", a.s.index.table, err)
	}
	if len(out.Item) > 0 {
		return time.UnixMilli(dynamo.NumberOf(out.Item, attrMark)).UTC(), nil
	}
	oldest, err := a.s.oldest(ctx)
	if err != nil || oldest.IsZero() {
		return time.Time{}, err
	}
	return oldest.Truncate(time.Hour), nil
}

// move moves the mark. A slower repair beside this one moves it back, which
// repeats work and loses nothing.
func (a *Archive) move(ctx context.Context, from, to time.Time) error {
	item := dynamo.Key(pkMark, skArchive)
	item[attrMark] = dynamo.Number(to.UnixMilli())
	if _, err := a.s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(a.s.index.table), Item: item}); err != nil {
		return fmt.Errorf("moving the mark of the archive from %s: %w", from.Format(hourLayout), err)
	}
	return nil
}
