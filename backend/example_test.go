package backend_test

import (
	"fmt"

	"usher/backend"
)

// A backend with a missing part does not start.
func ExampleNew() {
	_, err := backend.New(backend.Config{})
	fmt.Println(err)
	// Output: backend: the public configuration is missing
}
