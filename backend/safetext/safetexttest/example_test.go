package safetexttest_test

import (
	"fmt"

	"usher/backend/safetext"
	"usher/backend/safetext/safetexttest"
)

// Each payload must be harmless after escaping.
func ExampleLeaks() {
	leaks := 0
	for _, p := range safetexttest.Payloads() {
		if safetexttest.Leaks(safetext.Line(p.Text)) != nil {
			leaks++
		}
	}
	fmt.Println(leaks)
	// Output: 0
}
