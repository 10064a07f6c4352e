package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/dynamo"
	"usher/backend/dynamo/dynamotest"
)

func put(table, sk string, more ...string) *dynamodb.PutItemInput {
	in := &dynamodb.PutItemInput{TableName: aws.String(table), Item: dynamo.Key("p", sk)}
	for i := 0; i+1 < len(more); i += 2 {
		in.Item[more[i]] = dynamo.Text(more[i+1])
	}
	return in
}

func unique(in *dynamodb.PutItemInput) *dynamodb.PutItemInput {
	in.ConditionExpression = aws.String("attribute_not_exists(pk)")
	return in
}

func TestErrorsHaveClasses(t *testing.T) {
	ctx := context.Background()
	s := dynamotest.New(t)
	table := s.Table(t, "state")
	c := s.Client(t)
	always := func(f dynamotest.Fault) func(string, int, []byte) dynamotest.Fault {
		return func(string, int, []byte) dynamotest.Fault { return f }
	}
	if _, err := c.PutItem(ctx, unique(put(table, "a"))); err != nil {
		t.Fatal(err)
	}
	_, err := c.PutItem(ctx, unique(put(table, "a")))
	if !errors.Is(err, dynamo.ErrCondition) || errors.Is(err, dynamo.ErrUnavailable) {
		t.Errorf("a false condition: %v", err)
	}
	_, err = c.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: aws.String(table), Item: dynamo.Key("p", "b")}},
		{Put: &types.Put{TableName: aws.String(table), Item: dynamo.Key("p", "a"), ConditionExpression: aws.String("attribute_not_exists(pk)")}},
	}})
	if !errors.Is(err, dynamo.ErrCondition) {
		t.Errorf("a false condition in a transaction: %v", err)
	}
	got, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(table), Key: dynamo.Key("p", "b"), ConsistentRead: aws.Bool(true)})
	if err != nil || len(got.Item) != 0 {
		t.Errorf("half of a canceled transaction is there: %v, %v", got, err)
	}
	for _, f := range []dynamotest.Fault{dynamotest.Throttle, dynamotest.Down, dynamotest.Error500, dynamotest.Slow} {
		s.Reset()
		s.Fault(always(f))
		_, err := c.PutItem(ctx, put(table, "c"))
		if !errors.Is(err, dynamo.ErrUnavailable) || errors.Is(err, dynamo.ErrThrottled) != (f == dynamotest.Throttle) {
			t.Errorf("fault %d: %v", f, err)
		}
		if n := s.Calls()["PutItem"]; n < 2 || n > 3 {
			t.Errorf("fault %d: %d attempts", f, n)
		}
		s.Fault(nil)
	}
	_, err = c.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("absent"), Key: dynamo.Key("p", "a")})
	if !errors.Is(err, dynamo.ErrUnavailable) {
		t.Errorf("a missing table: %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err = c.PutItem(ended, put(table, "c")); !errors.Is(err, dynamo.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled call: %v", err)
	}
}

// A write whose response was lost is repeated: a conditional one fails then, and a
// transaction succeeds by its token.
func TestLostResponses(t *testing.T) {
	ctx := context.Background()
	s := dynamotest.New(t)
	table := s.Table(t, "state")
	c := s.Client(t)
	first := func(_ string, n int, _ []byte) dynamotest.Fault {
		if n == 1 {
			return dynamotest.Landed
		}
		return dynamotest.Pass
	}
	s.Fault(first)
	if _, err := c.PutItem(ctx, unique(put(table, "a"))); !errors.Is(err, dynamo.ErrCondition) {
		t.Errorf("the repetition of a conditional write: %v", err)
	}
	s.Reset()
	_, err := c.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: aws.String(table), Item: dynamo.Key("p", "b"), ConditionExpression: aws.String("attribute_not_exists(pk)")}},
	}})
	if err != nil || s.Calls()["TransactWriteItems"] != 2 {
		t.Errorf("the repetition of a transaction: %v, %v", err, s.Calls())
	}
}

