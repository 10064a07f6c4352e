package demo_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"

	"usher/backend/demo"
	"usher/backend/event"
)

// Start runs usher in this process. Without Dir, Close removes all its files.
func Example() {
	d, err := demo.Start(context.Background(), demo.Options{NewID: event.IDs(rand.Reader)})
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := http.Get(d.Server + "/v1/config")
	if err == nil {
		fmt.Println(resp.StatusCode, resp.Body.Close())
	}
	fmt.Println(d.People[0].Username, d.People[0].Groups)
	fmt.Println(d.Close())
	// Output:
	// 200 <nil>
	// ada [finance-team]
	// <nil>
}
