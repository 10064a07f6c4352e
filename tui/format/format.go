// Package format writes sizes, times, rates and names the one way usher shows
// them on a terminal, and cuts text to a number of cells.
//
// Sizes are decimal with three digits and fit seven cells; widths are those
// of the terminal (ansi.StringWidth), never bytes or runes. Text that others
// wrote comes in as the String of a safetext.Text: this package cuts, it does
// not escape. Nothing here reads a clock: what is relative takes the instant
// as an argument.
package format

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

// Date writes a day: "2026-03-14". An unknown (zero) time is "".
func Date(t time.Time) string { return layout(t, "2006-01-02") }

// DateTime writes a minute: "2026-03-14 09:12", in the zone of t.
func DateTime(t time.Time) string { return layout(t, "2006-01-02 15:04") }

// Clock writes the time of day to the second: "09:12:04", in the zone of t.
func Clock(t time.Time) string { return layout(t, "15:04:05") }

// Instant writes a time to the millisecond in UTC: "2026-11-23 14:02:41.118".
func Instant(t time.Time) string { return layout(t.UTC(), "2006-01-02 15:04:05.000") }

// Zone writes the zone of t at t: "UTC", "UTC+01:00".
func Zone(t time.Time) string {
	_, off := t.Zone()
	if off == 0 {
		return "UTC"
	}
	return "UTC" + t.Format("-07:00")
}

func layout(t time.Time, l string) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(l)
}

// Ago writes how long before now t was, in one unit: "8 mo ago", "3 min ago".
// A time after now is "in the future".
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := now.Sub(t)
	day := 24 * time.Hour
	switch {
	case d < -time.Minute:
		return "in the future"
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < day:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	case d < 60*day:
		return Plural(int(d/day), "day", "days") + " ago"
	case d < 730*day:
		return fmt.Sprintf("%d mo ago", int(d.Hours()/24/30.44))
	}
	return fmt.Sprintf("%d y ago", int(d.Hours()/24/365.25))
}
