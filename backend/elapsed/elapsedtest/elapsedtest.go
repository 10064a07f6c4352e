// Package elapsedtest makes the times that a thawed process sees. Only tests
// import it.
package elapsedtest

import (
	"time"
	"unsafe"
)

// Thawed returns t, of time.Now, with a wall clock that is seconds later and an
// unchanged monotonic clock: the time after a process was frozen meanwhile.
//
// SPEC: package time, "type Time": with a monotonic reading, bits 30 to 62 of
// the first word are the seconds of the wall clock.
func Thawed(t time.Time, seconds int) time.Time {
	wall := (*uint64)(unsafe.Pointer(&t))
	if *wall>>63 == 0 {
		panic("elapsedtest: a time without a monotonic reading")
	}
	*wall += uint64(seconds) << 30
	return t
}
