// Package state keeps in DynamoDB the state that the instances of a backend
// share: the live answers of the user pool, the count of questions to the pool,
// the sessions with a recorded start or end, and the keys of cursors. An instance
// needs nothing from an earlier request: a request reads all of it in one call.
//
// The rules of a live check are those of identity.Directory, the memory of a
// single machine. Times are compared by DynamoDB's clock.
package state

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/singleflight"

	"usher/backend/dynamo"
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
	calls   singleflight.Group
	people  *activity
	quota   *quota
	inForce atomic.Int64 // greatest age for releases at the last read
}

// NewDirectory applies the defaults and refuses a missing part. It makes no call.
func NewDirectory(c Config) (*Directory, error) {
	if c.Client == nil || c.Reader == nil || c.Table == "" || c.Source == nil || c.Now == nil {
		return nil, errors.New("shared state: client, reader, table, source and clock are needed")
	}
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{{&c.ReleaseAge, 5 * time.Second}, {&c.ListAge, 30 * time.Second}, {&c.OutageAge, 60 * time.Second}} {
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
	d := &Directory{c: c, people: &activity{c: c}, quota: newQuota(c)}
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

// item names the item of a session. The session's id is a secret of its token.
func (c Config) item(session string) dynamo.Item {
	sum := sha256.Sum256([]byte("session\x00" + session))
	return dynamo.Item{Table: c.Table, PK: "session#" + base64.RawURLEncoding.EncodeToString(sum[:]), SK: "live"}
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

// Ahead reads the items of a check into the Scope of ctx. The check of the same
// request then makes no call for them.
func (d *Directory) Ahead(ctx context.Context, session string) {
	_, _ = d.c.Reader.Read(ctx, append(d.people.possible(), d.c.item(session))...) // a failure occurs again in the check
}

// ForRelease returns a person's record for the signing of a URL. It uses no
// answer older than the release age, and fails during an outage.
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
	item := d.c.item(c.Session)
	for range rounds {
		counts := d.people.items()
		found, err := d.c.Reader.Read(ctx, append(counts, item)...)
		if err != nil {
			return identity.Standing{}, unavailable(err)
		}
		a, err := decode(found[item])
		if err != nil {
			return identity.Standing{}, unavailable(err)
		}
		release := d.people.releaseAge(found, counts)
		d.inForce.Store(int64(release))
		maxAge, outageAge := release, release
		if !releasing {
			maxAge = max(d.c.ListAge, release)
			outageAge = max(d.c.OutageAge, d.c.ListAge)
		}
		if a.ended.After(a.at) && d.age(a.ended) <= endedLife {
			return identity.Standing{}, fmt.Errorf("by a recent check: %w", identity.ErrRevoked)
		}
		if d.usable(a, c, maxAge) {
			if releasing {
				if err := d.people.active(ctx, item, a.window, release); err != nil {
					return identity.Standing{}, unavailable(err)
				}
			}
			return d.standing(a, release), nil
		}
		err = d.refresh(ctx, question{c, item, a.window, a.drops, releasing})
		switch {
		case err == nil, errors.Is(err, errOvertaken):
		case errors.Is(err, identity.ErrRevoked), !d.usable(a, c, outageAge):
			return identity.Standing{}, err
		default:
			return d.standing(a, release), nil
		}
	}
	return identity.Standing{}, fmt.Errorf("answers were dropped repeatedly: %w", identity.ErrUnavailable)
}

func unavailable(err error) error {
	return fmt.Errorf("the shared state: %w: %w", identity.ErrUnavailable, err)
}

// standing has the instant of the check by this machine's clock.
func (d *Directory) standing(a answer, release time.Duration) identity.Standing {
	return identity.Standing{Groups: a.groups, Email: a.email, CheckedAt: d.c.Now().Add(-max(0, d.age(a.at))), ReleaseAge: release}
}

// errOvertaken reports that a newer answer, or the end of the session, was stored
// meanwhile.
var errOvertaken = errors.New("another answer was stored meanwhile")

// refresh stores a new answer of the pool. Requests of one session in this
// instance share one question.
func (d *Directory) refresh(ctx context.Context, q question) error {
	background := context.WithoutCancel(ctx)
	result := d.calls.DoChan(q.item.PK, func() (any, error) { return d.ask(background, q) })
	select {
	case r := <-result:
		if r.Err != nil {
			dynamo.Forget(ctx, q.item)
			return r.Err
		}
		d.c.Reader.Wrote(ctx, q.item, r.Val.(dynamo.Attributes))
		return nil
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
}

// question is a question about one session.
type question struct {
	claims    identity.Claims
	item      dynamo.Item
	counted   int64 // last window in which the session counted as active
	drops     int64 // number of sign-outs before the question
	releasing bool
}

// ask puts the two questions to the pool at once and stores the answer.
func (d *Directory) ask(ctx context.Context, q question) (dynamo.Attributes, error) {
	c, item := q.claims, q.item
	if err := d.quota.take(ctx, c.Sub); err != nil {
		return nil, err
	}
	earliest, latest := d.c.Client.Time()
	profile, groups, err := identity.Ask(ctx, d.c.Source, c)
	if errors.Is(err, identity.ErrRevoked) {
		return nil, errors.Join(err, d.end(ctx, item, latest))
	}
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(append([]string{}, groups...))
	if err != nil {
		return nil, unavailable(err)
	}
	// The session is counted while its answer is stored. The bound of questions
	// holds without the count too.
	window, counted := q.counted, make(chan error, 1)
	if q.releasing && d.people.window() > window {
		window = d.people.window()
		go func() { counted <- d.people.add(ctx, window) }()
	} else {
		counted <- nil
	}
	undropped := "attribute_not_exists(#drops)"
	values := map[string]types.AttributeValue{
		":at": dynamo.Number(earliest.UnixMilli()), ":sub": dynamo.Text(c.Sub), ":groups": dynamo.Text(string(text)),
		":email": dynamo.Text(profile.Email), ":window": dynamo.Number(window), ":ttl": dynamo.Number(latest.Add(answerKeep).Unix()),
	}
	if q.drops > 0 {
		undropped, values[":drops"] = "#drops = :drops", dynamo.Number(q.drops)
	}
	out, err := d.c.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(item.Table), Key: dynamo.Key(item.PK, item.SK), ReturnValues: types.ReturnValueAllNew,
		UpdateExpression:    aws.String("SET #at = :at, #sub = :sub, #groups = :groups, #email = :email, #window = :window, #ttl = :ttl"),
		ConditionExpression: aws.String("(attribute_not_exists(#at) OR #at <= :at) AND " + undropped),
		ExpressionAttributeNames: map[string]string{
			"#at": "at", "#sub": "sub", "#groups": "groups", "#email": "email", "#ttl": dynamo.TTL, "#drops": "drops", "#window": "window",
		},
		ExpressionAttributeValues: values,
	})
	uncounted := <-counted
	if errors.Is(err, dynamo.ErrCondition) {
		return nil, errOvertaken
	}
	if err = cmp.Or(err, uncounted); err != nil {
		return nil, unavailable(err)
	}
	return out.Attributes, nil
}

// end stores that the pool has ended a session.
func (d *Directory) end(ctx context.Context, item dynamo.Item, at time.Time) error {
	return d.set(ctx, item, "ended", at)
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

func (d *Directory) set(ctx context.Context, item dynamo.Item, name string, at time.Time) error {
	_, err := d.c.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(item.Table), Key: dynamo.Key(item.PK, item.SK),
		UpdateExpression:         aws.String("SET #name = :at, #ttl = :ttl"),
		ExpressionAttributeNames: map[string]string{"#name": name, "#ttl": dynamo.TTL},
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
