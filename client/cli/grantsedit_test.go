package cli

import (
	"testing"
	"time"
)

func TestInstant(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 500, time.UTC)
	for text, want := range map[string]string{
		"2h": "2026-11-28T14:00:00Z", "7d": "2026-12-05T12:00:00Z", "90m": "2026-11-28T13:30:00Z", "2026-12-31": "2026-12-31T00:00:00Z",
		"2026-12-31T12:00:00+01:00": "2026-12-31T11:00:00Z",
		"":                          "", "-2h": "", "0s": "", "tomorrow": "", "2026-13-01": "", "2026-12-31 12:00": "", "0d": "", "-1d": "", "d": "", "999999999d": "",
	} {
		got, err := instant(text, now)
		if want == "" {
			if err == nil {
				t.Errorf("%q is %s", text, got)
			}
			continue
		}
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
}
