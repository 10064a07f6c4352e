package quantity_test

import (
	"testing"
	"time"

	"usher/client/quantity"
)

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 98: "98 B", 999: "999 B", 1000: "1.00 kB", 9994: "9.99 kB", 9995: "10.0 kB", 99_949: "99.9 kB", 99_950: "100 kB",
		812_000: "812 kB", 999_499: "999 kB", 999_500: "1.00 MB", 4_213_904: "4.21 MB", 1_020_000_000: "1.02 GB", 2 << 40: "2.20 TB", 1 << 62: "4.61 EB", 1<<63 - 1: "9.22 EB", -1: "?",
	} {
		got := quantity.Size(n)
		if got != want || len(got) > quantity.SizeWidth {
			t.Errorf("Size(%d) = %q, want %q in %d cells", n, got, want, quantity.SizeWidth)
		}
	}
}

func TestRemaining(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "", time.Millisecond: "1 s", 13*time.Second + 1: "14 s", 70 * time.Second: "1 min 10 s", 2*time.Hour + 5*time.Minute: "2 h 05 min", 240 * time.Hour: "10 days",
	} {
		if got := quantity.Remaining(d); got != want {
			t.Errorf("Remaining(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestShortTimes(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "", 40 * time.Second: "40 s", 70 * time.Second: "1m 10s", 125 * time.Minute: "2h 05m", 240 * time.Hour: "10 days", 1e9 * time.Second: "",
	} {
		if got := quantity.Short(d); got != want {
			t.Errorf("Short(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestPercentSaysAllOnlyOfAll(t *testing.T) {
	if got := quantity.Percent(999_999_999, 1_000_000_000); got != "99%" {
		t.Errorf("nearly all is %s", got)
	}
	if got := quantity.Percent(5, 5); got != "100%" {
		t.Errorf("all is %s", got)
	}
}

func TestCounts(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{quantity.Count(1_284_112), "1,284,112"}, {quantity.Count(999), "999"}, {quantity.Count(-1234), "-1,234"},
		{quantity.Plural(1, "file", "files"), "1 file"}, {quantity.Plural(1284, "file", "files"), "1,284 files"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
