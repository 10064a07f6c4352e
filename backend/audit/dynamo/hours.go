package dynamo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/audit"
	"usher/backend/dynamo"
)

// sliceLayout is the sort key of a slice.
const sliceLayout = "2006-01-02T15:04:05"

// rows reads the rows of a partition of the index from low up to and without high,
// "" being its end. It leaves out expired ones.
func (x *index) rows(ctx context.Context, pk, low, high string) ([]map[string]types.AttributeValue, error) {
	in := &dynamodb.QueryInput{
		TableName: aws.String(x.table), ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String("#pk = :pk AND #sk >= :low"),
		ExpressionAttributeNames:  map[string]string{"#pk": dynamo.PK, "#sk": dynamo.SK},
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": dynamo.Text(pk), ":low": dynamo.Text(low)},
	}
	if high != "" {
		if low >= high {
			return nil, nil
		}
		in.KeyConditionExpression = aws.String("#pk = :pk AND #sk BETWEEN :low AND :high")
		in.ExpressionAttributeValues[":high"] = dynamo.Text(high)
	}
	now := x.log.now().Unix()
	var all []map[string]types.AttributeValue
	for {
		out, err := x.db.Query(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("reading the table %s: %w", x.table, err)
		}
		for _, row := range out.Items {
			ttl := dynamo.NumberOf(row, dynamo.TTL)
			if dynamo.TextOf(row, dynamo.SK) != high && (ttl == 0 || ttl > now) {
				all = append(all, row)
			}
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(out.LastEvaluatedKey) == 0 {
			return all, nil
		}
	}
}

// hoursWithEvents returns the hours of a window before the mark that have events,
// in the order of reading. The hour of the mark is always one of them.
func (x *index) hoursWithEvents(ctx context.Context, w window) ([]time.Time, error) {
	all := w.edges()
	rows, err := x.rows(ctx, pkHours, all.first.Format(hourLayout), all.last.Format(hourLayout))
	if err != nil {
		return nil, err
	}
	var hours []time.Time
	for _, row := range rows {
		hour, err := time.Parse(hourLayout, dynamo.TextOf(row, dynamo.SK))
		if err != nil {
			return nil, fmt.Errorf("a row of the table %s: %w", x.table, err)
		}
		hours = append(hours, hour)
	}
	hours = append(hours, all.last)
	if !w.ascending {
		slices.Reverse(hours)
	}
	return hours, nil
}

// Hours implements audit.Store.
func (s *Store) Hours(ctx context.Context, from time.Time, n int) (audit.Summary, error) {
	var sum audit.Summary
	if err := ctx.Err(); err != nil {
		return sum, err
	}
	from = from.UTC()
	end := from.Add(time.Duration(n) * time.Hour)
	tallies := make([]tally, n)
	at := func(text string) *tally {
		hour, err := time.Parse(hourLayout, text[:min(len(text), len(hourLayout))])
		if i := int(hour.Sub(from) / time.Hour); err == nil && i >= 0 && i < n && !hour.Before(from) {
			return &tallies[i]
		}
		return &tally{}
	}
	mark, err := s.index.complete(ctx)
	if err != nil {
		return sum, err
	}
	whole := mark.Truncate(time.Hour) // hours before it have rows
	low, high := from.Format(hourLayout), whole.Format(hourLayout)
	if end.Before(whole) {
		high = end.Format(hourLayout)
	}
	for _, pk := range []string{pkHours, pkPeople} {
		rows, err := s.index.rows(ctx, pk, low, high)
		if err != nil {
			return sum, err
		}
		for _, row := range rows {
			at(dynamo.TextOf(row, dynamo.SK)).join(tallyOf(row))
		}
	}
	for hour := laterOf(from, whole); hour.Before(end); hour = hour.Add(time.Hour) {
		t, err := s.count(ctx, hour, mark)
		if err != nil {
			return sum, err
		}
		at(hour.Format(hourLayout)).join(t)
	}
	var all tally
	for i := range tallies {
		t := &tallies[i]
		sum.Hours = append(sum.Hours, audit.Hour{Start: from.Add(time.Duration(i) * time.Hour), Events: int(t.events), Denied: t.denied})
		all.join(t)
	}
	sum.Denied, sum.Downloads, sum.People = all.denied, all.downloads, len(all.people)
	return sum, nil
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// count counts an hour without a row: by the slices before the mark, and the log
// after it. The hours after this one have no events.
func (s *Store) count(ctx context.Context, hour, mark time.Time) (*tally, error) {
	total := &tally{}
	from := hour
	if mark.After(hour) && s.now().Sub(hour) <= sliceTrust {
		from = mark
		rows, err := s.index.rows(ctx, pkSlices, hour.Format(sliceLayout), mark.Format(sliceLayout))
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			total.join(tallyOf(row))
		}
	}
	if hour.After(s.now().Add(ahead)) {
		return total, nil
	}
	w := window{low: least(from), high: least(hour.Add(time.Hour)), ascending: true}
	if w.empty() {
		return total, nil
	}
	err := s.groups(ctx, hour, w, func(items []Item) error {
		for _, e := range merged(items) {
			total.add(e)
		}
		return nil
	})
	return total, err
}

// groups reads the items of one hour that begin in a window, millisecond by
// millisecond.
func (s *Store) groups(ctx context.Context, hour time.Time, w window, use func([]Item) error) error {
	m := s.shardsOf(hour, w)
	var items []Item
	for {
		row, err := m.take(ctx)
		if err != nil {
			return err
		}
		if row == nil {
			break
		}
		item, ok, err := s.unexpired(row)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if len(items) > 0 && items[0].ID[:msLength] != item.ID[:msLength] {
			if err := use(items); err != nil {
				return err
			}
			items = nil
		}
		items = append(items, item)
	}
	if len(items) == 0 {
		return nil
	}
	return use(items)
}

// Count implements audit.Store. It returns the number of events that have not
// expired, by whole hours.
func (s *Store) Count(ctx context.Context) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	mark, err := s.index.complete(ctx)
	if err != nil {
		return 0, err
	}
	whole := mark.Truncate(time.Hour)
	rows, err := s.index.rows(ctx, pkHours, "0", whole.Format(hourLayout))
	if err != nil {
		return 0, err
	}
	var total int64
	for _, row := range rows {
		total += dynamo.NumberOf(row, attrCount)
	}
	for hour := whole; !hour.After(s.now().Add(ahead)); hour = hour.Add(time.Hour) {
		t, err := s.count(ctx, hour, mark)
		if err != nil {
			return 0, err
		}
		total += t.events
	}
	return total, nil
}
