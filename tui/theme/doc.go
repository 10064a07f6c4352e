// Package theme holds the colors and symbols of the full-screen program, and the
// ornaments that panes share: the head of a pane, the progress bar and the dialog
// box.
//
// New makes a Theme for a terminal: color depth, light or dark background, full or
// ASCII font. Each token has a color for each of three depths, because the nearest
// match of a color library is unreadable for several of them. Under NO_COLOR
// (colorprofile.ASCII) only bold, underline and reverse remain. No information
// depends on color alone.
//
//	t := theme.New(theme.Options{Profile: colorprofile.TrueColor, Dark: true})
//	row := t.On(theme.Selected)        // the same tokens over the cursor row
//	s := row.Text.Paint("report.pdf") + row.Muted.Paint("  4.21 MB")
//
// Panes share one *Theme. They drop their cached strings on a pane.Restyled message.
//
// The package paints strings that are safe to print: of untrusted text, the String
// of a safetext.Text.
package theme
