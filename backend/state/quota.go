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
}

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
	for {
		now, _ := q.c.Client.Time()
		err := q.count(ctx, now)
		if err == nil {
			return nil
		}
		if !errors.Is(err, dynamo.ErrCondition) {
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

func (q *quota) count(ctx context.Context, now time.Time) error {
	second := now.Unix()
	_, err := q.c.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(q.c.Table), Key: dynamo.Key("questions#"+strconv.FormatInt(second, 10), "count"),
		UpdateExpression:         aws.String("ADD #n :one SET #ttl = :ttl"),
		ConditionExpression:      aws.String("attribute_not_exists(#n) OR #n < :limit"),
		ExpressionAttributeNames: map[string]string{"#n": "n", "#ttl": dynamo.TTL},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":one": dynamo.Number(1), ":limit": dynamo.Number(q.limit), ":ttl": dynamo.Number(second + 600),
		},
	})
	return err
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
