package cursor_test

import (
	"crypto/rand"
	"fmt"
	"time"

	"usher/backend/cursor"
)

// A sealed cursor opens for its own person only.
func Example() {
	sealer, err := cursor.NewSealer(rand.Reader, make([]byte, 32))
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	text, err := sealer.Seal(cursor.Cursor{Verb: "list", Sub: "ada", After: "annual/", Expires: now.Add(cursor.Life)})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := sealer.Open(text, cursor.Cursor{Verb: "list", Sub: "ada"}, now)
	fmt.Println(c.After, err)
	_, err = sealer.Open(text, cursor.Cursor{Verb: "list", Sub: "grace"}, now)
	fmt.Println(err)
	// Output:
	// annual/ <nil>
	// the cursor is not valid for this server and query
}
