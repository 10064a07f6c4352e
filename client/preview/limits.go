package preview

// Bounds of fetched bytes.
const (
	First int64 = 64 << 10 // of a file of which only the beginning is shown
	Free  int64 = 4 << 20  // without a question to the person
	Most  int64 = 12 << 20 // for one file
)

// Bounds of the memory of a view.
const (
	mostUnpacked = 4 << 20   // bytes of unpacked content
	mostWindow   = 8 << 20   // bytes of a zstd window; RFC 8878 3.1.1.1.2 recommends 8 MB
	mostLine     = 4_000     // bytes of a line of text; a longer one is shown in pieces
	mostLines    = 400_000   // lines of a text
	mostCells    = 200_000   // cells of a table
	mostColumns  = 1_000     // columns of a table
	mostCell     = 1_000     // bytes of a cell
	mostNodes    = 60_000    // values of a tree
	mostDepth    = 100       // levels of a tree
	mostScalar   = 4_000     // bytes of a value of a tree
	mostEntries  = 20_000    // entries of an archive
	mostDir      = 2 << 20   // bytes of a zip file's directory
	mostColored  = 256 << 10 // bytes of source with colors
	mostMarkdown = 64 << 10  // bytes of a page of Markdown: its parser needs quadratic time for nested quotations
	mostPixels   = 24 << 20  // bytes of a decoded picture
	pictureSide  = 480       // points of the kept picture, each side
)
