package fetch

import (
	"sync"
)

// buffers lends read buffers: big ones, a bounded number, and small ones for
// the many objects that need no more.
type buffers struct{ big, little sync.Pool }

const LittleBuffer = 32 << 10 // bytes

func (b *buffers) get(size int64) *[]byte {
	pool, n := &b.big, BufferSize
	if size >= 0 && size < LittleBuffer { // one byte over, so that the end shows with the last read
		pool, n = &b.little, LittleBuffer
	}
	if p, ok := pool.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, n)
	return &p
}

func (b *buffers) put(p *[]byte) {
	if len(*p) == BufferSize {
		b.big.Put(p)
	} else {
		b.little.Put(p)
	}
}
