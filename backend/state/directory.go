// Package state keeps in DynamoDB the state that the instances of a backend
// share: the live answers of the user pool, the count of questions to the pool,
// the sessions with a recorded start or end, the keys of cursors, the counts of
// refusals, and the requests for access. An instance needs nothing from an earlier
// request: one call reads the state that a request needs.
//
// The rules of a live check are those of identity.Directory, the memory of a
// single machine. Times are compared by DynamoDB's clock.
package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/dynamo"
	"usher/backend/event"
	"usher/backend/identity"
)

const (
	endedLife  = 5 * time.Second // lifetime of an ended session's result
	maxWait    = 2 * time.Second // longest wait for the budget of questions
	answerKeep = 31 * 24 * time.Hour
	rounds     = 4 // of a check whose answer another instance drops meanwhile
)

// Config has the parts of the shared state. Ages and rates are those of
// identity.DirectoryConfig, for all instances together.
type Config struct {
	Client *dynamo.Client
	Reader *dynamo.Reader
	Table  string
	Source identity.Source
	Now    func() time.Time

	ReleaseAge, ListAge, OutageAge time.Duration
	AliveRate, GroupsRate          float64
}

// Directory returns people's current session state and groups. Each answer of the
// user pool is used by all instances up to its greatest age. Safe for concurrent
// use.
type Directory struct {
	c       Config
	people  *activity
	quota   *quota
	inForce atomic.Int64 // greatest age for releases at the last read

	mu      sync.Mutex
	running map[string]*question // by the partition key of the session
}

// NewDirectory applies the defaults and refuses a missing part. It makes no call.
func NewDirectory(c Config) (*Directory, error) {
	if c.Client == nil || c.Reader == nil || c.Table == "" || c.Source == nil || c.Now == nil {
		return nil, errors.New("shared state: client, reader, table, source and clock are needed")
	}
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{{&c.ReleaseAge, identity.DefaultReleaseAge}, {&c.ListAge, 30 * time.Second}, {&c.OutageAge, 60 * time.Second}} {
		if *d.value <= 0 {
			*d.value = d.fallback
		}
	}
	// SPEC: Cognito developer guide, "Quotas in Amazon Cognito": UserRead 120/s,
	// UserResourceRead 50/s. The other half is left to other clients of the pool.
	if c.AliveRate <= 0 {
		c.AliveRate = 60
	}
	if c.GroupsRate <= 0 {
		c.GroupsRate = 25
	}
	d := &Directory{c: c, people: &activity{c: c}, quota: newQuota(c), running: map[string]*question{}}
	d.inForce.Store(int64(c.ReleaseAge))
	return d, nil
}

// answer is the pool's last answer about a session.
type answer struct {
	at     time.Time // start of the two questions, by DynamoDB's clock; zero: none
	drops  int64     // number of sign-outs; a question from before one stores nothing
	ended  time.Time // start of the question that found the session ended
	sub    string
	groups []string
	email  string
	window int64 // last window in which the session counted as active
}

// item names the item of a session.
func (c Config) item(session string) dynamo.Item { return c.named(event.SessionName(session)) }

// named names the item of a session by its name in events.
func (c Config) named(session string) dynamo.Item {
	return dynamo.Item{Table: c.Table, PK: "session#" + session, SK: "live"}
}

func instant(item dynamo.Attributes, name string) time.Time {
	if ms := dynamo.NumberOf(item, name); ms != 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}

func decode(item dynamo.Attributes) (answer, error) {
	a := answer{
		at: instant(item, "at"), drops: dynamo.NumberOf(item, "drops"), ended: instant(item, "ended"),
		sub: dynamo.TextOf(item, "sub"), email: dynamo.TextOf(item, "email"), window: dynamo.NumberOf(item, "window"),
	}
	if a.at.IsZero() {
		return a, nil
	}
	if err := json.Unmarshal([]byte(dynamo.TextOf(item, "groups")), &a.groups); err != nil {
		return answer{}, fmt.Errorf("reading a live answer: %w", err)
	}
	return a, nil
}

// age is the greatest possible age of a result that has at as its earliest
// possible start.
func (d *Directory) age(at time.Time) time.Duration {
	if at.IsZero() {
		return 1 << 62
	}
	_, latest := d.c.Client.Time()
	return latest.Sub(at)
}

// usable reports whether an answer about this person is not older than maxAge.
func (d *Directory) usable(a answer, c identity.Claims, maxAge time.Duration) bool {
	return !a.at.IsZero() && a.sub == c.Sub && !a.ended.After(a.at) && d.age(a.at) <= maxAge
}

// Items names the items of a check. After a read of them into the Scope of a
// request, its checks read nothing.
func (d *Directory) Items(session string) []dynamo.Item {
	return append(d.people.possible(), d.c.item(session))
}

// Early counts the first question of this instance if the session has no answer
// in force. It makes one call, which can run beside the first read. Call it once.
func (d *Directory) Early(ctx context.Context, session string, releasing bool) {
	maxAge := d.c.ListAge
	if releasing {
		maxAge = identity.ReuseAge(d.c.ReleaseAge)
	}
	d.quota.early(ctx, d.c.item(session), maxAge)
}

// ForRelease returns a person's record for the signing of a URL. It uses answers
// up to identity.ReuseAge, those up to the release age while the pool does not
// respond, and fails after that.
func (d *Directory) ForRelease(ctx context.Context, c identity.Claims) (identity.Standing, error) {
	return d.check(ctx, c, true)
}

// ForListing returns a person's record for a listing. During an outage of the
// pool it uses answers up to OutageAge.
func (d *Directory) ForListing(ctx context.Context, c identity.Claims) (identity.Standing, error) {
	return d.check(ctx, c, false)
}

