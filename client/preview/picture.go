package preview

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"

	"usher/client/quantity"
)

// Picture is a picture, reduced to at most 480 points a side.
type Picture struct {
	Width, Height int // of the file
	Image         *image.RGBA
}

// Name implements View.
func (*Picture) Name() string { return "picture" }

// codec decodes one format.
type codec struct {
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
	bytes  func(c image.Config, data []byte) int64 // memory of the decoder for a point, times 16
}

func pngPicture() codec  { return codec{png.DecodeConfig, png.Decode, pngBytes} }
func jpegPicture() codec { return codec{jpeg.DecodeConfig, jpeg.Decode, jpegBytes} }
func gifPicture() codec {
	return codec{gif.DecodeConfig, gif.Decode, func(image.Config, []byte) int64 { return 2 * 16 }}
}
func bmpPicture() codec {
	return codec{bmp.DecodeConfig, bmp.Decode, func(image.Config, []byte) int64 { return 4 * 16 }}
}
func webpPicture() codec {
	return codec{webp.DecodeConfig, webp.Decode, func(image.Config, []byte) int64 { return 8 * 16 }}
}

// pngBytes is 8 bytes for colors of 16 bits, and twice as much for an interlaced file.
func pngBytes(c image.Config, data []byte) int64 {
	n := int64(4)
	switch c.ColorModel {
	case color.GrayModel:
		n = 1
	case color.Gray16Model:
		n = 2
	case color.RGBA64Model, color.NRGBA64Model:
		n = 8
	default:
		if _, ok := c.ColorModel.(color.Palette); ok {
			n = 1
		}
	}
	if len(data) > 28 && data[28] != 0 { // SPEC: W3C PNG 11.2.1, interlace method
		n *= 2
	}
	return n * 16
}

// jpegBytes is one byte for each sample. A progressive file has four more for its
// coefficients.
func jpegBytes(_ image.Config, data []byte) int64 {
	samples, progressive := jpegFrame(data)
	if progressive {
		samples *= 5
	}
	return samples
}

// jpegFrame returns the samples for 16 points, and whether the frame is progressive.
// SPEC: ITU T.81 B.2.2.
func jpegFrame(data []byte) (samples int64, progressive bool) {
	for i := 2; i+9 < len(data) && data[i] == 0xff; {
		marker, size := data[i+1], int(data[i+2])<<8|int(data[i+3])
		if marker >= 0xc0 && marker <= 0xc2 {
			n := int(data[i+9])
			widest, sum := int64(1), int64(0)
			for c := range n {
				at := i + 10 + 3*c + 1
				if at >= len(data) {
					break
				}
				area := int64(data[at]>>4) * int64(data[at]&15)
				widest, sum = max(widest, area), sum+area
			}
			return max(16, 16*sum/widest), marker == 0xc2
		}
		i += 2 + size
	}
	return 4 * 16, true
}

// showPicture returns the function that shows a picture. It reads the whole file.
func showPicture(with func() codec) func(context.Context, *Doc, input) error {
	return func(ctx context.Context, d *Doc, in input) error {
		c := with()
		config, err := c.config(bytes.NewReader(in.data))
		if err != nil {
			return err
		}
		points := int64(config.Width) * int64(config.Height)
		if config.Width < 1 || config.Height < 1 {
			return damaged("it has no pixels")
		}
		d.note("%s x %s pixels.", quantity.Count(config.Width), quantity.Count(config.Height))
		if points > 1<<32 || points*c.bytes(config, in.data)/16 > mostPixels {
			return damaged("its decoded pixels would need more than " + quantity.Size(mostPixels))
		}
		data, err := in.r.Head(ctx, in.r.Size())
		if err != nil {
			return err
		}
		d.Next = 0
		img, err := c.decode(bytes.NewReader(data))
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		points64, ok := img.(image.RGBA64Image) // all decoders return one
		if !ok {
			return damaged("its pixels cannot be read")
		}
		d.add(&Picture{Width: config.Width, Height: config.Height, Image: reduce(points64, pictureSide, pictureSide)})
		return nil
	}
}

// Reduce returns the picture with at most w by h points, each the mean of an area.
// A small picture keeps its size.
func (p *Picture) Reduce(w, h int) *image.RGBA { return reduce(p.Image, w, h) }

func reduce(img image.RGBA64Image, w, h int) *image.RGBA {
	b := img.Bounds()
	scale := max(1, float64(b.Dx())/float64(max(w, 1)), float64(b.Dy())/float64(max(h, 1)))
	out := image.NewRGBA(image.Rect(0, 0, max(1, int(float64(b.Dx())/scale)), max(1, int(float64(b.Dy())/scale))))
	for y := range out.Rect.Dy() {
		y0, y1 := area(y, out.Rect.Dy(), b.Dy())
		for x := range out.Rect.Dx() {
			x0, x1 := area(x, out.Rect.Dx(), b.Dx())
			out.SetRGBA(x, y, mean(img, image.Rect(b.Min.X+x0, b.Min.Y+y0, b.Min.X+x1, b.Min.Y+y1)))
		}
	}
	return out
}

// area returns the points of side n that point i of m covers.
func area(i, m, n int) (from, to int) {
	from = i * n / m
	return from, max(from+1, (i+1)*n/m)
}

// mean returns the mean color of a part of a picture, from at most 4 by 4 points.
func mean(img image.RGBA64Image, part image.Rectangle) color.RGBA {
	var r, g, b, a, n uint32
	for y := part.Min.Y; y < part.Max.Y; y += max(1, (part.Dy()+3)/4) {
		for x := part.Min.X; x < part.Max.X; x += max(1, (part.Dx()+3)/4) {
			c := img.RGBA64At(x, y)
			r, g, b, a, n = r+uint32(c.R>>8), g+uint32(c.G>>8), b+uint32(c.B>>8), a+uint32(c.A>>8), n+1
		}
	}
	return color.RGBA{uint8(r / n), uint8(g / n), uint8(b / n), uint8(a / n)}
}
