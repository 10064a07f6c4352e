// Package elapsed measures the age of a result. The monotonic clock stops while
// a machine sleeps or a process is frozen, as AWS Lambda does between two
// requests, and the wall clock can be set back. The longer of the two is the
// age: a result never looks fresher than it is.
//
// The package leaves the limit of an age to its callers.
package elapsed

import "time"

const unknown = 1 << 62

// Since returns the time from then to now by the wall clock or by the monotonic
// clock, whichever is longer. For a zero then it returns over a century. It is
// negative only if both clocks are.
func Since(now, then time.Time) time.Duration {
	if then.IsZero() {
		return unknown
	}
	return max(now.Sub(then), now.Round(0).Sub(then.Round(0)))
}
