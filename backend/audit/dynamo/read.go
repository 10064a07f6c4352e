package dynamo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"usher/backend/audit"
	"usher/backend/dynamo"
	"usher/backend/event"
)

// window is a range of ids, low inclusive and high exclusive, and the direction
// in which it is read.
type window struct {
	low, high string
	ascending bool
}

func (w window) empty() bool { return w.low >= w.high }

// floor returns the least key of an item with events in the window: the events of
// an item have one millisecond, and its key is its first event.
func (w window) floor() string { return w.low[:msLength] + strings.Repeat("0", idLength-msLength) }

// hours returns the hours of the window in the direction of reading.
func (w window) hours() []time.Time {
	if w.empty() {
		return nil
	}
	edges := w.edges()
	var all []time.Time
	for h := edges.first; !h.After(edges.last); h = h.Add(time.Hour) {
		all = append(all, h)
	}
	if !w.ascending {
		slices.Reverse(all)
	}
	return all
}

// edges returns the first and the last hour with ids of a window.
func (w window) edges() (e struct{ first, last time.Time }) {
	first, _ := timeOf(w.low)
	high, _ := timeOf(w.high)
	e.first, e.last = first.Truncate(time.Hour), high.Truncate(time.Hour)
	if least(e.last) == w.high {
		e.last = e.last.Add(-time.Hour)
	}
	return e
}

// cut returns the part of the window in the hour that begins at h.
func (w window) cut(h time.Time) window {
	w.low, w.high = max(w.low, least(h)), min(w.high, least(h.Add(time.Hour)))
	return w
}

// keys reads one page of the keys of a partition that can have events of the
// window. A partition of the log has whole items, one of the index keys only.
func (s *Store) keys(ctx context.Context, table, pk string, w window, limit int32, start map[string]types.AttributeValue) (*dynamodb.QueryOutput, error) {
	out, err := s.db.Query(ctx, &dynamodb.QueryInput{
		TableName: aws.String(table), ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(w.ascending),
		KeyConditionExpression: aws.String("#pk = :pk AND #sk BETWEEN :low AND :high"),
		ExpressionAttributeNames: map[string]string{
			"#pk": dynamo.PK, "#sk": dynamo.SK,
		},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":pk": dynamo.Text(pk), ":low": dynamo.Text(w.floor()), ":high": dynamo.Text(w.high),
		},
		Limit: aws.Int32(limit), ExclusiveStartKey: start,
	})
	if err != nil {
		return nil, fmt.Errorf("reading the table %s: %w", table, err)
	}
	return out, nil
}

// stream reads one partition in pages, which begin small and grow.
type stream struct {
	store     *Store
	table, pk string
	window    window
	limit     int32
	rows      []map[string]types.AttributeValue // read and not consumed
	next      map[string]types.AttributeValue
	done      bool // the last page was read
}

const (
	firstPage = 32
	lastPage  = 1000
)

// fill reads the next page if none is left. It returns false at the end.
func (t *stream) fill(ctx context.Context) (bool, error) {
	for len(t.rows) == 0 && !t.done {
		if t.limit == 0 {
			t.limit = firstPage
		}
		out, err := t.store.keys(ctx, t.table, t.pk, t.window, t.limit, t.next)
		if err != nil {
			return false, err
		}
		t.rows, t.next, t.done = out.Items, out.LastEvaluatedKey, len(out.LastEvaluatedKey) == 0
		t.limit = min(t.limit*4, lastPage)
	}
	return len(t.rows) > 0, nil
}

// merge reads several streams in one order.
type merge struct {
	streams   []*stream
	ascending bool
	calls     int // pages read
}

// fill reads the next pages of all streams that have no row left, at once.
func (m *merge) fill(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, t := range m.streams {
		if len(t.rows) == 0 && !t.done {
			m.calls++
			group.Go(func() error {
				_, err := t.fill(ctx)
				return err
			})
		}
	}
	return group.Wait()
}

