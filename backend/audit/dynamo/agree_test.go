package dynamo_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/audit/dynamo"
	"usher/backend/audit/sqlite"
	"usher/backend/event"
)

// filters is the number of random filters: 10,000 in make soak.
func filters() int {
	switch {
	case os.Getenv("USHER_SOAK") != "":
		return 10_000
	case testing.Short():
		return 40
	}
	return 100
}

// record appends events in parts, as requests do, and extends the index up to an
// instant.
func record(t *testing.T, db dynamo.DB, events []event.Event, until time.Time) {
	t.Helper()
	s := open(t, db)
	for part := range slices.Chunk(events, 7) {
		if err := s.Append(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	extend(t, openAt(t, db, func() time.Time { return until }, 0))
}

// SQLite, memory and DynamoDB give the same answers. The index is complete up to
// no event, half of them, or all.
func TestStoresAgree(t *testing.T) {
	events := audittest.Events(300)
	memory := audittest.NewMemory()
	file, err := sqlite.Open(sqlite.Config{Path: filepath.Join(t.TempDir(), "audit.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	for part := range slices.Chunk(events, 7) {
		for _, s := range []audit.Store{memory, file} {
			if err := s.Append(t.Context(), part); err != nil {
				t.Fatal(err)
			}
		}
	}
	stores := map[string]audit.Store{"memory": memory, "SQLite": file}
	for name, until := range map[string]time.Time{
		"not indexed": events[0].Time, "half indexed": events[len(events)/2].Time.Add(time.Minute + 7*time.Second), "indexed": audittest.Now(),
	} {
		db := newFake()
		record(t, db, events, until)
		stores["DynamoDB, "+name] = open(t, db)
	}
	if err := audittest.Agree(t.Context(), 1, filters(), events, stores); err != nil {
		t.Error(err)
	}
}

// forgetful loses the index rows of some partitions, or moves the mark too far.
type forgetful struct {
	*fake
	lose func(pk string) bool
}

func (f forgetful) BatchWriteItem(ctx context.Context, in *dynamodb.BatchWriteItemInput) error {
	for table, rows := range in.RequestItems {
		for _, r := range rows {
			if pk := text(r.PutRequest.Item, "pk"); !f.lose(pk) {
				if _, err := f.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: r.PutRequest.Item}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Negative control: with a part of the index missing, the stores disagree. The keys are
// random, so the first difference can be late.
func TestStoresDisagreeWithoutRows(t *testing.T) {
	events := audittest.Events(300)
	for name, lose := range map[string]func(pk string) bool{
		"a seventh of the rows": func(pk string) bool { return len(pk) == 24 && strings.ContainsAny(pk[:1], "ABCDEFGHI") },
		"the hours":             func(pk string) bool { return pk == "hours" },
	} {
		db := forgetful{newFake(), lose}
		record(t, db, events, audittest.Now())
		if err := audittest.Agree(t.Context(), 1, 300, events, map[string]audit.Store{"DynamoDB": open(t, db)}); err == nil {
			t.Errorf("without %s: no difference", name)
		}
	}
}