func TestItemsHaveALimit(t *testing.T) {
	s := dynamotest.New(t)
	table := s.Table(t, "state")
	c := s.Client(t)
	if _, err := c.PutItem(context.Background(), put(table, "a", "x", strings.Repeat("x", 500<<10))); err == nil {
		t.Error("an item of 500 KiB was written")
	}
	if _, err := c.PutItem(context.Background(), put(table, "a", "x", strings.Repeat("x", 3000))); err != nil || s.WriteUnits() != 3 {
		t.Errorf("3,000 bytes cost %d units, %v", s.WriteUnits(), err)
	}
}

func TestOneOfManyTakesALease(t *testing.T) {
	ctx := context.Background()
	var mu sync.Mutex
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	s := dynamotest.NewAt(t, clock)
	table := s.Table(t, "state")
	lease := func(owner string, skew time.Duration) *dynamo.Lease {
		l, err := dynamo.NewLease(dynamo.LeaseConfig{
			Client: s.ClientAt(t, func() time.Time { return clock().Add(skew) }), Table: table, Name: "work", Owner: owner, Life: 10 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	var holders sync.Map
	var racing sync.WaitGroup
	for i := range 8 {
		racing.Go(func() {
			if held, err := lease(fmt.Sprint("i", i), 0).Hold(ctx); err != nil {
				t.Error(err)
			} else if held {
				holders.Store(i, true)
			}
		})
	}
	racing.Wait()
	count, winner := 0, -1
	holders.Range(func(k, _ any) bool { count++; winner = k.(int); return true })
	if count != 1 {
		t.Fatalf("%d holders", count)
	}
	own, other := lease(fmt.Sprint("i", winner), 0), lease("other", 5*time.Second)
	hold := func(l *dynamo.Lease, want bool, when string) {
		t.Helper()
		if held, err := l.Hold(ctx); err != nil || held != want {
			t.Errorf("%s: %v, %v; want %v", when, held, err, want)
		}
	}
	hold(own, true, "renewed by its owner")
	hold(other, false, "by an instance 5 s ahead")
	mu.Lock()
	now = now.Add(30 * time.Second)
	mu.Unlock()
	hold(other, true, "after its end")
	hold(own, false, "by the previous owner")
	if err := own.Release(ctx); err != nil {
		t.Error(err)
	}
	hold(own, false, "after a foreign release")
	if err := other.Release(ctx); err != nil {
		t.Error(err)
	}
	hold(own, true, "after its release")
}

func TestTimeIsThatOfDynamoDB(t *testing.T) {
	ctx := context.Background()
	base := time.Date(2026, 11, 1, 12, 0, 0, 700e6, time.UTC)
	var mu sync.Mutex
	now := base
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	s := dynamotest.NewAt(t, clock)
	table := s.Table(t, "state")
	for _, skew := range []time.Duration{-5 * time.Second, 0, 5 * time.Second, time.Hour} {
		c := s.ClientAt(t, func() time.Time { return clock().Add(skew) })
		for range 20 {
			if _, err := c.PutItem(ctx, put(table, "a")); err != nil {
				t.Fatal(err)
			}
			lo, hi := c.Time()
			if lo.After(clock()) || hi.Before(clock()) || hi.Sub(lo) > 1100*time.Millisecond {
				t.Fatalf("skew %s: %s is outside %s to %s", skew, clock(), lo, hi)
			}
			mu.Lock()
			now = now.Add(130 * time.Millisecond)
			mu.Unlock()
		}
		lo, hi := c.Time()
		if hi.Sub(lo) > 300*time.Millisecond {
			t.Errorf("skew %s: the bounds stay %s apart", skew, hi.Sub(lo))
		}
		mu.Lock()
		now = now.Add(time.Hour) // frozen
		mu.Unlock()
		if lo, hi := c.Time(); lo.After(clock()) || hi.Before(clock()) {
			t.Errorf("skew %s, after an hour: %s is outside %s to %s", skew, clock(), lo, hi)
		}
	}
}

func TestTablesOfAnotherFormAreRefused(t *testing.T) {
	ctx := context.Background()
	s := dynamotest.New(t)
	s.Table(t, "log")
	c := s.Client(t)
	if err := c.CreateTable(ctx, "log"); err != nil {
		t.Errorf("a second creation: %v", err)
	}
	if err := c.Check(ctx, "log"); err != nil {
		t.Error(err)
	}
	if err := c.Check(ctx, "log", "absent"); !errors.Is(err, dynamo.ErrUnavailable) {
		t.Errorf("a missing table: %v", err)
	}
}
