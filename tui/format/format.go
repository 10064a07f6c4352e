// Package format formats times, and fits text into a number of terminal cells.
// Package quantity formats numbers.
//
// Widths are terminal cells (cells.Width), never bytes or runes. Functions do
// not escape: untrusted text is passed as the String of a safetext.Text. No
// function reads a clock: a relative time has the present as an argument.
package format

import (
	"fmt"
	"time"

	"usher/client/quantity"
)

// Date formats a day: "2026-03-14". An unknown (zero) time is "".
func Date(t time.Time) string { return layout(t, "2006-01-02") }

// DateTime formats a minute: "2026-03-14 09:12", in the zone of t.
func DateTime(t time.Time) string { return layout(t, "2006-01-02 15:04") }

// Clock formats the time of day in seconds: "09:12:04", in the zone of t.
func Clock(t time.Time) string { return layout(t, "15:04:05") }

// Day writes a day for a sentence: "2 March 2026".
func Day(t time.Time) string { return layout(t, "2 January 2006") }

// Instant formats a time in milliseconds, in UTC: "2026-11-23 14:02:41.118".
func Instant(t time.Time) string { return layout(t.UTC(), "2006-01-02 15:04:05.000") }

// Zone formats the UTC offset of t: "UTC", "UTC+01:00".
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

// Ago formats the time since t in one unit: "8 mo ago", "3 min ago". A time more
// than a minute after now is "in the future".
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
