package state

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/time/rate"

	"usher/backend/dynamo"
	"usher/backend/elapsed"
	"usher/backend/identity"
)

// Each person has 1/share of the rate in each instance, with a burst of
// shareBurst: the many sign-ins of one person cannot use up the whole budget.
const (
	share      = 6
	shareBurst = 16
	maxPeople  = 10_000 // people with a limiter
)

// quota bounds the questions to the pool from all instances. DynamoDB counts them
// by seconds of its own clock. Each unit is one question about liveness and one
// about groups.
type quota struct {
	c     Config
	limit int64 // a second

	mu     sync.Mutex
	people map[string]*rate.Limiter
	ahead  chan time.Time // has the instant of the unit of early, zero without one; nil: unused
}

// earlyFor is the time for which a unit of early can be used.
const earlyFor = 2 * time.Second

func newQuota(c Config) *quota {
	return &quota{c: c, limit: max(1, int64(min(c.AliveRate, c.GroupsRate))), people: map[string]*rate.Limiter{}}
}

// take spends one unit. It waits up to maxWait, then fails with ErrBusy.
func (q *quota) take(ctx context.Context, sub string) error {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	if err := q.person(sub).Wait(ctx); err != nil {
		return fmt.Errorf("waiting for the directory: %w", identity.ErrBusy)
	}
	if q.taken(ctx) {
		return nil
	}
	for {
		now, _ := q.c.Client.Time()
		err := q.count(ctx, now)
		if err == nil {
			return nil
		}
		switch {
		case ctx.Err() != nil: // the wait ended during the call
			return fmt.Errorf("waiting for the directory: %w", identity.ErrBusy)
		case !errors.Is(err, dynamo.ErrCondition):
			return unavailable(err)
		}
		next := now.Truncate(time.Second).Add(time.Second).Sub(now)
		select {
		case <-time.After(next):
		case <-ctx.Done():
			return fmt.Errorf("waiting for the directory: %w", identity.ErrBusy)
		}
	}
}

// early spends one unit before its question is certain, so that the first question
// of an instance waits for no count. The unit is spent only if the session's
// answer is older than maxAge, in one transaction.
func (q *quota) early(ctx context.Context, session dynamo.Item, maxAge time.Duration) {
	result := make(chan time.Time, 1)
	q.mu.Lock()
	q.ahead = result
	q.mu.Unlock()
	began := q.c.Now()
	earliest, latest := q.c.Client.Time()
	now := earliest.Add(latest.Sub(earliest) / 2) // of the clock of DynamoDB, about which nothing is known yet
	u := q.update(now)
	_, err := q.c.Client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{ConditionCheck: &types.ConditionCheck{
			TableName: aws.String(session.Table), Key: dynamo.Key(session.PK, session.SK),
			ConditionExpression:       aws.String("attribute_not_exists(#at) OR #at < :old"),
			ExpressionAttributeNames:  map[string]string{"#at": "at"},
			ExpressionAttributeValues: map[string]types.AttributeValue{":old": dynamo.Number(now.Add(-maxAge).UnixMilli())},
		}},
		{Update: &types.Update{
			TableName: u.TableName, Key: u.Key, UpdateExpression: u.UpdateExpression, ConditionExpression: u.ConditionExpression,
			ExpressionAttributeNames: u.ExpressionAttributeNames, ExpressionAttributeValues: u.ExpressionAttributeValues,
		}},
	}})
	if err != nil {
		began = time.Time{}
	}
	result <- began
}

// taken uses the unit of early, once.
func (q *quota) taken(ctx context.Context) bool {
	q.mu.Lock()
	ahead := q.ahead
	q.ahead = nil
	q.mu.Unlock()
	if ahead == nil {
		return false
	}
	select {
	case spent := <-ahead:
		return elapsed.Since(q.c.Now(), spent) < earlyFor
	case <-ctx.Done():
		return false
	}
}

func (q *quota) count(ctx context.Context, now time.Time) error {
	_, err := q.c.Client.UpdateItem(ctx, q.update(now))
	return err
}

// update returns the call that counts one unit in a second.
func (q *quota) update(now time.Time) *dynamodb.UpdateItemInput {
	second := now.Unix()
	return &dynamodb.UpdateItemInput{
		TableName: aws.String(q.c.Table), Key: dynamo.Key("questions#"+strconv.FormatInt(second, 10), "count"),
		UpdateExpression:         aws.String("ADD #n :one SET #ttl = :ttl"),
		ConditionExpression:      aws.String("attribute_not_exists(#n) OR #n < :limit"),
		ExpressionAttributeNames: map[string]string{"#n": "n", "#ttl": dynamo.TTL},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":one": dynamo.Number(1), ":limit": dynamo.Number(q.limit), ":ttl": dynamo.Number(second + 600),
		},
	}
}

func (q *quota) person(sub string) *rate.Limiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.people[sub]
	if l == nil {
		if len(q.people) >= maxPeople {
			clear(q.people)
		}
		l = rate.NewLimiter(rate.Limit(float64(q.limit)/share), shareBurst)
		q.people[sub] = l
	}
	return l
}
