package tui

// The marks of a bracketed paste.
const (
	pasteBegin = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
)

// pasted removes control sequences from pasted text. Bubble Tea decodes sequences
// within a paste too. An OSC, DCS or APC without its end would contain the end of the
// paste, and every later key would be part of the paste. Some terminals remove ESC from
// pasted text themselves, but not all.
type pasted struct {
	inside bool
	at     int // bytes of the next mark so far
	more   int // bytes to come of a character in UTF-8
}

// appendTo appends the bytes that the program may read. An incomplete mark at the end
// of a paste waits for its rest.
func (p *pasted) appendTo(out, in []byte) []byte {
	for _, c := range in {
		mark := pasteBegin
		if p.inside {
			mark = pasteEnd
		}
		if c != mark[p.at] {
			if p.inside && p.at > 0 {
				out = append(out, mark[1:p.at]...) // text after an ESC
			}
			p.at = 0
		}
		switch {
		case c == mark[p.at]:
			p.at++
			if !p.inside {
				out = append(out, c)
			}
			if p.at == len(mark) {
				if p.inside {
					out = append(out, mark...)
				}
				p.inside, p.at, p.more = !p.inside, 0, 0
			}
		case !p.inside || !p.control(c):
			out = append(out, c)
		}
	}
	return out
}

// control reports the 8-bit forms of ESC sequences. The same bytes continue characters
// in UTF-8.
func (p *pasted) control(c byte) bool {
	switch {
	case c&0xc0 == 0x80 && p.more > 0:
		p.more--
		return false
	case c >= 0xf0:
		p.more = 3
	case c >= 0xe0:
		p.more = 2
	case c >= 0xc0:
		p.more = 1
	default:
		p.more = 0
	}
	return c >= 0x80 && c < 0xa0
}
