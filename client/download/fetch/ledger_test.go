package fetch

import (
	"encoding/base64"
	"math/rand/v2"
	"slices"
	"testing"

	"usher/backend/api"
	"usher/client/download/verify"
)

// composite returns the check of an object in two parts of 5 MiB, with a CRC32C.
func composite(t *testing.T, data []byte) verify.Check {
	t.Helper()
	sum := base64.StdEncoding.EncodeToString(make([]byte, 4))
	w, err := verify.Expect(&api.Checksum{Algorithm: "CRC32C", Type: "COMPOSITE", Value: sum + "-2"},
		&api.Parts{Count: 2, Size: 5 << 20}, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestLedger claims, releases and splits ranges in random order. Every byte must
// be counted once, and the checksum must be that of the whole object.
func TestLedger(t *testing.T) {
	data := make([]byte, 9<<20+123)
	source := rand.New(rand.NewPCG(9, 9))
	for i := range data {
		data[i] = byte(source.Uint32())
	}
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		w, border := verify.Check{}, false
		if seed%3 == 1 {
			w, border = composite(t, data), true
		}
		l := newLedger(int64(len(data)), w, nil)
		var segments []*segment
		for !l.complete() {
			if len(segments) < 8 && rnd.IntN(3) > 0 {
				if x := l.claim(1+rnd.Int64N(2<<20), 0); x != nil {
					segments = append(segments, x)
				}
			}
			if len(segments) == 0 {
				continue
			}
			i := rnd.IntN(len(segments))
			x := segments[i]
			n := min(rnd.Int64N(256<<10), int64(len(data))-x.pos)
			if _, end, err := l.write(discard{}, x, data[x.pos:x.pos+n]); err != nil || end || rnd.IntN(20) == 0 {
				l.leave(x)
				segments = slices.Delete(segments, i, i+1)
			}
		}
		for _, p := range l.pieces() {
			if p.CRC != l.kind.Update(0, data[p.Off:p.End]) {
				t.Fatalf("seed %d: the sum of %d-%d is wrong", seed, p.Off, p.End)
			}
		}
		if got := l.have(); got != int64(len(data)) {
			t.Fatalf("seed %d: %d bytes of %d", seed, got, len(data))
		}
		if n := len(l.pieces()); !border && n != 1 || border && n != 2 {
			t.Fatalf("seed %d: %d pieces", seed, n)
		}
	}
}

// discard is an io.WriterAt that drops the bytes.
type discard struct{}

func (discard) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }
