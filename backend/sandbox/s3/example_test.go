package s3_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"usher/backend/sandbox/s3"
)

// content is an object's bytes from code.
type content struct{ *strings.Reader }

// A server is an http.Handler without buckets. It refuses unsigned requests.
func Example() {
	dir, err := os.MkdirTemp("", "s3")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	keys := new(s3.Keyring)
	keys.Put("AKIAEXAMPLE", s3.Credential{Secret: "secret"})
	srv, err := s3.New(s3.Config{Region: "eu-central-1", Keys: keys, Now: time.Now, Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(srv.CreateBucket("reports", time.Now()))
	fmt.Println(srv.PutContent("reports", "q3.csv", s3.Object{Content: content{strings.NewReader("a,b\n")}}))

	server := httptest.NewServer(srv)
	defer server.Close()
	resp, err := http.Get(server.URL + "/reports/q3.csv")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.StatusCode, resp.Body.Close())
	// Output:
	// <nil>
	// <nil>
	// 403 <nil>
}
