package theme_test

import (
	"image/color"
	"math"
	"strings"
	"testing"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/tui/theme"
)

// luminance and contrast follow WCAG 2.2, "relative luminance" and "contrast ratio".
func luminance(c color.Color) float64 {
	r, g, b, _ := c.RGBA()
	part := func(v uint32) float64 {
		x := float64(v) / 0xffff
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return 0.2126*part(r) + 0.7152*part(g) + 0.0722*part(b)
}

func contrast(a, b color.Color) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Every text token has enough contrast on every usual background.
func TestContrast(t *testing.T) {
	grounds := map[bool][]string{
		true:  {"#000000", "#15181d", "#1d2229", "#1e1e2e", "#282a36", "#002b36", "#2e3440"},
		false: {"#ffffff", "#fbfaf7", "#f1efe9", "#fdf6e3", "#eff1f5"},
	}
	for dark, backgrounds := range grounds {
		for _, p := range []colorprofile.Profile{colorprofile.TrueColor, colorprofile.ANSI256} {
			th := theme.New(theme.Options{Profile: p, Dark: dark})
			for name, s := range map[string]theme.Style{"text": th.Text, "muted": th.Muted, "accent": th.Accent, "ok": th.OK, "warn": th.Warn, "bad": th.Bad, "mark": th.Mark} {
				for _, bg := range backgrounds {
					if c := contrast(s.Foreground(), lipgloss.Color(bg)); c < 4.5 {
						t.Errorf("%s (dark %v, %v) on %s: %.1f", name, dark, p, bg, c)
					}
				}
			}
			sel := th.On(theme.Selected)
			for name, s := range map[string]theme.Style{"text": sel.Text, "muted": sel.Muted, "accent": sel.Accent, "bad": sel.Bad} {
				if c := contrast(s.Foreground(), s.Background()); c < 4.5 {
					t.Errorf("%s on the selected row (dark %v, %v): %.1f", name, dark, p, c)
				}
			}
		}
	}
}

func TestNoColorMeansNoColor(t *testing.T) {
	th := theme.New(theme.Options{Profile: colorprofile.ASCII, Dark: true})
	for _, s := range []string{th.Text.Paint("x"), th.Accent.Bold().Paint("x"), th.On(theme.Selected).Bad.Paint("x"), th.On(theme.Panel).Rule.Paint("x")} {
		for _, code := range []string{"[3", ";3", "[4", ";4", "[9", "[10"} {
			if strings.Contains(s, code) && !strings.Contains(s, "\x1b[4m") {
				t.Errorf("%q has a color", s)
			}
		}
	}
	if s := th.On(theme.Selected).Text.Paint("x"); !strings.Contains(s, "7") {
		t.Errorf("the cursor row is not reversed: %q", s)
	}
}

func TestOrnamentsKeepTheirWidth(t *testing.T) {
	for _, ascii := range []bool{false, true} {
		th := theme.New(theme.Options{Profile: colorprofile.TrueColor, Dark: true, ASCII: ascii})
		for w := 1; w < 90; w++ {
			for _, focus := range []bool{false, true} {
				if n := ansi.StringWidth(th.Head("Files", "34 rows", w, focus)); n != w {
					t.Fatalf("Head(%d) has %d cells", w, n)
				}
			}
			if n := ansi.StringWidth(th.Bar(w, 0.3, th.Accent)); n != w {
				t.Fatalf("Bar(%d) has %d cells", w, n)
			}
			if w > 12 {
				for _, l := range strings.Split(th.Box("A title that may be long", []string{"one", strings.Repeat("x", 100)}, w), "\n") {
					if n := ansi.StringWidth(l); n != w {
						t.Fatalf("Box(%d) has a line of %d cells", w, n)
					}
				}
			}
		}
	}
}

// A dialog of any width shows all its keys.
func TestKeyRowsLoseNoKey(t *testing.T) {
	th := theme.New(theme.Options{})
	pairs := [][2]string{{"enter", "download"}, {"b", "keep both"}, {"", ""}, {"r", "replace"}, {"c", "change folder"}, {"esc", "cancel"}}
	for _, w := range []int{10, 16, 30, 58, 100} {
		rows := th.KeyRows(w, pairs...)
		for _, p := range pairs {
			if p[1] != "" && !strings.Contains(ansi.Strip(strings.Join(rows, "\n")), p[0]+" "+p[1]) {
				t.Errorf("%d cells: no %s in %q", w, p[0], rows)
			}
		}
		for _, r := range rows {
			if w > 16 && ansi.StringWidth(r) > w {
				t.Errorf("%d cells: %q", w, r)
			}
		}
	}
}
