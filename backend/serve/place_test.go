package serve

import (
	"testing"

	"usher/backend/dynamo/dynamotest"
)

// A place in the state table survives, belongs to one log, and is one for each name.
func TestAPlaceInATable(t *testing.T) {
	db := dynamotest.New(t)
	db.Table(t, "state")
	client := db.Client(t)
	at := func(name, log string) tablePlace { return tablePlace{client, "state", name, log} }
	load := func(p tablePlace) int64 {
		t.Helper()
		n, err := p.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := load(at("sink-a", "log")); n != 0 {
		t.Errorf("a new place is %d", n)
	}
	if err := at("sink-a", "log").Store(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	if n := load(at("sink-a", "log")); n != 7 {
		t.Errorf("the place is %d", n)
	}
	if a, b := load(at("sink-b", "log")), load(at("sink-a", "another log")); a != 0 || b != 0 {
		t.Errorf("another name: %d, another log: %d", a, b)
	}
}
