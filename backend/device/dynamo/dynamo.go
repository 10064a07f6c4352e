// Package dynamo keeps the requests of the device flow in the state table, for
// several instances of the backend. All reads are consistent.
//
// The rules of the flow are left to package device, the calls to DynamoDB to
// package backend/dynamo.
package dynamo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/device"
	"usher/backend/dynamo"
)

const (
	attempts    = 8 // of a change that another instance overtook
	counterLife = 2 * time.Minute
	spare       = 10 * time.Minute // an item outlives its end by this: clocks differ
)

// API are the calls to DynamoDB.
type API interface {
	GetItem(ctx context.Context, in *dynamodb.GetItemInput) (*dynamodb.GetItemOutput, error)
	PutItem(ctx context.Context, in *dynamodb.PutItemInput) (*dynamodb.PutItemOutput, error)
	UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput) (*dynamodb.UpdateItemOutput, error)
}

// Store is a device.Store.
type Store struct {
	api   API
	table string
	now   func() time.Time
}

// New returns a store in the state table.
func New(api API, table string, now func() time.Time) (*Store, error) {
	if api == nil || table == "" || now == nil {
		return nil, errors.New("device store: client, table and clock are required")
	}
	return &Store{api, table, now}, nil
}

// The sort keys. Each item has a partition of its own, except the pending
// requests, which are one item.
const (
	requestItem = "request"
	userItem    = "user"
	countItem   = "count"
	sessionItem = "session"
	pendingItem = "pending"
)

func (s *Store) get(ctx context.Context, pk, sk string) (map[string]types.AttributeValue, error) {
	out, err := s.api.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(s.table), Key: dynamo.Key(pk, sk), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, fmt.Errorf("reading the %s of a device sign-in: %w", sk, err)
	}
	return out.Item, nil
}

// put stores an item under a condition on its version: 0 means that no item may
// exist.
func (s *Store) put(ctx context.Context, item map[string]types.AttributeValue, ends time.Time, version int64) error {
	item[dynamo.TTL] = dynamo.Number(ends.Add(spare).Unix())
	item["version"] = dynamo.Number(version + 1)
	in := &dynamodb.PutItemInput{TableName: aws.String(s.table), Item: item, ConditionExpression: aws.String("attribute_not_exists(pk)")}
	if version > 0 {
		in.ConditionExpression = aws.String("#v = :v")
		in.ExpressionAttributeNames = map[string]string{"#v": "version"}
		in.ExpressionAttributeValues = map[string]types.AttributeValue{":v": dynamo.Number(version)}
	}
	_, err := s.api.PutItem(ctx, in)
	return err
}

// pending are the unfinished requests: the end and the owner, by id.
type pending map[string]string

// reserve adds a request to the pending ones, within the limits.
func (s *Store) reserve(ctx context.Context, r device.Request, limits device.Limits) error {
	return s.changePending(ctx, func(p pending) error {
		delete(p, r.ID) // of an attempt whose response was lost
		total, owner := 0, 0
		for id, entry := range p {
			ends, of, _ := strings.Cut(entry, " ")
			millis, err := strconv.ParseInt(ends, 10, 64)
			if err != nil || !s.now().Before(time.UnixMilli(millis)) {
				delete(p, id)
				continue
			}
			total++
			if of == r.Owner {
				owner++
			}
		}
		if total >= limits.Total || owner >= limits.Owner {
			return device.ErrFull
		}
		p[r.ID] = strconv.FormatInt(r.Expires.UnixMilli(), 10) + " " + r.Owner
		return nil
	})
}

// release removes a request from the pending ones.
func (s *Store) release(ctx context.Context, id string) error {
	return s.changePending(ctx, func(p pending) error {
		delete(p, id)
		return nil
	})
}

func (s *Store) changePending(ctx context.Context, apply func(pending) error) error {
	const pk = "device-pending"
	for range attempts {
		item, err := s.get(ctx, pk, pendingItem)
		if err != nil {
			return err
		}
		p := pending{}
		if raw := dynamo.BytesOf(item, "body"); len(raw) > 0 {
			if err := json.Unmarshal(raw, &p); err != nil {
				return fmt.Errorf("reading the pending device sign-ins: %w", err)
			}
		}
		if err := apply(p); err != nil {
			return err
		}
		raw, err := json.Marshal(p)
		if err != nil {
			return err
		}
		next := dynamo.Key(pk, pendingItem)
		next["body"] = dynamo.Bytes(raw)
		err = s.put(ctx, next, s.now().Add(24*time.Hour), dynamo.NumberOf(item, "version"))
		switch {
		case err == nil, errors.Is(err, dynamo.ErrCondition) && s.landed(ctx, pk, pendingItem, raw):
			return nil
		case !errors.Is(err, dynamo.ErrCondition):
			return fmt.Errorf("storing the pending device sign-ins: %w", err)
		}
	}
	return fmt.Errorf("storing the pending device sign-ins: %w", device.ErrStale)
}

// Insert implements device.Store. A crash between its writes leaves a pending
// entry, which ends with the request.
func (s *Store) Insert(ctx context.Context, r device.Request, limits device.Limits) (device.Request, error) {
	if err := s.reserve(ctx, r, limits); err != nil {
		return r, err
	}
	user := dynamo.Key("device-user#"+r.User, userItem)
	user["id"] = dynamo.Text(r.ID)
	err := s.put(ctx, user, r.Expires.Add(device.Keep), 0)
	if errors.Is(err, dynamo.ErrCondition) && s.pointsTo(ctx, r) {
		err = nil // an earlier attempt of this call landed
	}
	if err != nil {
		return r, errors.Join(taken(err), s.release(ctx, r.ID))
	}
	return s.write(ctx, r, 0)
}

func (s *Store) pointsTo(ctx context.Context, r device.Request) bool {
	item, err := s.get(ctx, "device-user#"+r.User, userItem)
	return err == nil && dynamo.TextOf(item, "id") == r.ID
}

func taken(err error) error {
	if errors.Is(err, dynamo.ErrCondition) {
		return device.ErrTaken
	}
	return fmt.Errorf("storing the user code of a device sign-in: %w", err)
}

// Find implements device.Store.
func (s *Store) Find(ctx context.Context, id string) (device.Request, error) {
	item, err := s.get(ctx, "device#"+id, requestItem)
	if err != nil {
		return device.Request{}, err
	}
	if len(item) == 0 {
		return device.Request{}, device.ErrAbsent
	}
	var r device.Request
	if err := json.Unmarshal(dynamo.BytesOf(item, "body"), &r); err != nil {
		return r, fmt.Errorf("reading a device sign-in: %w", err)
	}
	if !s.now().Before(r.Expires.Add(device.Keep)) {
		return device.Request{}, device.ErrAbsent
	}
	return r, nil
}

// ByUser implements device.Store.
func (s *Store) ByUser(ctx context.Context, user string) (device.Request, error) {
	item, err := s.get(ctx, "device-user#"+user, userItem)
	if err != nil {
		return device.Request{}, err
	}
	id := dynamo.TextOf(item, "id")
	if id == "" {
		return device.Request{}, device.ErrAbsent
	}
	return s.Find(ctx, id)
}

// Replace implements device.Store.
func (s *Store) Replace(ctx context.Context, r device.Request) (device.Request, error) {
	if r.Version < 1 {
		return r, device.ErrAbsent
	}
	return s.write(ctx, r, r.Version)
}

// write stores a request in place of a version; 0 is none.
func (s *Store) write(ctx context.Context, r device.Request, version int64) (device.Request, error) {
	r.Version = version + 1
	raw, err := json.Marshal(r)
	if err != nil {
		return r, fmt.Errorf("storing a device sign-in: %w", err)
	}
	item := dynamo.Key("device#"+r.ID, requestItem)
	item["body"] = dynamo.Bytes(raw)
	if err := s.put(ctx, item, r.Expires.Add(device.Keep), version); err != nil {
		if !errors.Is(err, dynamo.ErrCondition) {
			return r, fmt.Errorf("storing a device sign-in: %w", err)
		}
		if !s.landed(ctx, "device#"+r.ID, requestItem, raw) {
			return r, device.ErrStale
		}
	}
	if r.Finished() {
		return r, s.release(ctx, r.ID)
	}
	return r, nil
}

// landed reports whether an earlier attempt of a write was stored.
func (s *Store) landed(ctx context.Context, pk, sk string, raw []byte) bool {
	item, err := s.get(ctx, pk, sk)
	return err == nil && string(dynamo.BytesOf(item, "body")) == string(raw)
}

// Count implements device.Store. A repeated attempt counts twice, which errs on
// the safe side.
func (s *Store) Count(ctx context.Context, name string, minute time.Time) (int, error) {
	out, err := s.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(s.table), Key: dynamo.Key("device-count#"+strconv.FormatInt(minute.Unix(), 10)+"#"+name, countItem),
		UpdateExpression:         aws.String("SET #t = :t ADD n :one"),
		ExpressionAttributeNames: map[string]string{"#t": dynamo.TTL},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":one": dynamo.Number(1), ":t": dynamo.Number(minute.Add(counterLife + spare).Unix()),
		},
		ReturnValues: types.ReturnValueUpdatedNew,
	})
	if err != nil {
		return 0, fmt.Errorf("counting %s: %w", name, err)
	}
	return int(dynamo.NumberOf(out.Attributes, "n")), nil
}

// Open implements device.Store.
func (s *Store) Open(ctx context.Context, session string, until time.Time) error {
	item := dynamo.Key("device-session#"+session, sessionItem)
	item["until"] = dynamo.Number(until.UnixMilli())
	item[dynamo.TTL] = dynamo.Number(until.Add(spare).Unix())
	if _, err := s.api.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(s.table), Item: item}); err != nil {
		return fmt.Errorf("storing an opened session: %w", err)
	}
	return nil
}

// Opened implements device.Store.
func (s *Store) Opened(ctx context.Context, session string) (bool, error) {
	item, err := s.get(ctx, "device-session#"+session, sessionItem)
	if err != nil {
		return false, err
	}
	return s.now().Before(time.UnixMilli(dynamo.NumberOf(item, "until"))), nil
}
