package tables

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
)

// Record is a record of a stream, in the form of an event of AWS Lambda.
//
// SPEC: AWS Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB",
// example event.
type Record struct {
	EventID        string    `json:"eventID"`
	EventName      string    `json:"eventName"` // INSERT, MODIFY or REMOVE
	EventVersion   string    `json:"eventVersion"`
	EventSource    string    `json:"eventSource"`
	EventSourceARN string    `json:"eventSourceARN"`
	AWSRegion      string    `json:"awsRegion"`
	DynamoDB       Change    `json:"dynamodb"`
	UserIdentity   *Identity `json:"userIdentity,omitempty"`
}

// Change is the change of an item.
type Change struct {
	Created  float64 `json:"ApproximateCreationDateTime"` // Unix seconds
	Keys     Image   `json:"Keys"`
	NewImage Image   `json:"NewImage,omitempty"`
	OldImage Image   `json:"OldImage,omitempty"`
	Sequence string  `json:"SequenceNumber"`
	Size     int     `json:"SizeBytes"`
	View     string  `json:"StreamViewType"`
}

// Event returns the payload with which AWS Lambda calls a function.
func Event(records []Record) ([]byte, error) {
	raw, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		return nil, fmt.Errorf("encoding records of a stream: %w", err)
	}
	return raw, nil
}

// touchedKey names an item that a call may change.
type touchedKey struct{ table, pk, sk string }

// write is the part of a write that names items.
type write struct {
	TableName string
	Item, Key Image
}

func (w write) key() touchedKey {
	from := w.Item
	if from == nil {
		from = w.Key
	}
	return touchedKey{w.TableName, from.text("pk"), from.text("sk")}
}

// touched returns the items with a stream that a call may change.
func (s *Server) touched(op string, raw []byte) (all []touchedKey) {
	var writes []write
	switch op {
	case "PutItem", "UpdateItem", "DeleteItem":
		var w write
		_ = json.Unmarshal(raw, &w) // a malformed call is refused later
		writes = append(writes, w)
	case "BatchWriteItem":
		var in struct {
			RequestItems map[string][]struct{ PutRequest, DeleteRequest *write }
		}
		_ = json.Unmarshal(raw, &in)
		for table, requests := range in.RequestItems {
			for _, r := range requests {
				for _, w := range []*write{r.PutRequest, r.DeleteRequest} {
					if w != nil {
						w.TableName = table
						writes = append(writes, *w)
					}
				}
			}
		}
	case "TransactWriteItems":
		var in struct {
			TransactItems []struct{ Put, Update, Delete *write }
		}
		_ = json.Unmarshal(raw, &in)
		for _, t := range in.TransactItems {
			for _, w := range []*write{t.Put, t.Update, t.Delete} {
				if w != nil {
					writes = append(writes, *w)
				}
			}
		}
	}
	for _, w := range writes {
		if s.streams(w.TableName) {
			all = append(all, w.key())
		}
	}
	return all
}

// imaged is an item before a call.
type imaged struct {
	key   touchedKey
	image Image
}

func (s *Server) images(keys []touchedKey) (all []imaged) {
	for _, k := range keys {
		if !s.streams(k.table) {
			continue
		}
		image, err := s.item(k.table, k.pk, k.sk)
		if err == nil {
			all = append(all, imaged{k, image})
		}
	}
	return all
}

// publish passes the records of changed items on. A call that changes nothing has
// no record.
func (s *Server) publish(before []imaged, by *Identity) {
	var records []Record
	for _, b := range before {
		now, err := s.item(b.key.table, b.key.pk, b.key.sk)
		if err != nil || reflect.DeepEqual(now, b.image) {
			continue
		}
		name := "MODIFY"
		switch {
		case b.image == nil:
			name = "INSERT"
		case now == nil:
			name = "REMOVE"
		}
		s.sequence++
		sequence := fmt.Sprintf("%021d", s.sequence)
		id := sha256.Sum256([]byte(b.key.table + sequence))
		records = append(records, Record{
			EventID: hex.EncodeToString(id[:16]), EventName: name, EventVersion: "1.1", EventSource: "aws:dynamodb",
			EventSourceARN: "arn:aws:dynamodb:" + s.c.Region + ":111122223333:table/" + b.key.table + "/stream/2026-01-01T00:00:00.000",
			AWSRegion:      s.c.Region, UserIdentity: by,
			DynamoDB: Change{
				Created: float64(s.c.Now().Unix()), Keys: Image{"pk": {"S": b.key.pk}, "sk": {"S": b.key.sk}},
				NewImage: now, OldImage: b.image, Sequence: sequence, View: "NEW_AND_OLD_IMAGES",
			},
		})
	}
	if len(records) > 0 {
		s.c.Streamed(records)
	}
}

// Confirmed returns the number of records that the answer of a function confirms:
// all, or those before the first failed one.
func Confirmed(records []Record, answer []byte) (int, error) {
	var out struct {
		BatchItemFailures []struct {
			ItemIdentifier string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return 0, fmt.Errorf("reading the answer of a function: %w", err)
	}
	for i, r := range records {
		for _, f := range out.BatchItemFailures {
			if f.ItemIdentifier == r.DynamoDB.Sequence {
				return i, nil
			}
		}
	}
	if len(out.BatchItemFailures) > 0 {
		return 0, nil
	}
	return len(records), nil
}
