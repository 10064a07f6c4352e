// Package quantity writes sizes, counts, shares and times that remain, alike in
// commands, in the browser and in what the engine says of a transfer.
//
// Sizes are decimal with three digits and fit seven cells. Where something
// stands on a screen is left to others.
package quantity

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SizeWidth is the cells that Size needs at most.
const SizeWidth = 7

// Size writes a number of bytes: "98 B", "812 kB", "4.21 MB", "1.02 GB".
func Size(n int64) string {
	if n < 0 {
		return "?"
	}
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v, unit := float64(n), 0
	units := [...]string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	// 999.5 of one unit would be written with four digits: it is 1.00 of the next.
	for v >= 999.5 && unit < len(units)-1 {
		v /= 1000
		unit++
	}
	switch {
	case v < 9.995:
		return fmt.Sprintf("%.2f %s", v, units[unit])
	case v < 99.95:
		return fmt.Sprintf("%.1f %s", v, units[unit])
	}
	return fmt.Sprintf("%.0f %s", v, units[unit])
}

// Count writes a number with commas: "1,284,112".
func Count[N int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if neg {
		return "-" + s
	}
	return s
}

// Plural writes "1 file", "3 files", "1,284 files".
func Plural[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// Rate writes bytes a second: "24.1 MB/s".
func Rate(bytesPerSecond float64) string { return Size(int64(bytesPerSecond)) + "/s" }

// Percent writes a share without decimals. It says 100 only when all is there.
func Percent(done, total int64) string { return strconv.Itoa(PercentOf(done, total)) + "%" }

// PercentOf is the share in whole percent, rounded down, 0..100. Nothing of
// nothing is 100.
func PercentOf(done, total int64) int {
	if total <= 0 || done >= total {
		return 100
	}
	return int(float64(max(done, 0)) / float64(total) * 100)
}

// Share is done of total as 0..1; nothing of nothing is 1.
func Share(done, total int64) float64 {
	if total <= 0 {
		return 1
	}
	return float64(done) / float64(total)
}

// Remaining writes the time that remains, rounded up: "14 s", "1 min 10 s",
// "2 h 05 min". Zero or less is "", and so is more than anybody plans for.
func Remaining(d time.Duration) string { return remaining(d, "%d s", "%d min %d s", "%d h %02d min") }

// Short is Remaining where cells are few: "14 s", "1m 10s", "2h 05m".
func Short(d time.Duration) string { return remaining(d, "%d s", "%dm %ds", "%dh %02dm") }

const unplanned = 100 * 24 * time.Hour

func remaining(d time.Duration, seconds, minutes, hours string) string {
	if d <= 0 || d > unplanned {
		return ""
	}
	s := int64((d + time.Second - 1) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf(seconds, s)
	case s < 3600:
		return fmt.Sprintf(minutes, s/60, s%60)
	case s < 100*3600:
		return fmt.Sprintf(hours, s/3600, s%3600/60)
	}
	return fmt.Sprintf("%d days", (s+86399)/86400)
}
