package state

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/dynamo"
	"usher/backend/identity"
)

// errOvertaken reports that a newer answer, or the end of the session, was stored
// meanwhile.
var errOvertaken = errors.New("another answer was stored meanwhile")

// question is a question to the pool about one session, and the record of its
// answer. Requests of this instance share a running question.
type question struct {
	claims    identity.Claims
	item      dynamo.Item
	counted   int64 // last window in which the session counted as active
	drops     int64 // number of sign-outs before the question
	releasing bool

	asked  chan struct{} // closed when answer and err are set
	answer answer
	window int64 // in which the session counts as active now
	ttl    int64
	err    error

	stored chan struct{} // closed when late is set
	late   error         // of the record
}

// question returns an answered question about a session.
func (d *Directory) question(ctx context.Context, c identity.Claims, item dynamo.Item, a answer, releasing bool) (*question, error) {
	d.mu.Lock()
	q := d.running[item.PK]
	if q == nil {
		q = &question{
			claims: c, item: item, counted: a.window, drops: a.drops, releasing: releasing,
			asked: make(chan struct{}), stored: make(chan struct{}),
		}
		d.running[item.PK] = q
		// Other requests wait for the same answer: the question continues when the
		// request that began it is canceled.
		go d.run(context.WithoutCancel(ctx), q)
	}
	d.mu.Unlock()
	select {
	case <-q.asked:
	case <-ctx.Done():
		return nil, unavailable(ctx.Err())
	}
	if q.err != nil {
		dynamo.Forget(ctx, item)
		return nil, q.err
	}
	return q, nil
}

func (d *Directory) run(ctx context.Context, q *question) {
	q.err = d.ask(ctx, q)
	if q.err == nil {
		close(q.asked)
		q.late = d.store(ctx, q)
	}
	d.mu.Lock()
	delete(d.running, q.item.PK)
	d.mu.Unlock()
	if q.err != nil {
		close(q.asked)
	}
	close(q.stored)
}

// settled returns the error of the record.
func (q *question) settled(ctx context.Context) (late, err error) {
	select {
	case <-q.stored:
		return q.late, nil
	case <-ctx.Done():
		return nil, unavailable(ctx.Err())
	}
}

// ask puts the two questions to the pool at once.
func (d *Directory) ask(ctx context.Context, q *question) error {
	if err := d.quota.take(ctx, q.claims.Sub); err != nil {
		return err
	}
	earliest, latest := d.c.Client.Time()
	profile, groups, err := identity.Ask(ctx, d.c.Source, q.claims)
	if errors.Is(err, identity.ErrRevoked) {
		return errors.Join(err, d.end(ctx, q.item, latest))
	}
	if err != nil {
		return err
	}
	q.answer = answer{
		at: time.UnixMilli(earliest.UnixMilli()), drops: q.drops, sub: q.claims.Sub, email: profile.Email,
		groups: append([]string{}, groups...),
	}
	q.window, q.ttl = q.counted, latest.Add(answerKeep).Unix()
	if q.releasing {
		q.window = max(q.counted, d.people.window())
	}
	return nil
}

// values are the attributes of the answer.
func (q *question) values() (dynamo.Attributes, error) {
	text, err := json.Marshal(q.answer.groups)
	if err != nil {
		return nil, err
	}
	return dynamo.Attributes{
		"at": dynamo.Number(q.answer.at.UnixMilli()), "sub": dynamo.Text(q.answer.sub), "groups": dynamo.Text(string(text)),
		"email": dynamo.Text(q.answer.email), "window": dynamo.Number(q.window), dynamo.TTL: dynamo.Number(q.ttl),
	}, nil
}

// over returns the item of the session with the answer.
func (q *question) over(before dynamo.Attributes) dynamo.Attributes {
	after := maps.Clone(before)
	if after == nil {
		after = dynamo.Key(q.item.PK, q.item.SK)
	}
	values, err := q.values()
	if err != nil {
		return before
	}
	maps.Copy(after, values)
	return after
}

// store stores the answer for all instances, unless a newer one or a sign-out was
// stored meanwhile.
func (d *Directory) store(ctx context.Context, q *question) error {
	// The session is counted while its answer is stored. The bound of questions
	// holds without the count too.
	counted := make(chan error, 1)
	if q.window > q.counted {
		go func() { counted <- d.people.add(ctx, q.window) }()
	} else {
		counted <- nil
	}
	set, err := q.values()
	if err != nil {
		return unavailable(err)
	}
	undropped := "attribute_not_exists(#drops)"
	values := map[string]types.AttributeValue{}
	for name, value := range set {
		values[":"+name] = value
	}
	if q.drops > 0 {
		undropped, values[":drops"] = "#drops = :drops", dynamo.Number(q.drops)
	}
	_, err = d.c.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(q.item.Table), Key: dynamo.Key(q.item.PK, q.item.SK),
		UpdateExpression:    aws.String("SET #at = :at, #sub = :sub, #groups = :groups, #email = :email, #window = :window, #ttl = :ttl"),
		ConditionExpression: aws.String("(attribute_not_exists(#at) OR #at <= :at) AND " + undropped),
		ExpressionAttributeNames: map[string]string{
			"#at": "at", "#sub": "sub", "#groups": "groups", "#email": "email", "#ttl": dynamo.TTL, "#drops": "drops", "#window": "window",
		},
		ExpressionAttributeValues: values,
	})
	uncounted := <-counted
	if errors.Is(err, dynamo.ErrCondition) {
		return errOvertaken
	}
	if err = cmp.Or(err, uncounted); err != nil {
		return unavailable(err)
	}
	return nil
}
