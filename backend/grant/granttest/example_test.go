package granttest_test

import (
	"fmt"

	"usher/backend/grant/granttest"
)

// Check returns the requirements that a store violates.
func ExampleCheck() {
	violated := granttest.Check(func() (granttest.Fixture, error) {
		return (&memory{}).fixture(), nil
	})
	fmt.Println(len(violated))
	// Output: 0
}
