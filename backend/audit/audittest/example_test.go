package audittest_test

import (
	"fmt"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
)

// Check returns the requirements of audit.Store that a store violates.
func ExampleCheck() {
	violated := audittest.Check(func() audit.Store { return audittest.NewMemory() })
	fmt.Println(len(violated))
	// Output: 0
}
