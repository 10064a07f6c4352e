package shape

import "testing"

func TestBytes(t *testing.T) {
	for text, want := range map[string]float64{
		"0": 0, "7": 7, "7B": 7, "800k": 800e3, "10M": 10e6, "10m": 10e6, "1.5G": 1.5e9, "2MiB": 2 << 20, "2mib": 2 << 20, "1TB": 1e12, "3Ki": 3 << 10, "0.5k": 500, "1e3": 1000,
	} {
		if got, ok := Bytes(text); !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "B", "k", "-1", "1 M", "1,5k", "1.2.3", "1x", "1Bi", "0x10", "NaN", "Inf", "1kk", "1BB"} {
		if got, ok := Bytes(text); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
}