// InForce returns the greatest age for releases at this instance's last request.
func (d *Directory) InForce() time.Duration { return time.Duration(d.inForce.Load()) }

func (d *Directory) check(ctx context.Context, c identity.Claims, releasing bool) (identity.Standing, error) {
	s, q, err := d.look(ctx, c, releasing)
	if err == nil && q != nil {
		s.Settle = func(ctx context.Context) (identity.Standing, error) { return d.settle(ctx, c, releasing, s, q) }
	}
	return s, err
}

// settle waits until an answer is stored. An answer that another one overtook is
// not stored, and the check is repeated.
func (d *Directory) settle(ctx context.Context, c identity.Claims, releasing bool, s identity.Standing, q *question) (identity.Standing, error) {
	for range rounds {
		late, err := q.settled(ctx)
		switch {
		case err != nil:
			return identity.Standing{}, err
		case late == nil:
			return s, nil
		case !errors.Is(late, errOvertaken):
			return identity.Standing{}, late
		}
		dynamo.Forget(ctx, q.item)
		if s, q, err = d.look(ctx, c, releasing); err != nil || q == nil {
			return s, err
		}
	}
	return identity.Standing{}, errDropped
}

var errDropped = fmt.Errorf("answers were dropped repeatedly: %w", identity.ErrUnavailable)

// look returns a person's record. If it is from a new answer of the pool, look
// also returns the question, whose answer may not be stored yet.
func (d *Directory) look(ctx context.Context, c identity.Claims, releasing bool) (identity.Standing, *question, error) {
	item := d.c.item(c.Session)
	for range rounds {
		counts := d.people.items()
		found, err := d.c.Reader.Read(ctx, append(counts, item)...)
		if err != nil {
			return identity.Standing{}, nil, unavailable(err)
		}
		a, err := decode(found[item])
		if err != nil {
			return identity.Standing{}, nil, unavailable(err)
		}
		release := d.people.releaseAge(found, counts)
		d.inForce.Store(int64(release))
		reuseAge, maxAge, outageAge := identity.ReuseAge(release), release, release
		if !releasing {
			maxAge = max(d.c.ListAge, release)
			reuseAge = maxAge
			outageAge = max(d.c.OutageAge, d.c.ListAge)
		}
		if a.ended.After(a.at) && d.age(a.ended) <= endedLife {
			return identity.Standing{}, nil, fmt.Errorf("by a recent check: %w", identity.ErrRevoked)
		}
		if d.usable(a, c, reuseAge) {
			if releasing {
				if err := d.people.active(ctx, item, a.window, release); err != nil {
					return identity.Standing{}, nil, unavailable(err)
				}
			}
			return d.standing(a, release), nil, nil
		}
		q, err := d.question(ctx, c, item, a, releasing)
		switch {
		case err == nil:
			d.c.Reader.Wrote(ctx, item, q.over(found[item]))
			if d.usable(q.answer, c, maxAge) {
				return d.standing(q.answer, release), q, nil
			}
			continue // the pool was slow
		case errors.Is(err, identity.ErrRevoked), !d.usable(a, c, outageAge):
			return identity.Standing{}, nil, err
		default:
			return d.standing(a, release), nil, nil
		}
	}
	return identity.Standing{}, nil, errDropped
}

func unavailable(err error) error {
	return fmt.Errorf("the shared state: %w: %w", identity.ErrUnavailable, err)
}

// standing has the instant of the check by this machine's clock.
func (d *Directory) standing(a answer, release time.Duration) identity.Standing {
	return identity.Standing{Groups: a.groups, Email: a.email, CheckedAt: d.c.Now().Add(-max(0, d.age(a.at))), ReleaseAge: release}
}

// Drop makes the next request of the session query the pool again, on every
// instance. Running questions store nothing. After an error, answers are used up
// to their greatest age.
func (d *Directory) Drop(c identity.Claims) {
	item := d.c.item(c.Session)
	_, latest := d.c.Client.Time()
	_, _ = d.c.Client.UpdateItem(context.Background(), &dynamodb.UpdateItemInput{
		TableName: aws.String(item.Table), Key: dynamo.Key(item.PK, item.SK),
		UpdateExpression:         aws.String("ADD #drops :one SET #at = :none, #ttl = :ttl"),
		ExpressionAttributeNames: map[string]string{"#drops": "drops", "#ttl": dynamo.TTL, "#at": "at"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":one": dynamo.Number(1), ":none": dynamo.Number(0), ":ttl": dynamo.Number(latest.Add(answerKeep).Unix()),
		},
	})
}

// end stores that the pool has ended a session.
func (d *Directory) end(ctx context.Context, item dynamo.Item, at time.Time) error {
	_, err := d.c.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(item.Table), Key: dynamo.Key(item.PK, item.SK),
		UpdateExpression:         aws.String("SET #name = :at, #ttl = :ttl"),
		ExpressionAttributeNames: map[string]string{"#name": "ended", "#ttl": dynamo.TTL},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":at": dynamo.Number(at.UnixMilli()), ":ttl": dynamo.Number(at.Add(answerKeep).Unix()),
		},
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// Check writes and reads an item of the table that expires within an hour.
func (c Config) Check(ctx context.Context) error {
	_, latest := c.Client.Time()
	item := dynamo.Key("check", "check")
	item[dynamo.TTL] = dynamo.Number(latest.Add(time.Hour).Unix())
	if _, err := c.Client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(c.Table), Item: item}); err != nil {
		return unavailable(err)
	}
	if _, err := c.Reader.Read(ctx, dynamo.Item{Table: c.Table, PK: "check", SK: "check"}); err != nil {
		return unavailable(err)
	}
	return nil
}
