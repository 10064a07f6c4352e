package cli

import (
	"testing"
	"time"
)

// A job without a terminal has a line a minute. --stats, --progress and --quiet
// change that.
func TestTimeBetweenLines(t *testing.T) {
	type c struct {
		stats, progress string
		tty, json       bool
		quiet, lines    bool
	}
	for in, want := range map[c]time.Duration{
		{}:                                   time.Minute,
		{stats: "5m"}:                        5 * time.Minute,
		{stats: "0"}:                         0,
		{tty: true}:                          0, // the bar is drawn instead
		{tty: true, lines: true}:             10 * time.Second,
		{tty: true, lines: true, stats: "0"}: 0,
		{json: true}:                         0,
		{quiet: true}:                        0,
		{stats: "1s", quiet: true}:           0,
		{progress: "off"}:                    0,
		{progress: "json"}:                   time.Second,
		{progress: "json", stats: "30s"}:     30 * time.Second,
		{progress: "json", stats: "0"}:       0,
		{progress: "auto"}:                   time.Minute,
		{progress: "json", tty: true}:        time.Second,
		{progress: "json", json: true}:       time.Second,
		{progress: "json", quiet: true}:      time.Second,
	} {
		r, _, _ := reportTo(in.tty, in.json)
		r.quiet, r.lines = in.quiet, in.lines
		for _, err := range []error{setUnlessEmpty(&r.stats, in.stats), setUnlessEmpty(&r.stats.form, in.progress)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if have := r.interval(); have != want {
			t.Errorf("%+v: %v, want %v", in, have, want)
		}
	}
}

func setUnlessEmpty(flag interface{ Set(string) error }, text string) error {
	if text == "" {
		return nil
	}
	return flag.Set(text)
}
