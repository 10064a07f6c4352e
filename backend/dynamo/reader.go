package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/elapsed"
)

// Item names an item.
type Item struct{ Table, PK, SK string }

// Attributes are the attributes of an item; nil if the item is absent.
type Attributes = map[string]types.AttributeValue

// fresh is the time for which a request uses an item that it has read. A request
// that waits for its body longer reads again.
const fresh = time.Second

// Reader reads items consistently. The reads of one request share one call: the
// first read also fetches the items that every request needs. Safe for
// concurrent use.
type Reader struct {
	client *Client
	now    func() time.Time

	mu     sync.Mutex
	always []Item
}

// NewReader returns a reader with a client and this machine's clock.
func NewReader(c *Client, now func() time.Time) (*Reader, error) {
	if c == nil || now == nil {
		return nil, errors.New("dynamo: a reader needs a client and a clock")
	}
	return &Reader{client: c, now: now}, nil
}

// Always adds an item to the first call of each request.
func (r *Reader) Always(i Item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.always = append(r.always, i)
}

// scope has the items that one request has read.
type scope struct {
	mu    sync.Mutex
	items map[Item]read
}

type read struct {
	attributes Attributes
	at         time.Time // start of the call
}

type scopeKey struct{}

// Scope returns a context for one request.
func Scope(ctx context.Context) context.Context {
	return context.WithValue(ctx, scopeKey{}, &scope{items: map[Item]read{}})
}

// Read returns items by name. In a Scope, items that were read within the last
// second are not read again.
func (r *Reader) Read(ctx context.Context, want ...Item) (map[Item]Attributes, error) {
	s, scoped := ctx.Value(scopeKey{}).(*scope)
	if !scoped {
		return r.fetch(ctx, want)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := r.now()
	found := map[Item]Attributes{}
	for _, i := range want {
		if known, ok := s.items[i]; ok && elapsed.Since(now, known.at) < fresh {
			found[i] = known.attributes
		}
	}
	if len(found) == len(want) {
		return found, nil
	}
	r.mu.Lock()
	all := append(slices.Clone(want), r.always...)
	r.mu.Unlock()
	got, err := r.fetch(ctx, all)
	if err != nil {
		return nil, err
	}
	for i, attributes := range got {
		s.items[i] = read{attributes, now}
	}
	return got, nil
}

// Forget makes the next read in this Scope fetch the item again, after a write.
func Forget(ctx context.Context, i Item) {
	if s, ok := ctx.Value(scopeKey{}).(*scope); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.items, i)
	}
}

// Wrote stores the attributes that this request has written to an item.
func (r *Reader) Wrote(ctx context.Context, i Item, attributes Attributes) {
	if s, ok := ctx.Value(scopeKey{}).(*scope); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.items[i] = read{attributes, r.now()}
	}
}

// fetch reads items in one call. The result has an entry for each item.
func (r *Reader) fetch(ctx context.Context, want []Item) (map[Item]Attributes, error) {
	in := &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{}}
	found := make(map[Item]Attributes, len(want))
	for _, i := range want {
		if _, twice := found[i]; twice {
			continue
		}
		found[i] = nil
		keys := in.RequestItems[i.Table]
		keys.ConsistentRead = aws.Bool(true)
		keys.Keys = append(keys.Keys, Key(i.PK, i.SK))
		in.RequestItems[i.Table] = keys
	}
	out, err := r.client.BatchGetItem(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("reading the shared state: %w", err)
	}
	for table, items := range out.Responses {
		for _, attributes := range items {
			found[Item{table, TextOf(attributes, PK), TextOf(attributes, SK)}] = attributes
		}
	}
	return found, nil
}