// take returns the next row, or nil at the end. Rows of one key are returned once.
func (m *merge) take(ctx context.Context) (map[string]types.AttributeValue, error) {
	if err := m.fill(ctx); err != nil {
		return nil, err
	}
	var first string
	for _, t := range m.streams {
		if len(t.rows) == 0 {
			continue
		}
		if sk := dynamo.TextOf(t.rows[0], dynamo.SK); first == "" || (sk < first) == m.ascending {
			first = sk
		}
	}
	if first == "" {
		return nil, nil
	}
	var row map[string]types.AttributeValue
	for _, t := range m.streams {
		if len(t.rows) > 0 && dynamo.TextOf(t.rows[0], dynamo.SK) == first {
			row, t.rows = t.rows[0], t.rows[1:]
		}
	}
	return row, nil
}

// shardsOf returns the streams of the log for one hour.
func (s *Store) shardsOf(hour time.Time, w window) *merge {
	m := &merge{ascending: w.ascending}
	for shard := range shards {
		m.streams = append(m.streams, &stream{store: s, table: s.log, pk: partitionOf(hour, shard), window: w.cut(hour)})
	}
	return m
}

// unexpired decodes an item of the log. It returns false for an item that has
// expired and that DynamoDB has not deleted yet.
func (s *Store) unexpired(attributes map[string]types.AttributeValue) (Item, bool, error) {
	if ttl := dynamo.NumberOf(attributes, dynamo.TTL); ttl > 0 && ttl <= s.now().Unix() {
		return Item{}, false, nil
	}
	item, err := s.codec.item(attributes)
	return item, err == nil, err
}

// items reads items of the log by their keys. Items that are gone are left out.
func (s *Store) items(ctx context.Context, ids []string) ([]Item, error) {
	keys := types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}
	for _, id := range ids {
		keys.Keys = append(keys.Keys, dynamo.Key(partition(id), id))
	}
	out, err := s.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{s.log: keys}})
	if err != nil {
		return nil, fmt.Errorf("reading the table %s: %w", s.log, err)
	}
	var all []Item
	for _, attributes := range out.Responses[s.log] {
		item, ok, err := s.unexpired(attributes)
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, item)
		}
	}
	return all, nil
}

// parallel bounds the concurrent calls of one Get.
const parallel = 16

// Get implements audit.Store. Two different events with one id, which servers
// without randomness could make, are ErrConflict.
func (s *Store) Get(ctx context.Context, ids []string) ([]event.Event, error) {
	all, err := s.get(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if i > 0 && all[i].ID == all[i-1].ID {
			return nil, fmt.Errorf("event %s: %w", all[i].ID, audit.ErrConflict)
		}
	}
	return all, nil
}

// get returns the events with these ids, different events with one id one after
// the other. Ids of one millisecond, as those of one release, are read together.
func (s *Store) get(ctx context.Context, ids []string) ([]event.Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	groups := map[string][]string{} // by millisecond and partition
	for _, id := range ids {
		if _, ok := timeOf(id); ok && !wanted[id] {
			wanted[id] = true
			key := id[:msLength] + partition(id)
			groups[key] = append(groups[key], id)
		}
	}
	found := make(chan []event.Event, len(groups))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, some := range groups {
		group.Go(func() error {
			slices.Sort(some)
			last := some[len(some)-1]
			w := window{low: some[0], high: last, ascending: true}
			m := &merge{ascending: true, streams: []*stream{{store: s, table: s.log, pk: partition(last), window: w}}}
			events, err := s.drain(ctx, m)
			if err == nil {
				found <- events
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	close(found)
	var all []event.Event
	for events := range found {
		for _, e := range events {
			if wanted[e.ID] {
				all = append(all, e)
			}
		}
	}
	return all, nil
}

// drain returns all events of a merge of log streams.
func (s *Store) drain(ctx context.Context, m *merge) ([]event.Event, error) {
	var items []Item
	for {
		row, err := m.take(ctx)
		if err != nil {
			return nil, err
		}
		if row == nil {
			return merged(items), nil
		}
		item, ok, err := s.unexpired(row)
		if err != nil {
			return nil, err
		}
		if ok {
			items = append(items, item)
		}
	}
}
