package verify

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"usher/backend/api"
)

// TestCRCVectors compares the CRCs with the check values of the CRC catalog
// ("123456789").
func TestCRCVectors(t *testing.T) {
	for kind, want := range map[*CRC]uint64{crc64NVMe: 0xae8b14860a799888, crc32c: 0xe3069283, crc32IEEE: 0xcbf43926} {
		if got := kind.update(0, []byte("123456789")); got != want {
			t.Errorf("%s: %x, want %x", kind.name, got, want)
		}
	}
}

func random(n int) []byte {
	rnd, out := rand.NewChaCha8([32]byte{3}), make([]byte, n)
	rnd.Read(out)
	return out
}

// TestCombine checks that the combined CRC of two halves is that of the whole.
func TestCombine(t *testing.T) {
	data := random(100_000)
	for _, kind := range []*CRC{crc64NVMe, crc32c, crc32IEEE} {
		for _, at := range []int{0, 1, 7, 4096, 50_001, 99_999, 100_000} {
			a, b := kind.update(0, data[:at]), kind.update(0, data[at:])
			if got := kind.Combine(a, b, int64(len(data)-at)); got != kind.update(0, data) {
				t.Errorf("%s at %d: %x", kind.name, at, got)
			}
		}
	}
	// Lengths beyond memory: zeros are appended in one step and in two.
	if a, b := crc64NVMe.Combine(5, 0, 3<<40), crc64NVMe.Combine(crc64NVMe.Combine(5, 0, 2<<40), 0, 1<<40); a != b {
		t.Errorf("3 TiB in one step %x, in two steps %x", a, b)
	}
}

// FuzzCombine is TestCombine for any two byte strings.
func FuzzCombine(f *testing.F) {
	f.Add([]byte("a"), []byte("b"))
	f.Add([]byte(""), bytes.Repeat([]byte{0}, 300))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, kind := range []*CRC{crc64NVMe, crc32c, crc32IEEE} {
			if got := kind.Combine(kind.update(0, a), kind.update(0, b), int64(len(b))); got != kind.update(0, append(slices.Clone(a), b...)) {
				t.Errorf("%s: %x", kind.name, got)
			}
		}
	})
}

// TestExpect checks that a malformed checksum is an error, and that an unknown
// algorithm checks no bytes.
func TestExpect(t *testing.T) {
	sum := "rosUhgp5mIg=" // CRC64NVME of 123456789
	composite := func(parts string) *api.Checksum {
		return &api.Checksum{Algorithm: "CRC64NVME", Type: "COMPOSITE", Value: sum + "-" + parts}
	}
	for _, c := range []struct {
		name  string
		sum   *api.Checksum
		parts *api.Parts
		size  int64
		label string
		bad   bool
	}{
		{"none", nil, nil, 9, "size", false},
		{"full", &api.Checksum{Algorithm: "CRC64NVME", Type: "FULL_OBJECT", Value: sum}, nil, 9, "crc64nvme", false},
		{"unknown algorithm", &api.Checksum{Algorithm: "XXHASH", Value: "AAAA"}, nil, 9, "size", false},
		{"not base64", &api.Checksum{Algorithm: "CRC32", Value: "!!!!"}, nil, 9, "", true},
		{"too short", &api.Checksum{Algorithm: "SHA256", Value: sum}, nil, 9, "", true},
		{"composite without parts", composite("2"), nil, 9, "", true},
		{"composite with a wrong sum of part sizes", composite("2"), &api.Parts{Count: 2, Size: 4}, 9, "", true},
		{"composite with zero parts", composite("0"), &api.Parts{Count: 0, Size: 4}, 9, "", true},
		{"composite", composite("2"), &api.Parts{Count: 2, Size: 5}, 9, "crc64nvme", false},
	} {
		w, err := Expect(c.sum, c.parts, c.size)
		if (err != nil) != c.bad || err == nil && w.Label() != c.label {
			t.Errorf("%s: %q, %v", c.name, w.Label(), err)
		}
	}
	w, _ := Expect(&api.Checksum{Algorithm: "CRC64NVME", Value: sum}, nil, 9)
	if ok, err := w.MatchesReader(bytes.NewReader([]byte("123456789")), 9); !ok || err != nil {
		t.Error("correct bytes do not match")
	}
	if ok, _ := w.MatchesReader(bytes.NewReader([]byte("123456780")), 9); ok {
		t.Error("wrong bytes match")
	}
}

// The checksum of ranges that arrive in any order needs no second read.
func ExampleCheck_MatchesRanges() {
	check, err := Expect(&api.Checksum{Algorithm: "CRC64NVME", Value: "rosUhgp5mIg="}, nil, 9)
	if err != nil {
		panic(err)
	}
	crc := check.CRC()
	second := Range{4, 9, crc.Update(0, []byte("56789"))}
	first := Range{0, 4, crc.Update(0, []byte("1234"))}
	fmt.Println(check.Label(), check.MatchesRanges([]Range{first, second}))
	// Output: crc64nvme true
}
