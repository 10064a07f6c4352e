package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"usher/backend/api"
	"usher/client"
)

// The server has one folder and one file. A real program passes a
// *session.Session as Tokens.
func ExampleClient_List() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"entries":[{"name":"audited/","kind":"folder"},{"name":"letter.pdf","kind":"object","size":42}]}`)
	}))
	defer server.Close()
	c, err := client.New(client.Config{Server: server.URL, Tokens: constant{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	page, err := c.List(context.Background(), api.ListRequest{Bucket: "company-reports", Prefix: "annual/"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range page.Entries {
		fmt.Println(e.Kind, e.Name, e.Size)
	}
	// Output:
	// folder audited/ 0
	// object letter.pdf 42
}
