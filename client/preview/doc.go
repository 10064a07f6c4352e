// Package preview shows files without a download: it reads a few ranges of a file
// and returns views of it. Tables for CSV, Parquet and the listings of archives,
// trees for JSON, lines for texts, source and Markdown, pictures, and bytes.
//
// Content decides the kind, then the name. A file that is not of its kind, or is
// damaged, is shown as text or bytes, with a sentence.
//
// Guarantees: Ranges fetches no byte beyond its budget, and counts requests and
// bytes. The memory of Open is bounded by the constants of limits.go. A panic of a
// decoder becomes a sentence.
//
// goldmark parses Markdown. glamour, which draws it, returns one text with its escape
// sequences and those of the file, so that a screen cannot escape the latter. chroma,
// on which glamour depends, adds 70 ms to each start of the program, and allocates
// 126 MiB for 64 KiB of short words, without a context that could end it; see
// TestChroma of the rig. So source.go scans for colors, in time in proportion to the
// text. The package parquet has its own reason.
//
// The package opens no connection and reads no clock. Texts of a view are raw: the
// screen escapes them.
package preview
