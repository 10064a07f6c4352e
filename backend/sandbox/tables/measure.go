package tables

import (
	"encoding/base64"
	"encoding/json"
)

// SPEC: DynamoDB developer guide, "Constraints" and "Read and write operations":
// an item has up to 400 KB, and a write costs a unit for each started KB, twice in
// a transaction.
const (
	maxItem   = 400 << 10
	writeUnit = 1 << 10
)

type put struct{ Item map[string]any }

// measure returns the write units of a call, or the code of a refusal that
// minidyn does not make.
func measure(op string, raw []byte) (units int, problem string) {
	var items []put
	factor := 1
	switch op {
	case "PutItem":
		var in put
		if json.Unmarshal(raw, &in) == nil {
			items = append(items, in)
		}
	case "UpdateItem", "DeleteItem":
		return 1, ""
	case "BatchWriteItem":
		var in struct {
			RequestItems map[string][]struct{ PutRequest put }
		}
		if json.Unmarshal(raw, &in) == nil {
			for _, writes := range in.RequestItems {
				for _, w := range writes {
					items = append(items, w.PutRequest)
				}
			}
		}
		if len(items) > 25 {
			return 0, "ValidationException"
		}
	case "TransactWriteItems":
		var in struct {
			TransactItems []struct{ Put put }
		}
		factor = 2
		if json.Unmarshal(raw, &in) == nil {
			for _, w := range in.TransactItems {
				items = append(items, w.Put)
			}
		}
		if len(items) > 100 || len(raw) > 4<<20*4/3 {
			return 0, "ValidationException"
		}
	}
	for _, p := range items {
		size := sizeOf(map[string]any{"M": p.Item})
		if size > maxItem {
			return 0, "ValidationException"
		}
		units += factor * max(1, (size+writeUnit-1)/writeUnit)
	}
	return units, ""
}

// sizeOf returns the approximate size of an attribute in bytes.
func sizeOf(attribute any) int {
	typed, ok := attribute.(map[string]any)
	if !ok {
		return 1
	}
	size := 0
	for kind, value := range typed {
		switch v := value.(type) {
		case string:
			if kind == "B" {
				size += base64.StdEncoding.DecodedLen(len(v))
				continue
			}
			size += len(v)
		case map[string]any:
			for name, inner := range v {
				size += len(name) + sizeOf(inner)
			}
		case []any:
			for _, inner := range v {
				if s, ok := inner.(string); ok {
					size += len(s)
					continue
				}
				size += sizeOf(inner)
			}
		default:
			size++
		}
	}
	return size
}
