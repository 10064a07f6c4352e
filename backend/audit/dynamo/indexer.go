package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"usher/backend/dynamo"
)

const (
	rowsPerCall   = 25 // SPEC: BatchWriteItem takes up to 25 items
	writers       = 8  // concurrent calls of one pass
	peoplePerRow  = 40_000
	sliceKeep     = 3 * 24 * time.Hour
	sliceTrust    = 24 * time.Hour // age of an hour up to which its slices are used
	greatestStep  = time.Hour
	indexRowGrace = 24 * time.Hour // a row outlives its item: a reader skips missing items
)

// Indexer writes the index of a store. Passes of several Indexers at once are
// wasteful and harmless. It is not safe for concurrent use.
type Indexer struct {
	store  *Store
	stride time.Duration // of the next pass; smaller after a failure
}

// NewIndexer returns the Indexer of a store.
func NewIndexer(s *Store) *Indexer { return &Indexer{store: s, stride: greatestStep} }

// Items writes the rows of items as a stream of the log table delivers them: at
// least once, in any order, hours late. The rows make nothing visible earlier;
// they leave less work for Step.
func (x *Indexer) Items(ctx context.Context, images ...map[string]types.AttributeValue) error {
	out := x.writer(ctx)
	for _, image := range images {
		if dynamo.TextOf(image, dynamo.PK) == checkPK {
			continue
		}
		item, ok, err := x.store.unexpired(image)
		if err != nil {
			return errors.Join(err, out.wait())
		}
		if ok {
			out.item(item)
		}
	}
	return out.wait()
}

// Step extends the index by up to an hour of the log and moves its mark. It
// returns false when the mark is as close to now as it can be. A failed Step is
// repeated with a shorter part, so a throttled table slows the index and does not
// stop it.
func (x *Indexer) Step(ctx context.Context) (more bool, err error) {
	s := x.store
	mark, ok, err := s.index.read(ctx)
	if err == nil && !ok {
		mark, err = s.index.start(ctx)
	}
	if err != nil {
		return false, err
	}
	hour := mark.Truncate(time.Hour)
	end := s.now().Add(-settle).UTC().Truncate(sliceSize)
	more = end.After(mark.Add(x.stride))
	if limit := mark.Add(x.stride).Truncate(sliceSize); end.After(limit) {
		end = limit
	}
	if next := hour.Add(time.Hour); end.After(next) {
		end, more = next, true
	}
	if !end.After(mark) {
		return false, nil
	}
	from := mark
	if end.Equal(hour.Add(time.Hour)) && s.now().Sub(hour) > sliceTrust {
		from = hour // the slices may have expired
	}
	if err := x.cover(ctx, from, end); err != nil {
		x.stride = max(sliceSize, (x.stride / 2).Truncate(sliceSize))
		return true, fmt.Errorf("indexing the audit log: %w", err)
	}
	x.stride = min(greatestStep, x.stride*2)
	if err := s.index.move(ctx, mark, end); err != nil && !errors.Is(err, dynamo.ErrCondition) {
		return true, fmt.Errorf("indexing the audit log: %w", err)
	}
	return more, nil // another process has moved the mark: the next pass begins there
}

