// Package dynamo keeps the grants in a DynamoDB table. A version of the grants is
// a set of compressed chunks, and one item names the version in force. Every
// request reads that item consistently, so a change is in force on all instances
// at once. Versions stay in the table.
//
// A change replaces the item under the condition that the version in force is the
// one that the admin compared with. The audit event of the change is part of the
// same transaction: there is no change without its event.
//
// Decisions are left to package grant, the stored form to grant/pack, and the calls to
// package backend/dynamo.
package dynamo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/singleflight"

	"usher/backend/dynamo"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/grant/pack"
)

// ErrDamaged: the version in force is not readable, and a repetition would not
// help.
var ErrDamaged = errors.New("the grants in the table are damaged")

// Config has the parts of a Store. All are required, except Writes in a store
// that only reads.
type Config struct {
	Client *dynamo.Client
	Reader *dynamo.Reader
	Table  string
	Now    func() time.Time
	Log    *slog.Logger // problems of the version in force
	// Writes returns the writes that make events durable, for the transaction of a
	// change.
	Writes func(events []event.Event) ([]types.TransactWriteItem, error)
}

// Store has the grants of one table. Safe for concurrent use.
type Store struct {
	c       Config
	current dynamo.Item
	copied  dynamo.Item
	loads   singleflight.Group

	mu     sync.Mutex
	loaded []version // the last versions, newest first

	problem atomic.Pointer[error]
}

type version struct {
	upload string
	set    *grant.Set
}

// kept is the number of versions in memory: during a change, requests of both
// are in progress.
const kept = 2

// New returns a store. It makes no call.
func New(c Config) (*Store, error) {
	if c.Client == nil || c.Reader == nil || c.Table == "" || c.Now == nil || c.Log == nil {
		return nil, errors.New("grants in DynamoDB: client, reader, table, clock and log are needed")
	}
	s := &Store{c: c, current: dynamo.Item{Table: c.Table, PK: "current", SK: "current"}, copied: dynamo.Item{Table: c.Table, PK: "current", SK: copySK}}
	c.Reader.Always(s.current)
	return s, nil
}

// Items names the items from which Current reads a version of one chunk. After a
// read of them into the Scope of a request, Current reads nothing.
func (s *Store) Items() []dynamo.Item { return []dynamo.Item{s.current, s.copied} }

// Current returns the grants in force. If the table has no readable version, it
// returns the last one of this instance, and Problem has the reason. It fails if
// DynamoDB does not respond.
func (s *Store) Current(ctx context.Context) (*grant.Set, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("reading grants: %w", err)
	}
	items, err := s.c.Reader.Read(ctx, s.current)
	if err != nil {
		return nil, fmt.Errorf("reading grants: %w", err)
	}
	set, err := s.load(ctx, items[s.current])
	if err == nil {
		s.problem.Store(nil)
		return set, nil
	}
	if last := s.last(); errors.Is(err, ErrDamaged) && last != nil {
		s.refuse(err)
		return last, nil
	}
	return nil, fmt.Errorf("reading grants: %w", err)
}

// refuse stores a problem and logs it, once for each reason.
func (s *Store) refuse(problem error) {
	if old := s.problem.Swap(&problem); old == nil || (*old).Error() != problem.Error() {
		s.c.Log.Error("grants in DynamoDB refused; the previous grants stay in force", "problem", problem.Error())
	}
}

// Problem returns the reason why the version in the table is not in force, or
// nil.
func (s *Store) Problem() error {
	if p := s.problem.Load(); p != nil {
		return *p
	}
	return nil
}

// Reload reads the grants. Every request does so too.
func (s *Store) Reload(ctx context.Context) error {
	if _, err := s.Current(ctx); err != nil {
		return err
	}
	return s.Problem()
}

// Check reads the version in force from the table.
func (s *Store) Check(ctx context.Context) error { return s.Reload(ctx) }

func (s *Store) last() *grant.Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.loaded) == 0 {
		return nil
	}
	return s.loaded[0].set
}

