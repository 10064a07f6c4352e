// Package textdiff compares two texts line by line, and two files that are read by
// ranges, for the browser and for usher diff.
//
// Lines that occur once in both texts, in the same order, divide the texts (the
// patience algorithm). github.com/aymanbagabas/go-udiff compares the parts between
// them. It is the code of golang.org/x/tools, and compares the middle of a part no
// further after 100 changed lines. Lines that occur equally often in both texts divide
// such a part again. The work is therefore nearly in proportion to the texts, also if
// they have no line in common, and Diff.Coarse reports a change with lines of both.
//
// Guarantees: the changes, applied to the old text, give the new text. Pair fetches no
// byte beyond preview.Free of both files together before Allow, and never more than
// preview.Most of one file. Texts of a result are raw: the screen escapes them.
//
// The package opens no connection, reads no clock and draws nothing.
package textdiff
