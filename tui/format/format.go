// Package format writes times and names the one way usher shows them on a
// terminal, and cuts text to a number of cells; numbers are package quantity's.
//
// Widths are those of the terminal (ansi.StringWidth), never bytes or runes. Text that others
// wrote comes in as the String of a safetext.Text: this package cuts, it does
// not escape. Nothing here reads a clock: a relative time takes the instant
// as an argument.
package format

import (
	"fmt"
	"time"

	"usher/client/quantity"
)

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
		return quantity.Plural(int(d/day), "day", "days") + " ago"
	case d < 730*day:
		return fmt.Sprintf("%d mo ago", int(d.Hours()/24/30.44))
	}
	return fmt.Sprintf("%d y ago", int(d.Hours()/24/365.25))
}
