package theme

// Glyphs are the symbols of the program. Each is one cell wide in both sets, so
// that the choice of ASCII does not change the layout.
type Glyphs struct {
	Cursor, CursorDim, Mark              string // gutter
	Heavy, Light, Between                string // rules, and the line between two panes
	Ellipsis, Sep                        string // truncated text; separator of path parts
	Up, Down                             string // sort order; Down also means running
	Opened, Closed                       string // a folder in the tree
	Yes, No, Paused, Checking, Waiting   string // states of a transfer
	Differs                              string // the local file is a different one
	Online, Offline                      string
	Hidden                               string // a character of a password
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
