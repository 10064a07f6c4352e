package reader

import (
	"fmt"
	"image/color"
	"strings"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/client/preview"
	"usher/tui/keys"
	"usher/tui/theme"
)

// pictureView shows a picture in half blocks: a cell has two points, one above the
// other. With 16 colors or none, and in ASCII, a cell has the sign of its brightness.
type pictureView struct{ picture *preview.Picture }

func (v *pictureView) name() string            { return "picture" }
func (v *pictureView) offers(keys.Action) bool { return false }
func (v *pictureView) searchable() bool        { return false }
func (v *pictureView) row() int                { return 0 }
func (v *pictureView) show(int)                {}
func (v *pictureView) place(view)              {}
func (v *pictureView) do(keys.Action)          {}

func (v *pictureView) position() string {
	return fmt.Sprintf("%d x %d", v.picture.Width, v.picture.Height)
}

const shades = " .:-=+*#%@"

func (v *pictureView) draw(t *theme.Theme, w, h int, _ string) []string {
	img := v.picture.Reduce(w-2, 2*h)
	cells, points := img.Rect.Dx(), img.Rect.Dy()
	blocks := !t.ASCII && t.Profile >= colorprofile.ANSI256
	var out []string
	for y := 0; y < points && len(out) < h; y += 2 {
		var b strings.Builder
		b.WriteByte(' ')
		last := ""
		for x := range cells {
			upper, lower := over(t, img.RGBAAt(x, y)), over(t, img.RGBAAt(x, min(y+1, points-1)))
			if !blocks {
				n := (brightness(upper) + brightness(lower)) / 2
				if !t.Dark {
					n = 255 - n
				}
				b.WriteByte(shades[n*(len(shades)-1)/255])
				continue
			}
			style := ansi.Style{}.ForegroundColor(t.Profile.Convert(upper)).BackgroundColor(t.Profile.Convert(lower)).String()
			if style != last {
				b.WriteString(style)
				last = style
			}
			b.WriteString("▀")
		}
		if blocks {
			b.WriteString(ansi.ResetStyle)
		}
		out = append(out, b.String())
	}
	return out
}

// over puts a point with transparency over the background of the theme.
func over(t *theme.Theme, c color.RGBA) color.RGBA {
	back := uint32(255)
	if t.Dark {
		back = 0
	}
	rest := back * (255 - uint32(c.A)) / 255
	return color.RGBA{uint8(min(255, uint32(c.R)+rest)), uint8(min(255, uint32(c.G)+rest)), uint8(min(255, uint32(c.B)+rest)), 255}
}

// brightness is the luma of a point. SPEC: ITU-R BT.601.
func brightness(c color.RGBA) int {
	return (299*int(c.R) + 587*int(c.G) + 114*int(c.B)) / 1000
}
