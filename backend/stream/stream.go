// Package stream handles the stream of the log table: it extends the index, sends
// the events to an archive, and raises an alarm for every change of the log that
// usher does not make. DynamoDB delivers each record at least once, and a batch
// again from its first failed record on, so each step can be repeated.
//
// SPEC: AWS Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB".
//
// Schedule and retries are left to Lambda, and the rows of the index to package
// audit/dynamo.
package stream

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/oklog/ulid/v2"

	auditdynamo "usher/backend/audit/dynamo"
	"usher/backend/audit/sealer"
	"usher/backend/dynamo"
	"usher/backend/event"
	"usher/backend/safetext"
)

// Sink is an archive. Send sends the lines of batches. It returns how many batches
// from the first one on are durable there; an error belongs to the next one.
type Sink interface {
	Send(ctx context.Context, batches []sealer.Batch) (sent int, err error)
}

// Log is the log table with its index. *auditdynamo.Store implements it.
type Log interface {
	Append(ctx context.Context, all []event.Event) error
	MarkLate(ctx context.Context, at time.Time) error
}

// Config has the parts of a Handler. All but Sink are required.
type Config struct {
	Log     Log
	Index   *auditdynamo.Indexer
	Archive *auditdynamo.Archive
	Sink    Sink // nil: no archive
	Server  *slog.Logger
}

// Handler handles batches of the stream. It is not safe for concurrent use.
type Handler struct{ c Config }

// New refuses a missing part.
func New(c Config) (*Handler, error) {
	if c.Log == nil || c.Index == nil || c.Archive == nil || c.Server == nil {
		return nil, errors.New("stream: log, index, archive and the server's log are needed")
	}
	return &Handler{c}, nil
}

// late is the time between an event and its write from which the writer marks the
// hour. A writer that ended before its mark is repaired here.
const late = 30 * time.Second

// batch is the work of one delivery.
type batch struct {
	images  []map[string]types.AttributeValue
	batches []sealer.Batch
	numbers []string // sequence numbers of the batches
	late    map[time.Time]bool
	alarms  []event.Event
}

// Handle handles one delivery. The response has the sequence number from which the
// delivery must be repeated.
func (h *Handler) Handle(ctx context.Context, in events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
	var out events.DynamoDBEventResponse
	if len(in.Records) == 0 {
		return out, nil
	}
	repeat := func(number string, err error) events.DynamoDBEventResponse {
		h.c.Server.Error("a batch of the stream is repeated", "error", safetext.New(err.Error()))
		out.BatchItemFailures = []events.DynamoDBBatchItemFailure{{ItemIdentifier: number}}
		return out
	}
	b := h.sort(in.Records)
	first := in.Records[0].Change.SequenceNumber
	if err := h.c.Index.Items(ctx, b.images...); err != nil {
		return repeat(first, err), nil
	}
	for hour := range b.late {
		if err := h.c.Log.MarkLate(ctx, hour); err != nil {
			return repeat(first, err), nil
		}
	}
	for _, e := range b.alarms {
		if err := h.c.Log.Append(ctx, []event.Event{event.Clean(e)}); err != nil {
			return repeat(first, err), nil
		}
	}
	if n, err := h.archive(ctx, b.batches); err != nil {
		h.c.Server.Error("archiving the audit log", "error", safetext.New(err.Error()), "alarm", "archive")
		return repeat(b.numbers[n], err), nil
	}
	return out, nil
}

// archive sends batches and notes them. It returns the number of those that need
// no repetition.
func (h *Handler) archive(ctx context.Context, batches []sealer.Batch) (int, error) {
	if h.c.Sink == nil || len(batches) == 0 {
		return len(batches), nil
	}
	n, err := h.c.Sink.Send(ctx, batches)
	if n > 0 {
		if serr := h.c.Archive.Sent(ctx, batches[:n]); serr != nil {
			return 0, errors.Join(serr, err)
		}
	}
	return n, err
}

// Repair sends the events that the stream did not deliver within its life. It handles one
// hour of the log and returns whether there are more.
func (h *Handler) Repair(ctx context.Context) (bool, error) {
	if h.c.Sink == nil {
		return false, nil
	}
	return h.c.Archive.Repair(ctx, func(ctx context.Context, batches []sealer.Batch) error {
		_, err := h.c.Sink.Send(ctx, batches)
		return err
	})
}

// sort sorts the records of a delivery by the work that they need.
func (h *Handler) sort(records []events.DynamoDBEventRecord) batch {
	b := batch{late: map[time.Time]bool{}}
	for _, r := range records {
		switch events.DynamoDBOperationType(r.EventName) {
		case events.DynamoDBOperationTypeInsert:
			h.insert(&b, r)
		case events.DynamoDBOperationTypeRemove:
			if !expired(r) {
				h.alarm(&b, r, "an item of the audit log was removed before its expiry")
			}
		default:
			h.alarm(&b, r, "an item of the audit log was changed")
		}
	}
	return b
}

// insert takes a new item.
func (h *Handler) insert(b *batch, r events.DynamoDBEventRecord) {
	image := imageOf(r.Change.NewImage)
	if auditdynamo.IsCheck(image) {
		return
	}
	item := h.c.Archive.Batch(image)
	if item.Damage != nil {
		h.alarm(b, r, "an item of the audit log is not usher's")
		return
	}
	b.images, b.batches, b.numbers = append(b.images, image), append(b.batches, item), append(b.numbers, r.Change.SequenceNumber)
	if at, err := ulid.ParseStrict(item.ID); err == nil {
		if made := ulid.Time(at.Time()).UTC(); r.Change.ApproximateCreationDateTime.Sub(made) > late {
			b.late[made.Truncate(time.Hour)] = true
		}
	}
}

// expired reports whether DynamoDB removed an item because of its expiry, and not
// before that.
//
// SPEC: DynamoDB developer guide, "DynamoDB Streams and Time to Live".
func expired(r events.DynamoDBEventRecord) bool {
	const service = "dynamodb.amazonaws.com"
	if r.UserIdentity == nil || r.UserIdentity.Type != "Service" || r.UserIdentity.PrincipalID != service {
		return false
	}
	ends := dynamo.NumberOf(imageOf(r.Change.OldImage), dynamo.TTL)
	return ends > 0 && ends <= r.Change.ApproximateCreationDateTime.Unix()
}

// alarm adds an alarm. Its id follows from the record, so a repeated delivery
// repeats the same event.
func (h *Handler) alarm(b *batch, r events.DynamoDBEventRecord, reason string) {
	keys := imageOf(r.Change.Keys)
	h.c.Server.Error(reason, "item", safetext.New(dynamo.TextOf(keys, dynamo.SK)), "alarm", "tampering")
	at := r.Change.ApproximateCreationDateTime.UTC().Truncate(time.Millisecond)
	var id ulid.ULID
	if err := id.SetTime(uint64(at.UnixMilli())); err != nil {
		return // a time after the year 10889
	}
	sum := sha256.Sum256([]byte(r.EventID + r.Change.SequenceNumber))
	copy(id[6:], sum[:])
	b.alarms = append(b.alarms, event.Event{
		ID: id.String(), Time: at, Action: event.Alarm, Outcome: event.Failed, Count: 1,
		Reason: fmt.Sprintf("%s: %s", reason, safetext.New(dynamo.TextOf(keys, dynamo.SK))),
	})
}

// imageOf returns an item as the client of DynamoDB reads it.
func imageOf(image map[string]events.DynamoDBAttributeValue) map[string]types.AttributeValue {
	item := make(map[string]types.AttributeValue, len(image))
	for name, value := range image {
		switch value.DataType() {
		case events.DataTypeString:
			item[name] = dynamo.Text(value.String())
		case events.DataTypeBinary:
			item[name] = dynamo.Bytes(value.Binary())
		case events.DataTypeNumber:
			item[name] = &types.AttributeValueMemberN{Value: value.Number()}
		}
	}
	return item
}
