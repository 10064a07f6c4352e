package theme

// Glyphs is every sign that is not plain text. All are one cell wide in both
// sets, so that layout does not move when ASCII is chosen.
type Glyphs struct {
	Cursor, CursorDim, Mark              string // gutter
	Heavy, Light, Between                string // rules, and the line between two panes
	Ellipsis, Sep                        string // cut text; between the parts of a place
	Up, Down                             string // sort order; Down also means running
	Opened, Closed                       string // a folder in the tree
	Yes, No, Paused, Checking, Waiting   string // states of a transfer
	Differs                              string // the file here is another one
	Online, Offline                      string
	Hidden                               string // a letter of a password
	TopLeft, TopRight, LowLeft, LowRight string
	Side                                 string   // of a dialog
	Bars                                 []string // a chart's column, from an eighth to full
}

func glyphs(ascii bool) Glyphs {
	if ascii {
		return Glyphs{
			Cursor: ">", CursorDim: "|", Mark: "*",
			Heavy: "=", Light: "-", Between: "|",
			Ellipsis: "~", Sep: ">", Up: "^", Down: "v", Opened: "-", Closed: "+",
			Yes: "+", No: "x", Paused: "|", Checking: "=", Waiting: ".", Differs: "!",
			Online: "*", Offline: "o", Hidden: "*",
			TopLeft: "+", TopRight: "+", LowLeft: "+", LowRight: "+", Side: "|",
			Bars: []string{".", ":", "-", "=", "+", "*", "%", "#"},
		}
	}
	return Glyphs{
		Cursor: "▌", CursorDim: "│", Mark: "●",
		Heavy: "━", Light: "─", Between: "│",
		Ellipsis: "…", Sep: "›", Up: "↑", Down: "↓", Opened: "▾", Closed: "▸",
		Yes: "✓", No: "✗", Paused: "‖", Checking: "≡", Waiting: "·", Differs: "≠",
		Online: "●", Offline: "○", Hidden: "•",
		TopLeft: "╭", TopRight: "╮", LowLeft: "╰", LowRight: "╯", Side: "│",
		Bars: []string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
	}
}