// Rebuild writes the whole index again, from the oldest item of the log to the
// mark, and then steps to now. It calls progress before each hour. Queries keep
// working meanwhile.
func (x *Indexer) Rebuild(ctx context.Context, progress func(hour time.Time)) error {
	oldest, err := x.store.oldest(ctx)
	if err != nil {
		return fmt.Errorf("rebuilding the index of the audit log: %w", err)
	}
	mark, ok, err := x.store.index.read(ctx)
	if err == nil && !ok {
		mark, err = x.store.index.start(ctx)
	}
	if err != nil {
		return fmt.Errorf("rebuilding the index of the audit log: %w", err)
	}
	for hour := oldest.Truncate(time.Hour); !oldest.IsZero() && hour.Before(mark); hour = hour.Add(time.Hour) {
		progress(hour)
		end := hour.Add(time.Hour)
		if end.After(mark) {
			end = mark
		}
		if err := x.cover(ctx, hour, end); err != nil {
			return fmt.Errorf("rebuilding the index of the audit log: %w", err)
		}
	}
	for {
		more, err := x.Step(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// cover writes all rows of a part of one hour: those of its items, its slices,
// and at the end of the hour those of the hour.
func (x *Indexer) cover(ctx context.Context, from, to time.Time) error {
	hour := from.Truncate(time.Hour)
	slices := map[time.Time]*tally{}
	out := x.writer(ctx)
	err := x.store.groups(out.ctx, hour, window{low: least(from), high: least(to), ascending: true}, func(items []Item) error {
		for _, item := range items {
			if at, _ := timeOf(item.ID); !at.Before(to) {
				return nil // the end of the window is inclusive
			}
			out.item(item)
		}
		for _, e := range merged(items) {
			start := e.Time.Truncate(sliceSize)
			if slices[start] == nil {
				slices[start] = &tally{}
			}
			slices[start].add(e)
		}
		return nil
	})
	if err == nil {
		err = x.counts(ctx, out, hour, from, to, slices)
	}
	return errors.Join(err, out.wait())
}

// counts writes the slices, or the hour if it is complete.
func (x *Indexer) counts(ctx context.Context, out *rowWriter, hour, from, to time.Time, slices map[time.Time]*tally) error {
	if to.Before(hour.Add(time.Hour)) {
		for start, t := range slices {
			row := t.attributes(dynamo.Key(pkSlices, start.Format(sliceLayout)), x.store.now().Add(sliceKeep).Unix())
			for _, part := range t.packPeople(peoplePerRow) {
				row[attrPeople] = dynamo.Bytes(part)
			}
			out.row(row)
		}
		return nil
	}
	total := &tally{}
	rows, err := x.store.index.rows(ctx, pkSlices, hour.Format(sliceLayout), from.Format(sliceLayout))
	if err != nil {
		return err
	}
	for _, row := range rows {
		total.join(tallyOf(row))
	}
	for _, t := range slices {
		total.join(t)
	}
	if total.events == 0 {
		return nil
	}
	expires := x.store.expires(to)
	text := hour.Format(hourLayout)
	out.row(total.attributes(dynamo.Key(pkHours, text), expires))
	for i, part := range total.packPeople(peoplePerRow) {
		row := dynamo.Key(pkPeople, fmt.Sprintf("%s#%04d", text, i))
		row[attrPeople] = dynamo.Bytes(part)
		if expires > 0 {
			row[dynamo.TTL] = dynamo.Number(expires)
		}
		out.row(row)
	}
	return nil
}

// rowWriter writes rows of the index in batches.
type rowWriter struct {
	x     *Indexer
	ctx   context.Context // ends at the first failure
	group *errgroup.Group
	rows  []types.WriteRequest // of the next batch
	keys  map[string]bool      // of these rows
}

func (x *Indexer) writer(ctx context.Context) *rowWriter {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	return &rowWriter{x: x, ctx: ctx, group: group, keys: map[string]bool{}}
}

// item adds the rows of an item.
func (w *rowWriter) item(i Item) {
	for _, pk := range Rows(i.Events) {
		row := dynamo.Key(pk, i.ID)
		if i.TTL > 0 {
			row[dynamo.TTL] = dynamo.Number(i.TTL + int64(indexRowGrace/time.Second))
		}
		w.row(row)
	}
}

// row adds a row. SPEC: BatchWriteItem refuses a batch with one key twice, as an
// item that a stream delivers twice makes it; the rows are equal.
func (w *rowWriter) row(row map[string]types.AttributeValue) {
	key := dynamo.TextOf(row, dynamo.PK) + " " + dynamo.TextOf(row, dynamo.SK)
	if w.keys[key] {
		return
	}
	w.keys[key] = true
	w.rows = append(w.rows, types.WriteRequest{PutRequest: &types.PutRequest{Item: row}})
	if len(w.rows) == rowsPerCall {
		w.flush()
	}
}

func (w *rowWriter) flush() {
	rows := w.rows
	w.rows = nil
	clear(w.keys)
	if len(rows) == 0 {
		return
	}
	table := w.x.store.index.table
	w.group.Go(func() error {
		err := w.x.store.db.BatchWriteItem(w.ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: rows}})
		if err != nil {
			return fmt.Errorf("writing to the table %s: %w", table, err)
		}
		return nil
	})
}

// wait writes the rest and returns the first error.
func (w *rowWriter) wait() error {
	w.flush()
	return w.group.Wait()
}
