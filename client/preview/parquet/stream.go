package parquet

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Codecs of a column chunk.
const (
	codecNone   = 0
	codecSnappy = 1
	codecGzip   = 2
	codecZstd   = 6
	codecLZ4Raw = 7
)

// stream is the beginning of the unpacked data of a page. Its end is Error.
type stream struct {
	r    io.Reader
	in   *input
	left int // bytes until the limit or the end
	one  [1]byte
}

// input notes the error of the io.ReaderAt, which decompressors may hide.
type input struct {
	r   io.Reader
	err error
}

func (in *input) Read(p []byte) (int, error) {
	n, err := in.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		in.err = err
	}
	return n, err
}

// newStream unpacks size bytes at most from a section of the file. The second result
// releases the decoder.
func newStream(r io.Reader, codec, size int) (*stream, func(), error) {
	in := &input{r: r}
	buffered := bufio.NewReaderSize(in, 4<<10)
	s := &stream{in: in, left: size}
	end := func() {}
	switch codec {
	case codecNone:
		s.r = buffered
	case codecSnappy:
		s.r = &lzReader{in: buffered, most: size, next: snappyElement, start: snappyStart}
	case codecLZ4Raw:
		s.r = &lzReader{in: buffered, most: size, next: lz4Sequence}
	case codecGzip:
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, end, s.failure(err)
		}
		s.r = bufio.NewReaderSize(z, 1<<10)
	case codecZstd:
		z, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderMaxMemory(8<<20))
		if err != nil {
			return nil, end, s.failure(err)
		}
		s.r, end = bufio.NewReaderSize(z, 1<<10), z.Close
	default:
		return nil, end, Error("its compression is not known")
	}
	return s, end, nil
}

func (s *stream) failure(err error) error {
	switch {
	case s.in.err != nil:
		return s.in.err
	case err == nil:
		return nil
	}
	return Error("a page is damaged")
}

// full reads len(p) bytes.
func (s *stream) full(p []byte) error {
	if len(p) > s.left {
		s.left = 0
		return Error("a page ends too early")
	}
	s.left -= len(p)
	_, err := io.ReadFull(s.r, p)
	return s.failure(err)
}

// ReadByte implements io.ByteReader.
func (s *stream) ReadByte() (byte, error) {
	err := s.full(s.one[:])
	return s.one[0], err
}

// take reads n bytes. n is a number of the file.
func (s *stream) take(n int64) ([]byte, error) {
	if n < 0 || n > int64(s.left) {
		return nil, Error("a page ends too early")
	}
	p := make([]byte, n)
	return p, s.full(p)
}

// lzReader decodes the beginning of a block of copies and literals.
type lzReader struct {
	in    *bufio.Reader
	out   []byte
	at    int
	most  int
	start func(*bufio.Reader) error
	next  func(z *lzReader) error
}

var errLZ = Error("a page is damaged")

func (z *lzReader) Read(p []byte) (int, error) {
	if z.start != nil {
		if err := z.start(z.in); err != nil {
			return 0, err
		}
		z.start = nil
	}
	for z.at == len(z.out) {
		if len(z.out) >= z.most {
			return 0, io.EOF
		}
		if err := z.next(z); err != nil && z.at == len(z.out) {
			return 0, err
		}
	}
	n := copy(p, z.out[z.at:])
	z.at += n
	return n, nil
}

// literal copies n bytes of the input, at most to the limit.
func (z *lzReader) literal(n int) error {
	n = min(n, z.most-len(z.out))
	from := len(z.out)
	z.out = append(z.out, make([]byte, n)...)
	m, err := io.ReadFull(z.in, z.out[from:])
	z.out = z.out[:from+m]
	if m > 0 && errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// copy repeats n bytes from back bytes before the end, at most to the limit.
func (z *lzReader) copy(back, n int) error {
	if back < 1 || back > len(z.out) {
		return errLZ
	}
	for n = min(n, z.most-len(z.out)); n > 0; n-- {
		z.out = append(z.out, z.out[len(z.out)-back])
	}
	return nil
}

// little reads n bytes as a number, the lowest byte first.
func (z *lzReader) little(n int) (int, error) {
	v := 0
	for i := range n {
		b, err := z.in.ReadByte()
		if err != nil {
			return 0, errLZ
		}
		v |= int(b) << (8 * i)
	}
	return v, nil
}

// snappyStart skips the length of the unpacked data.
// SPEC: github.com/google/snappy/blob/main/format_description.txt
func snappyStart(r *bufio.Reader) error {
	for range 5 {
		b, err := r.ReadByte()
		if err != nil || b < 0x80 {
			return err
		}
	}
	return errLZ
}

// snappyElement decodes one element.
func snappyElement(z *lzReader) error {
	tag, err := z.in.ReadByte()
	if err != nil {
		return err
	}
	n := int(tag >> 2)
	switch tag & 3 {
	case 0:
		if n >= 60 {
			if n, err = z.little(n - 59); err != nil {
				return err
			}
		}
		return z.literal(n + 1)
	case 1:
		low, err := z.little(1)
		if err != nil {
			return err
		}
		return z.copy(int(tag>>5)<<8|low, 4+int(tag>>2&7))
	case 2:
		back, err := z.little(2)
		if err != nil {
			return err
		}
		return z.copy(back, n+1)
	}
	back, err := z.little(4)
	if err != nil {
		return err
	}
	return z.copy(back, n+1)
}

// lz4Sequence decodes one sequence.
// SPEC: github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
func lz4Sequence(z *lzReader) error {
	token, err := z.in.ReadByte()
	if err != nil {
		return err
	}
	n, err := z.length(int(token >> 4))
	if err != nil {
		return err
	}
	if n > 0 {
		if err := z.literal(n); err != nil {
			return err
		}
	}
	if _, err := z.in.Peek(1); err != nil || len(z.out) >= z.most {
		return err // the last sequence has literals only
	}
	back, err := z.little(2)
	if err != nil {
		return err
	}
	n, err = z.length(int(token & 15))
	if err != nil {
		return err
	}
	return z.copy(back, n+4)
}

// length reads the rest of a length.
func (z *lzReader) length(n int) (int, error) {
	if n < 15 {
		return n, nil
	}
	for n < 1<<30 {
		b, err := z.in.ReadByte()
		if err != nil {
			return 0, errLZ
		}
		if n += int(b); b < 255 {
			return n, nil
		}
	}
	return 0, errLZ
}
