package h1_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"

	"usher/client/download/h1"
)

// A transport keeps a connection for the next request after its body was read.
func ExampleTransport() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "object ", r.URL.Path)
	}))
	defer server.Close()
	transport := h1.New(h1.Config{Dial: (&net.Dialer{}).DialContext, MaxIdle: 4})
	defer transport.Close()
	client := http.Client{Transport: transport}
	for _, key := range []string{"/a", "/b"} {
		resp, err := client.Get(server.URL + key)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, err := io.ReadAll(resp.Body)
		fmt.Println(string(body), err)
		resp.Body.Close()
	}
	fmt.Println(transport.Idle(server.URL), "idle connection")
	// Output:
	// object /a <nil>
	// object /b <nil>
	// 1 idle connection
}
