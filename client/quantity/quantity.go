// Package quantity formats sizes, counts, shares and remaining times for
// commands, browser and download engine.
//
// Sizes are decimal with three digits and fit seven cells. The package leaves
// layout to its callers.
package quantity

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SizeWidth is the largest width of Size, in cells.
const SizeWidth = 7

// Size formats a number of bytes: "98 B", "812 kB", "4.21 MB", "1.02 GB".
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

// Count formats a number with commas: "1,284,112".
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

// Plural formats a counted noun: "1 file", "3 files", "1,284 files".
func Plural[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// Rate formats bytes per second: "24.1 MB/s".
func Rate(bytesPerSecond float64) string { return Size(int64(bytesPerSecond)) + "/s" }

// Percent formats a share without decimals. The result is 100 only at the end.
func Percent(done, total int64) string { return strconv.Itoa(PercentOf(done, total)) + "%" }

// PercentOf returns the share in whole percent, rounded down, 0..100. It is 100
// if total is zero.
func PercentOf(done, total int64) int {
	if total <= 0 || done >= total {
		return 100
	}
	return int(float64(max(done, 0)) / float64(total) * 100)
}

// Share returns done/total as 0..1; it is 1 if total is zero.
func Share(done, total int64) float64 {
	if total <= 0 {
		return 1
	}
	return float64(done) / float64(total)
}

// Remaining formats a remaining time, rounded up: "14 s", "1 min 10 s",
// "2 h 05 min". The result is empty for zero or less and above 100 days.
func Remaining(d time.Duration) string { return remaining(d, "%d s", "%d min %d s", "%d h %02d min") }

// Short is a narrower form of Remaining: "14 s", "1m 10s", "2h 05m".
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
