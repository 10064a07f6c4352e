package state_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"usher/backend/dynamo"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/identity/directorytest"
	"usher/backend/state"
)

// Two instances use one answer of the user pool.
func Example() {
	server := dynamotest.New(&testing.T{})
	pool := &directorytest.Pool{}
	pool.Member("ada", "finance-team")
	table := server.Table(&testing.T{}, "usher-state")
	for range 2 {
		client := server.Client(&testing.T{})
		reader, err := dynamo.NewReader(client, time.Now)
		if err != nil {
			fmt.Println(err)
			return
		}
		directory, err := state.NewDirectory(state.Config{Client: client, Reader: reader, Table: table, Source: pool, Now: time.Now})
		if err != nil {
			fmt.Println(err)
			return
		}
		person, err := directory.ForRelease(context.Background(), directorytest.Claims("ada"))
		if err == nil && person.Settle != nil { // the answer is new: other instances use it once it is stored
			person, err = person.Settle(context.Background())
		}
		fmt.Println(person.Groups, err)
	}
	alive, groups := pool.Questions()
	fmt.Println(alive, groups)
	// Output:
	// [finance-team] <nil>
	// [finance-team] <nil>
	// 1 1
}
