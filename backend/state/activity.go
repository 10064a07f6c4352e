package state

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/dynamo"
	"usher/backend/identity"
)

// activeFor is the length of a window. A session with a release check in a window
// is active in it.
const activeFor = 30 * time.Second

// activity counts the active sessions of all instances by windows of time, when
// they ask the pool. The questions about all active people must fit into the budget, so their number
// determines the greatest age of an answer for releases.
type activity struct{ c Config }

func (a *activity) window() int64 {
	earliest, _ := a.c.Client.Time()
	return earliest.Unix() / int64(activeFor/time.Second)
}

func (a *activity) item(window int64) dynamo.Item {
	return dynamo.Item{Table: a.c.Table, PK: "active#" + strconv.FormatInt(window, 10), SK: "count"}
}

// items names the counts of the current and the previous window.
func (a *activity) items() []dynamo.Item {
	now := a.window()
	return []dynamo.Item{a.item(now), a.item(now - 1)}
}

// possible names the counts of all windows that items can name within a second.
// Before the first response, the clock of DynamoDB is known to some seconds only.
func (a *activity) possible() []dynamo.Item {
	_, latest := a.c.Client.Time()
	var all []dynamo.Item
	for w := a.window() - 1; w <= latest.Unix()/int64(activeFor/time.Second); w++ {
		all = append(all, a.item(w))
	}
	return all
}

// releaseAge returns the greatest age for releases at the larger of the counts.
func (a *activity) releaseAge(found map[dynamo.Item]dynamo.Attributes, counts []dynamo.Item) time.Duration {
	most := int64(0)
	for _, i := range counts {
		most = max(most, dynamo.NumberOf(found[i], "n"))
	}
	need := float64(most) / math.Min(a.c.GroupsRate, a.c.AliveRate)
	return max(a.c.ReleaseAge, identity.RecordTime+time.Duration(need*float64(time.Second)))
}

// rarely is the release age above which an active session may ask the pool no
// question in a window. Its requests are counted then.
const rarely = 20 * time.Second

// active counts a session that uses an answer, once in each window.
func (a *activity) active(ctx context.Context, session dynamo.Item, counted int64, release time.Duration) error {
	now := a.window()
	if release <= rarely || counted >= now {
		return nil
	}
	dynamo.Forget(ctx, session)
	_, err := a.c.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(session.Table), Key: dynamo.Key(session.PK, session.SK),
		UpdateExpression:          aws.String("SET #window = :now"),
		ConditionExpression:       aws.String("attribute_not_exists(#window) OR #window < :now"),
		ExpressionAttributeNames:  map[string]string{"#window": "window"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":now": dynamo.Number(now)},
	})
	if errors.Is(err, dynamo.ErrCondition) {
		return nil // counted by another request
	}
	if err != nil {
		return fmt.Errorf("counting an active session: %w", err)
	}
	return a.add(ctx, now)
}

// add counts one session in a window.
func (a *activity) add(ctx context.Context, window int64) error {
	item := a.item(window)
	_, err := a.c.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(item.Table), Key: dynamo.Key(item.PK, item.SK),
		UpdateExpression:         aws.String("ADD #n :one SET #ttl = :ttl"),
		ExpressionAttributeNames: map[string]string{"#n": "n", "#ttl": dynamo.TTL},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":one": dynamo.Number(1), ":ttl": dynamo.Number((window + 10) * int64(activeFor/time.Second)),
		},
	})
	if err != nil {
		return fmt.Errorf("counting an active session: %w", err)
	}
	return nil
}
