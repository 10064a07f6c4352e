package download

import (
	"hash/crc32"

	"github.com/minio/crc64nvme"
)

// crcKind is a reflected CRC whose values can be combined: from the CRCs of
// two neighbouring ranges follows the CRC of both, without their bytes. That
// is how ranges that arrive in any order are verified while they stream.
type crcKind struct {
	name   string // as api.Checksum names it
	bytes  int    // of the value
	poly   uint64 // reflected
	update func(crc uint64, p []byte) uint64
	// powers[i] is x^(2^i) modulo the polynomial; 3+63 squarings reach any
	// length in bytes that an int64 can hold.
	powers [67]uint64
}

// The CRCs that S3 computes over whole objects (S3 user guide, "Checking
// object integrity"). CRC-64/NVME is the NVM Express base specification's,
// polynomial 0xAD93D23594C93659.
var (
	crc64nvmeKind = newCRC("CRC64NVME", 8, 0x9a6c9329ac4bc9b5, crc64nvme.Update)
	crc32cKind    = newCRC("CRC32C", 4, crc32.Castagnoli, crc32Update(crc32.MakeTable(crc32.Castagnoli)))
	crc32Kind     = newCRC("CRC32", 4, crc32.IEEE, crc32Update(crc32.IEEETable))
)

func crc32Update(t *crc32.Table) func(uint64, []byte) uint64 {
	return func(crc uint64, p []byte) uint64 { return uint64(crc32.Update(uint32(crc), t, p)) }
}

func newCRC(name string, bytes int, poly uint64, update func(uint64, []byte) uint64) *crcKind {
	k := &crcKind{name: name, bytes: bytes, poly: poly, update: update}
	k.powers[0] = 1 << (8*bytes - 2) // x^1, most significant bit first
	for i := 1; i < len(k.powers); i++ {
		k.powers[i] = k.multiply(k.powers[i-1], k.powers[i-1])
	}
	return k
}

// crcFor finds the kind by api.Checksum's name; nil: not a CRC.
func crcFor(algorithm string) *crcKind {
	for _, k := range []*crcKind{crc64nvmeKind, crc32cKind, crc32Kind} {
		if k.name == algorithm {
			return k
		}
	}
	return nil
}

// multiply gives a·b modulo the polynomial, all reflected.
func (k *crcKind) multiply(a, b uint64) uint64 {
	var product uint64
	for bit := uint64(1) << (8*k.bytes - 1); bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ k.poly
		} else {
			b >>= 1
		}
	}
	return product
}

// combine gives the CRC of two neighbouring ranges, where second is n bytes
// long: the first one's value is shifted by n zero bytes. Ones before and
// after (init and final xor) cancel out, as in zlib's crc32_combine.
func (k *crcKind) combine(first, second uint64, n int64) uint64 {
	for i := 3; n != 0; i++ { // x^(8n): 8 is 2^3
		if n&1 != 0 {
			first = k.multiply(first, k.powers[i])
		}
		n >>= 1
	}
	return first ^ second
}

// appendSum appends the value as S3 writes it, most significant byte first.
func (k *crcKind) appendSum(to []byte, crc uint64) []byte {
	for shift := 8 * (k.bytes - 1); shift >= 0; shift -= 8 {
		to = append(to, byte(crc>>shift))
	}
	return to
}
