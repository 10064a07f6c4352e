package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	"usher/backend/audit/sealer"
)

// API is the part of Amazon Data Firehose that a sink uses. *firehose.Client
// implements it.
type API interface {
	PutRecordBatch(ctx context.Context, in *firehose.PutRecordBatchInput, o ...func(*firehose.Options)) (*firehose.PutRecordBatchOutput, error)
}

// SPEC: Amazon Data Firehose developer guide, "Quota": a record has up to 1,000
// KiB, and a call up to 500 records and 4 MiB. Each record is billed in steps of
// 5 KB, so a record has many events.
const (
	maxRecord  = 900 << 10
	maxRecords = 500
	maxCall    = 3 << 20
	attempts   = 3
)

// Firehose is a Sink: a delivery stream, which writes files to a bucket.
type Firehose struct {
	api  API
	name string
}

// NewFirehose returns the sink of a delivery stream. It makes no call.
func NewFirehose(api API, name string) (*Firehose, error) {
	if api == nil || name == "" {
		return nil, errors.New("stream: Firehose needs a client and a delivery stream")
	}
	return &Firehose{api, name}, nil
}

// record is a record of Firehose: lines of batches.
type record struct {
	data  []byte
	first int // number of the batch of its first line
}

// Send implements Sink.
func (f *Firehose) Send(ctx context.Context, batches []sealer.Batch) (int, error) {
	records := pack(batches)
	for len(records) > 0 {
		n, size := 0, 0
		for n < len(records) && n < maxRecords && (n == 0 || size+len(records[n].data) <= maxCall) {
			size += len(records[n].data)
			n++
		}
		if failed, err := f.put(ctx, records[:n]); err != nil {
			return failed.first, err
		}
		records = records[n:]
	}
	return len(batches), nil
}

// pack makes records from batches. A line is in one record.
func pack(batches []sealer.Batch) []record {
	var all []record
	for i, b := range batches {
		for _, e := range b.Events {
			if len(all) == 0 || len(all[len(all)-1].data)+len(e.Line) >= maxRecord {
				all = append(all, record{first: i})
			}
			last := &all[len(all)-1]
			last.data = append(append(last.data, e.Line...), '\n')
		}
	}
	return all
}

// put sends records, and again those that Firehose refused. It returns the first
// refused one with its error.
func (f *Firehose) put(ctx context.Context, records []record) (record, error) {
	var refusal string
	for range attempts {
		in := &firehose.PutRecordBatchInput{DeliveryStreamName: aws.String(f.name)}
		for _, r := range records {
			in.Records = append(in.Records, types.Record{Data: r.data})
		}
		out, err := f.api.PutRecordBatch(ctx, in)
		if err != nil {
			return records[0], fmt.Errorf("sending events to Firehose: %w", err)
		}
		if aws.ToInt32(out.FailedPutCount) == 0 {
			return record{}, nil
		}
		if len(out.RequestResponses) != len(records) {
			return records[0], errors.New("sending events to Firehose: the response is malformed")
		}
		var refused []record
		for i, r := range out.RequestResponses {
			if r.ErrorCode != nil {
				refused, refusal = append(refused, records[i]), aws.ToString(r.ErrorCode)
			}
		}
		if len(refused) == 0 {
			return records[0], errors.New("sending events to Firehose: the response is malformed")
		}
		records = refused
	}
	return records[0], fmt.Errorf("sending events to Firehose: %s", refusal)
}
