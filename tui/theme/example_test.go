package theme_test

import (
	"fmt"

	"usher/tui/theme"
)

func Example() {
	t := theme.New(theme.Options{ASCII: true}) // without colors
	fmt.Println(t.Bar(10, 0.3, t.Accent))
	row := t.On(theme.Selected)
	fmt.Printf("%q\n", row.Text.Paint("report.pdf"))
	// Output:
	// ===-------
	// "\x1b[7mreport.pdf\x1b[m"
}
