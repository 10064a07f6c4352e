package fetch_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"usher/client/download/fetch"
	"usher/client/download/ticket"
)

// First fetches the beginning of an object by the URL of a ticket.
func ExampleClient_First() {
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"e"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("name,amount\nrent,1200\n"))
	}))
	defer storage.Close()
	c, err := fetch.New(fetch.Config{
		Timeouts: fetch.Timeouts{Idle: 5 * time.Second, RateWindow: time.Minute, MinRate: 1, Margin: time.Second, BackoffMin: time.Second,
			BackoffMax: time.Second, RetryAfter: time.Second, Checkpoint: time.Second, Tick: time.Second},
		Connections: fetch.NewConnections(4, 4), Small: fetch.NewSemaphore(4, 4), Now: time.Now,
		Sleep: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	at, _ := url.Parse(storage.URL)
	first, err := c.First(context.Background(), &ticket.Ticket{URL: at, Host: at.Host, ETag: `"e"`, Size: 22, Got: time.Now(), Life: time.Minute}, 11)
	fmt.Println(string(first), err)
	// Output: name,amount <nil>
}
