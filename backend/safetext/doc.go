// Package safetext makes untrusted text (object names, error bodies, audit
// fields, server replies) safe for a terminal, a log or a local file name.
// Untrusted text reaches these places through this package alone.
//
// The result is valid UTF-8 on one line. It holds no control, bidirectional,
// zero-width or otherwise invisible character, and converts back to the original
// bytes: two different inputs never print the same. (Removal of characters would
// make two names look like one.)
//
//	a byte that is not UTF-8                     \xNN
//	a character that does not print, or prints
//	as nothing, newline and tab included         \u{1b}
//	a combining mark without a letter before it,
//	or the fifth and later ones on one letter    \u{301}
//	a backslash, where it could be mistaken      \\
//
// All other characters are unchanged, including letters that look alike in two
// scripts and the two Unicode spellings of é: their bytes differ, even if a font
// shows the same picture.
//
// The package leaves the width of a text and its truncation to others.
package safetext
