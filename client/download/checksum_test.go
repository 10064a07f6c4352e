package download

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"usher/backend/api"
)

// TestCRCVectors holds the combinable CRCs to the check values of the CRC
// catalogue ("123456789").
func TestCRCVectors(t *testing.T) {
	for kind, want := range map[*crcKind]uint64{crc64nvmeKind: 0xae8b14860a799888, crc32cKind: 0xe3069283, crc32Kind: 0xcbf43926} {
		if got := kind.update(0, []byte("123456789")); got != want {
			t.Errorf("%s: %x, not %x", kind.name, got, want)
		}
	}
}

func TestCombine(t *testing.T) {
	data := random(3, 100_000)
	for _, kind := range []*crcKind{crc64nvmeKind, crc32cKind, crc32Kind} {
		for _, at := range []int{0, 1, 7, 4096, 50_001, 99_999, 100_000} {
			a, b := kind.update(0, data[:at]), kind.update(0, data[at:])
			if got := kind.combine(a, b, int64(len(data)-at)); got != kind.update(0, data) {
				t.Errorf("%s at %d: %x", kind.name, at, got)
			}
		}
	}
	// Lengths beyond what can be held: zeros can be appended in two ways.
	if a, b := crc64nvmeKind.combine(5, 0, 3<<40), crc64nvmeKind.combine(crc64nvmeKind.combine(5, 0, 2<<40), 0, 1<<40); a != b {
		t.Errorf("3 TiB at once %x, in two steps %x", a, b)
	}
}

func FuzzCombine(f *testing.F) {
	f.Add([]byte("a"), []byte("b"))
	f.Add([]byte(""), bytes.Repeat([]byte{0}, 300))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, kind := range []*crcKind{crc64nvmeKind, crc32cKind, crc32Kind} {
			if got := kind.combine(kind.update(0, a), kind.update(0, b), int64(len(b))); got != kind.update(0, append(slices.Clone(a), b...)) {
				t.Errorf("%s: %x", kind.name, got)
			}
		}
	})
}

// TestLedger hands out and takes back ranges in random order, with breaks and
// thefts, and wants every byte once and the sum of the whole.
func TestLedger(t *testing.T) {
	data := random(9, 9<<20+123)
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		w := want{}
		if seed%3 == 1 {
			w = want{algorithm: "crc32c", kind: crc32cKind, parts: 2, partSize: 5 << 20}
		}
		l := newLedger(int64(len(data)), w, nil)
		var lanes []*lane
		for !l.complete() {
			if len(lanes) < 8 && rnd.IntN(3) > 0 {
				if x := l.claim(1+rnd.Int64N(2<<20), 0); x != nil {
					lanes = append(lanes, x)
				}
			}
			if len(lanes) == 0 {
				continue
			}
			i := rnd.IntN(len(lanes))
			x := lanes[i]
			n := l.hold(x, rnd.IntN(256<<10))
			crc := l.kind.update(x.crc, data[x.pos:x.pos+int64(n)])
			if end := l.wrote(x, n, crc); end || rnd.IntN(20) == 0 {
				l.leave(x)
				lanes = slices.Delete(lanes, i, i+1)
			}
		}
		for _, p := range l.pieces() {
			if p.crc != l.kind.update(0, data[p.off:p.end]) {
				t.Fatalf("seed %d: the sum of %d-%d is wrong", seed, p.off, p.end)
			}
		}
		if got := l.have(); got != int64(len(data)) {
			t.Fatalf("seed %d: %d bytes of %d", seed, got, len(data))
		}
		if n := len(l.pieces()); w.parts == 0 && n != 1 || w.parts > 0 && n != 2 {
			t.Fatalf("seed %d: %d pieces", seed, n)
		}
	}
}

// TestWant refuses what is malformed and checks nothing that it does not know.
func TestWant(t *testing.T) {
	sum := "rosUhgp5mIg=" // CRC64NVME of 123456789
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
		{"composite without parts", &api.Checksum{Algorithm: "CRC64NVME", Type: "COMPOSITE", Value: sum + "-2"}, nil, 9, "", true},
		{"composite, parts that do not add up", &api.Checksum{Algorithm: "CRC64NVME", Type: "COMPOSITE", Value: sum + "-2"}, &api.Parts{Count: 2, Size: 4}, 9, "", true},
		{"composite of no parts", &api.Checksum{Algorithm: "CRC64NVME", Type: "COMPOSITE", Value: sum + "-0"}, &api.Parts{Count: 0, Size: 4}, 9, "", true},
		{"composite", &api.Checksum{Algorithm: "CRC64NVME", Type: "COMPOSITE", Value: sum + "-2"}, &api.Parts{Count: 2, Size: 5}, 9, "crc64nvme", false},
	} {
		w, err := wantOf(c.sum, c.parts, c.size)
		if (err != nil) != c.bad || err == nil && w.label() != c.label {
			t.Errorf("%s: %q, %v", c.name, w.label(), err)
		}
	}
	w, _ := wantOf(&api.Checksum{Algorithm: "CRC64NVME", Value: sum}, nil, 9)
	if ok, err := w.matchesReader(bytes.NewReader([]byte("123456789")), 9); !ok || err != nil {
		t.Error("the right bytes do not match")
	}
	if ok, _ := w.matchesReader(bytes.NewReader([]byte("123456780")), 9); ok {
		t.Error("wrong bytes match")
	}
}
