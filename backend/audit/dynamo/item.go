package dynamo

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/klauspost/compress/zstd"
	"github.com/oklog/ulid/v2"

	"usher/backend/audit"
	"usher/backend/dynamo"
	"usher/backend/event"
)

// ErrDamaged: an item of the log does not match its hash or has no events.
var ErrDamaged = errors.New("an item of the audit log is damaged")

// Attributes of the log table, next to the keys.
const (
	attrEvents = "e"
	attrHash   = "h"
	attrCount  = "n"
	attrWriter = "w"
	attrBatch  = "b"
)

const (
	// maxItem is the size of the compressed events of one item.
	// SPEC: DynamoDB developer guide, "Constraints": an item has up to 400 KB.
	maxItem = 350 << 10
	// maxLines bounds the memory for the events of one item.
	maxLines = 64 << 20

	shards   = 16
	msLength = 10 // characters of a ULID that are its time
	idLength = 26

	hourLayout = "2006-01-02T15"
)

// Item is an item of the log: events of one millisecond and one shard.
type Item struct {
	ID     string // id of the first event
	Events []event.Event
	TTL    int64 // expiry in Unix seconds; 0: none
}

// batch is an item before its write.
type batch struct {
	pk, sk string
	events []event.Event
	packed []byte
	hash   [sha256.Size]byte
	at     time.Time
}

// codec compresses and decompresses. It is safe for concurrent use.
type codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

func newCodec() (*codec, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, fmt.Errorf("preparing the compression: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxLines))
	if err != nil {
		return nil, fmt.Errorf("preparing the decompression: %w", err)
	}
	return &codec{encoder, decoder}, nil
}

// timeOf returns the time of an event id, and false if it is not a ULID.
func timeOf(id string) (time.Time, bool) {
	u, err := ulid.ParseStrict(id)
	if err != nil || u.String() != id {
		return time.Time{}, false
	}
	return ulid.Time(u.Time()).UTC(), true
}

// partition returns the partition of an event id.
func partition(id string) string {
	at, _ := timeOf(id)
	return partitionOf(at, strings.IndexByte(ulid.Encoding, id[msLength])/2)
}

func partitionOf(at time.Time, shard int) string {
	return fmt.Sprintf("%s#%x", at.UTC().Format(hourLayout), shard)
}

// least returns the least id of a millisecond.
func least(at time.Time) string {
	var u ulid.ULID
	ms := max(0, min(at.UnixMilli(), int64(ulid.MaxTime())))
	if err := u.SetTime(uint64(ms)); err != nil {
		return ""
	}
	return u.String()
}

// batches groups the events of one Append: by millisecond and shard, and by size.
// Equal events are taken once.
func (c *codec) batches(events []event.Event) ([]batch, error) {
	sorted := slices.Clone(events)
	slices.SortFunc(sorted, func(a, b event.Event) int { return strings.Compare(a.ID, b.ID) })
	var distinct []event.Event
	lines := map[string][]byte{}
	for _, e := range sorted {
		at, ok := timeOf(e.ID)
		if !ok || !at.Equal(e.Time) {
			return nil, fmt.Errorf("the id %.40q is not a ULID of the event's time", e.ID)
		}
		line := append(event.Canonical(e), '\n')
		if known, ok := lines[e.ID]; ok {
			if !bytes.Equal(known, line) {
				return nil, audit.ErrConflict
			}
			continue
		}
		lines[e.ID] = line
		distinct = append(distinct, e)
	}
	var all []batch
	for rest := distinct; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].ID[:msLength] == rest[0].ID[:msLength] && partition(rest[n].ID) == partition(rest[0].ID) {
			n++
		}
		all = c.pack(all, rest[:n], lines)
		rest = rest[n:]
	}
	return all, nil
}

// pack appends the batches of one millisecond and shard. Events that do not fit
// into one item are halved.
func (c *codec) pack(all []batch, events []event.Event, lines map[string][]byte) []batch {
	var raw []byte
	for _, e := range events {
		raw = append(raw, lines[e.ID]...)
	}
	packed := c.encoder.EncodeAll(raw, nil)
	if half := len(events) / 2; len(packed) > maxItem && half > 0 {
		return c.pack(c.pack(all, events[:half], lines), events[half:], lines)
	}
	id := events[0].ID
	at, _ := timeOf(id)
	return append(all, batch{pk: partition(id), sk: id, events: events, packed: packed, hash: sha256.Sum256(raw), at: at})
}

// attributes returns the item of a batch.
func (b batch) attributes(writer string, number, expires int64) map[string]types.AttributeValue {
	item := dynamo.Key(b.pk, b.sk)
	item[attrEvents], item[attrHash] = dynamo.Bytes(b.packed), dynamo.Bytes(b.hash[:])
	item[attrCount], item[attrWriter], item[attrBatch] = dynamo.Number(int64(len(b.events))), dynamo.Text(writer), dynamo.Number(number)
	if expires > 0 {
		item[dynamo.TTL] = dynamo.Number(expires)
	}
	return item
}

// raw returns the lines of an item of the log table, as DynamoDB or a stream
// returns it.
func (c *codec) raw(attributes map[string]types.AttributeValue) ([]byte, error) {
	id := dynamo.TextOf(attributes, dynamo.SK)
	raw, err := c.decoder.DecodeAll(dynamo.BytesOf(attributes, attrEvents), nil)
	if err != nil {
		return nil, fmt.Errorf("item %.40q: %w: its events cannot be decompressed", id, ErrDamaged)
	}
	if sum := sha256.Sum256(raw); !bytes.Equal(sum[:], dynamo.BytesOf(attributes, attrHash)) {
		return nil, fmt.Errorf("item %.40q: %w: its events do not match its hash", id, ErrDamaged)
	}
	return raw, nil
}

// item reads an item of the log table.
func (c *codec) item(attributes map[string]types.AttributeValue) (Item, error) {
	id := dynamo.TextOf(attributes, dynamo.SK)
	damaged := func(reason string) error { return fmt.Errorf("item %.40q: %w: %s", id, ErrDamaged, reason) }
	raw, err := c.raw(attributes)
	if err != nil {
		return Item{}, err
	}
	item := Item{ID: id, TTL: dynamo.NumberOf(attributes, dynamo.TTL)}
	for line := range bytes.Lines(raw) {
		e, err := event.Parse(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			return Item{}, damaged(err.Error())
		}
		item.Events = append(item.Events, e)
	}
	if len(item.Events) == 0 || item.Events[0].ID != id || partition(id) != dynamo.TextOf(attributes, dynamo.PK) {
		return Item{}, damaged("its keys are not those of its first event")
	}
	return item, nil
}

// merged returns the events of items in order. An event that is in several items
// is returned once; different events with one id are all returned.
func merged(items []Item) []event.Event {
	var all []event.Event
	for _, i := range items {
		all = append(all, i.Events...)
	}
	slices.SortFunc(all, func(a, b event.Event) int {
		if a.ID != b.ID {
			return strings.Compare(a.ID, b.ID)
		}
		return bytes.Compare(event.Canonical(a), event.Canonical(b))
	})
	return slices.CompactFunc(all, func(a, b event.Event) bool {
		return a.ID == b.ID && bytes.Equal(event.Canonical(a), event.Canonical(b))
	})
}
