package seed_test

import (
	"fmt"
	"os"
	"time"

	"usher/backend/sandbox/s3"
	"usher/backend/sandbox/seed"
)

// Load fills a server without buckets. Reads compute the bytes of its objects.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "seed")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	srv, err := s3.New(s3.Config{Region: "us-east-1", Keys: new(s3.Keyring), Now: time.Now, Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(seed.Load(srv))
	fmt.Println(srv.CreateBucket(seed.Datasets, time.Now()) != nil) // the bucket exists
	// Output:
	// <nil>
	// true
}
