package verify

import (
	"hash/crc32"

	"github.com/minio/crc64nvme"
)

// CRC is a reflected CRC with combinable values: the CRCs of two adjacent ranges
// give the CRC of both, without their bytes. So ranges that arrive in any order
// are verified while they stream.
type CRC struct {
	name   string // as in api.Checksum
	bytes  int    // length of a value
	poly   uint64 // reflected
	update func(crc uint64, p []byte) uint64
	// powers[i] is x^(2^i) modulo the polynomial; 3+63 squarings reach any
	// length in bytes that an int64 can hold.
	powers [67]uint64
}

// The CRCs that S3 computes over whole objects (S3 user guide, "Checking object
// integrity"). CRC-64/NVME is defined in the NVM Express base specification,
// polynomial 0xAD93D23594C93659.
var (
	crc64NVMe = newCRC("CRC64NVME", 8, 0x9a6c9329ac4bc9b5, crc64nvme.Update)
	crc32c    = newCRC("CRC32C", 4, crc32.Castagnoli, crc32Update(crc32.MakeTable(crc32.Castagnoli)))
	crc32IEEE = newCRC("CRC32", 4, crc32.IEEE, crc32Update(crc32.IEEETable))
)

func crc32Update(t *crc32.Table) func(uint64, []byte) uint64 {
	return func(crc uint64, p []byte) uint64 { return uint64(crc32.Update(uint32(crc), t, p)) }
}

func newCRC(name string, bytes int, poly uint64, update func(uint64, []byte) uint64) *CRC {
	k := &CRC{name: name, bytes: bytes, poly: poly, update: update}
	k.powers[0] = 1 << (8*bytes - 2) // x^1, most significant bit first
	for i := 1; i < len(k.powers); i++ {
		k.powers[i] = k.multiply(k.powers[i-1], k.powers[i-1])
	}
	return k
}

// CRCFor returns the CRC of an algorithm's name in api.Checksum, or nil if the
// algorithm is not a CRC.
func CRCFor(algorithm string) *CRC {
	for _, k := range []*CRC{crc64NVMe, crc32c, crc32IEEE} {
		if k.name == algorithm {
			return k
		}
	}
	return nil
}

// Name returns the algorithm's name, as in api.Checksum.
func (k *CRC) Name() string { return k.name }

// Update returns the CRC of the bytes before p followed by p. The CRC of no bytes
// is 0.
func (k *CRC) Update(crc uint64, p []byte) uint64 { return k.update(crc, p) }

// multiply returns a·b modulo the polynomial, all reflected.
func (k *CRC) multiply(a, b uint64) uint64 {
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

// Combine returns the CRC of two adjacent ranges. The second range is n bytes
// long: the value of the first is shifted by n zero bytes. The initial and the
// final xor cancel out, as in crc32_combine of zlib.
func (k *CRC) Combine(first, second uint64, n int64) uint64 {
	for i := 3; n != 0; i++ { // x^(8n): 8 is 2^3
		if n&1 != 0 {
			first = k.multiply(first, k.powers[i])
		}
		n >>= 1
	}
	return first ^ second
}

// appendSum appends the value in the byte order of S3, most significant first.
func (k *CRC) appendSum(to []byte, crc uint64) []byte {
	for shift := 8 * (k.bytes - 1); shift >= 0; shift -= 8 {
		to = append(to, byte(crc>>shift))
	}
	return to
}