// load returns the version that an item names.
func (s *Store) load(ctx context.Context, current dynamo.Attributes) (*grant.Set, error) {
	upload := dynamo.TextOf(current, "upload")
	if upload == "" {
		return nil, fmt.Errorf("%w: the table %s has no version in force", ErrDamaged, s.c.Table)
	}
	s.mu.Lock()
	for _, v := range s.loaded {
		if v.upload == upload {
			s.mu.Unlock()
			return v.set, nil
		}
	}
	s.mu.Unlock()
	// Other requests wait for the same load.
	result := s.loads.DoChan(upload, func() (any, error) {
		return s.fetch(context.WithoutCancel(ctx), current)
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*grant.Set), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fetch reads a version. The version of the set covers every field of every grant,
// so it also proves that the chunks are complete.
func (s *Store) fetch(ctx context.Context, current dynamo.Attributes) (*grant.Set, error) {
	upload, want := dynamo.TextOf(current, "upload"), dynamo.TextOf(current, "version")
	packed, err := s.packed(ctx, current)
	if err != nil {
		return nil, err
	}
	grants, err := pack.Unpack(packed)
	if err != nil {
		return nil, fmt.Errorf("%w: the version %s: %w", ErrDamaged, want, err)
	}
	set, err := grant.NewSet(grants)
	if err != nil {
		return nil, fmt.Errorf("%w: the version %s: %w", ErrDamaged, want, err)
	}
	if set.Version() != want {
		return nil, fmt.Errorf("%w: the version %s has the content of %s", ErrDamaged, want, set.Version())
	}
	s.keep(version{upload, set})
	return set, nil
}

// packed returns the chunks of a version: one from its copy, several by a query.
func (s *Store) packed(ctx context.Context, current dynamo.Attributes) ([]byte, error) {
	upload, want, chunks := dynamo.TextOf(current, "upload"), dynamo.TextOf(current, "version"), dynamo.NumberOf(current, "chunks")
	if chunks == 1 {
		items, err := s.c.Reader.Read(ctx, s.copied)
		if err != nil {
			return nil, fmt.Errorf("reading the version %s: %w", want, err)
		}
		if dynamo.TextOf(items[s.copied], "upload") == upload {
			return dynamo.BytesOf(items[s.copied], "data"), nil
		}
	}
	var packed []byte
	found := int64(0)
	var next dynamo.Attributes
	for {
		page, err := s.c.Client.Query(ctx, &dynamodb.QueryInput{
			TableName: aws.String(s.c.Table), ConsistentRead: aws.Bool(true), ExclusiveStartKey: next,
			KeyConditionExpression:    aws.String("#pk = :upload"),
			ExpressionAttributeNames:  map[string]string{"#pk": dynamo.PK},
			ExpressionAttributeValues: map[string]types.AttributeValue{":upload": dynamo.Text(upload)},
		})
		if err != nil {
			return nil, fmt.Errorf("reading the version %s: %w", want, err)
		}
		for _, item := range page.Items {
			packed, found = append(packed, dynamo.BytesOf(item, "data")...), found+1
		}
		if next = page.LastEvaluatedKey; len(next) == 0 {
			break
		}
	}
	if found != chunks {
		return nil, fmt.Errorf("%w: the version %s has %d of %d chunks", ErrDamaged, want, found, chunks)
	}
	return packed, nil
}

// Version returns a version of the grants that was in force once, or
// grant.ErrUnknown.
func (s *Store) Version(ctx context.Context, version string) (*grant.Set, error) {
	if none, err := grant.NewSet(nil); err == nil && none.Version() == version {
		return none, nil // the first version of every table
	}
	var next dynamo.Attributes
	for {
		page, err := s.c.Client.Query(ctx, &dynamodb.QueryInput{
			TableName: aws.String(s.c.Table), ConsistentRead: aws.Bool(true), ExclusiveStartKey: next,
			KeyConditionExpression: aws.String("#pk = :history"), FilterExpression: aws.String("#version = :version"),
			ExpressionAttributeNames:  map[string]string{"#pk": dynamo.PK, "#version": "version"},
			ExpressionAttributeValues: map[string]types.AttributeValue{":history": dynamo.Text("history"), ":version": dynamo.Text(version)},
		})
		if err != nil {
			return nil, fmt.Errorf("reading the versions of the grants: %w", err)
		}
		if len(page.Items) > 0 {
			return s.fetch(ctx, page.Items[0])
		}
		if next = page.LastEvaluatedKey; len(next) == 0 {
			return nil, fmt.Errorf("the version %.40q of the grants: %w", version, grant.ErrUnknown)
		}
	}
}

func (s *Store) keep(v version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded = append([]version{v}, s.loaded...)
	if len(s.loaded) > kept {
		s.loaded = s.loaded[:kept]
	}
}
