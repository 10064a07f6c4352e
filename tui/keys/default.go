package keys

import "slices"

// Default returns the key table of usher.
func Default() []Set {
	return []Set{
		{Context: Everywhere, Bindings: everywhere()},
		{Context: List, Bindings: list()},
		{Context: Browser, On: List, Bindings: browser()},
		{Context: Tree, On: List, Bindings: tree()},
		{Context: Details, On: Reader, Bindings: details()},
		{Context: Reader, Bindings: movement()},
		{Context: Preview, On: Reader, Bindings: previewing()},
		{Context: Diff, On: Reader, Bindings: diffing()},
		{Context: Sort, Alone: true, Bindings: sorting()},
		{Context: Copying, Alone: true, Bindings: copying()},
		{Context: Marked, On: Reader, Bindings: marked()},
		{Context: Sets, On: Reader, Bindings: sets()},
		{Context: Versions, On: Reader, Bindings: versions()},
		{Context: Compared, On: Reader, Bindings: compared()},
		{Context: Transfers, On: Reader, Bindings: transfers()},
		{Context: History, On: Reader, Bindings: past()},
		{Context: Audit, On: List, Bindings: audit()},
		{Context: Event, On: Reader, Bindings: event()},
		{Context: Answer, On: Reader, Bindings: answer()},
		{Context: Grouping, Alone: true, Bindings: grouping()},
		{Context: Export, Bindings: nil},
		{Context: Proof, On: Reader, Bindings: proof()},
		{Context: Access, On: Reader, Bindings: access("why", "Why this person or group has access")},
		{Context: Places, On: Reader, Bindings: access("who can see it", "Who can see this path")},
		{Context: Because, On: Reader, Bindings: because()},
		{Context: Requests, On: Reader, Bindings: requests()},
	}
}

func everywhere() []Binding {
	const places, all = "Pages", "Everywhere"
	return []Binding{
		{OpenTransfers, []string{"t"}, "", "transfers", "Transfers", places},
		{OpenAudit, []string{"A"}, "", "audit log", "Audit log", places},
		{OpenAccess, []string{"X"}, "", "access", "Access: who can see what", places},
		{Session, []string{"i"}, "", "session", "Session: groups, server, sign out", places},
		{Palette, []string{":"}, "", "commands", "", all},
		{Help, []string{"?"}, "", "help", "Help: keys of this pane", all},
		{Back, []string{"esc"}, "", "back", "", all},
		{Reload, []string{"ctrl+r"}, "", "refresh", "Refresh", all},
		{Suspend, []string{"ctrl+z"}, "", "suspend", "Suspend to the shell; fg returns", all},
		{Redraw, []string{"ctrl+l"}, "", "redraw", "Redraw the screen", all},
		{Quit, []string{"q", "ctrl+c"}, "q", "quit", "Quit", all},
	}
}

func movement() []Binding {
	const g = "Move"
	return []Binding{
		{Down, []string{"j", "down"}, "j", "down", "", g},
		{Up, []string{"k", "up"}, "k", "up", "", g},
		{First, []string{"g", "home"}, "g", "first", "", g},
		{Last, []string{"G", "end"}, "G", "last", "", g},
		{HalfDown, []string{"ctrl+d"}, "", "half a page down", "", g},
		{HalfUp, []string{"ctrl+u"}, "", "half a page up", "", g},
		{PageDown, []string{"pgdown"}, "pgdn", "page down", "", g},
		{PageUp, []string{"pgup"}, "pgup", "page up", "", g},
	}
}

func list() []Binding {
	return append(movement(), Binding{Filter, []string{"/"}, "", "filter", "Filter this list", "Find"})
}

// walking returns the bindings that table and tree share.
func walking() []Binding {
	const move, find, files = "Move", "Find", "Files"
	return []Binding{
		{Enter, []string{"enter", "l", "right"}, "enter", "open", "Open", move},
		{Parent, []string{"h", "left", "backspace"}, "h", "parent folder", "Parent folder", move},
		{NextPane, []string{"tab"}, "", "next pane", "", move},
		{PrevPane, []string{"shift+tab"}, "", "previous pane", "", move},
		{Visited, []string{"["}, "", "back", "Back to the folder before", move},
		{Forward, []string{"]"}, "", "forward", "Forward to the folder after", move},
		{Buckets, []string{"~"}, "", "buckets", "All buckets", move},
		{FindHere, []string{"F"}, "", "search subfolders", "Search this folder and its subfolders", find},
		{GoTo, []string{"ctrl+g"}, "", "go to a path", "Go to a path", find},
		{JumpTo, []string{"n"}, "", "jump to a name", "Jump to a name in this folder", find},
		{SetMark, []string{"m"}, "", "set bookmark", "Bookmark this folder under a letter", find},
		{ToMark, []string{"'"}, "", "go to bookmark", "Go to a bookmark", find},
		{Compare, []string{"="}, "", "compare", "Compare a folder with its local copy", files},
		{CountSizes, []string{"S"}, "", "count a folder", "Count a folder: files, size, newest, largest", files},
		{Hidden, []string{"."}, "", "hidden names", "Show or hide hidden names", find},
		{Request, []string{"R"}, "", "request access", "Request access to a path", files},
		{Whole, []string{"D"}, "", "download folder", "Download this folder and its subfolders", files},
	}
}

// besides returns the bindings for the widths of the parts side by side. Each key moves
// a line between two parts to the left or to the right.
func besides() []Binding {
	const g = "Widths"
	return []Binding{
		{NarrowerFolders, []string{"<"}, "< >", "narrower folders", "Narrower folders", g},
		{WiderFolders, []string{">"}, "", "wider folders", "Wider folders", g},
		{WiderDetails, []string{"{"}, "{ }", "wider details", "Wider details", g},
		{NarrowerDetails, []string{"}"}, "", "narrower details", "Narrower details", g},
		{ResetWidths, []string{"|"}, "", "default widths", "Default widths of folders and details", g},
	}
}

func browser() []Binding {
	const find, mark, files = "Find", "Mark", "Files"
	return slices.Concat(walking(), []Binding{
		{SortMenu, []string{"s"}, "", "sort by…", "Sort by name, size, modified, kind or local copy", find},
		{Watch, []string{"f"}, "", "watch", "Watch this folder for new files, or stop", find},
		{Mark, []string{"space"}, "", "mark", "Mark and go down", mark},
		{MarkAll, []string{"a"}, "", "mark all shown", "Mark all shown", mark},
		{SwapMark, []string{"*"}, "", "invert marks", "Invert marks", mark},
		{Unmark, []string{"u"}, "", "unmark all", "Unmark all", mark},
		{MarkBy, []string{"+"}, "", "mark a pattern", "Mark the rows of a pattern", mark},
		{UnmarkBy, []string{"-"}, "", "unmark a pattern", "Unmark the rows of a pattern", mark},
		{Range, []string{"V"}, "", "mark a range", "Mark a range of rows", mark},
		{Marks, []string{"M"}, "", "all marks", "All marks, with sizes", mark},
		{Download, []string{"d"}, "", "download", "Download marked files", files},
		{Read, []string{"v"}, "", "read", "Read this file without a download", files},
		{CopyMenu, []string{"y"}, "", "copy", "Copy: path, s3://, link, curl, checksum", files},
		{CopySum, []string{"Y"}, "", "copy checksum", "", files},
		{Why, []string{"W"}, "", "why can I see it", "Why can I see this", files},
		{OpenVersions, []string{"H"}, "", "versions", "Versions of this file", files},
		{Touched, []string{"w"}, "", "who accessed this", "Who accessed this file", files},
	}, besides())
}

// marked returns the bindings of the page of the marks.
func marked() []Binding {
	const g = "Marks"
	return []Binding{
		{Enter, []string{"enter", "l", "right"}, "enter", "go to", "Go to this row", g},
		{Parent, []string{"h", "left", "backspace"}, "h", "back to the list", "", g},
		{Mark, []string{"space", "x"}, "space", "remove the mark", "Remove this mark", g},
		{Unmark, []string{"u"}, "", "unmark all", "Unmark all", g},
		{BySize, []string{"s"}, "", "largest first", "Sort by size or by path", g},
		{SaveSet, []string{"w"}, "", "save as a set", "Save the marks as a set with a name", g},
		{OpenSets, []string{"o"}, "", "sets", "Sets: load or remove one", g},
		{Download, []string{"d"}, "", "download", "Download marked files", g},
		{CopyMenu, []string{"y"}, "", "copy", "Copy: path, s3://, link, curl, checksum", g},
	}
}

// sets returns the bindings of the named sets of marks.
func sets() []Binding {
	const g = "Sets"
	return []Binding{
		{Enter, []string{"enter", "l", "right"}, "enter", "load", "Mark the paths of this set", g},
		{Remove, []string{"x"}, "", "remove", "Remove this set; marks and files stay", g},
		{CopyCommand, []string{"y"}, "", "copy command", "Copy the command usher get for this set", g},
		{Parent, []string{"h", "left", "backspace"}, "h", "back to the marks", "", g},
	}
}

// versions returns the bindings of the versions of a file.
func versions() []Binding {
	const g = "Versions"
	return []Binding{
		{Mark, []string{"space"}, "", "mark", "Mark this version for a comparison, or unmark it", g},
		{Compare, []string{"="}, "", "compare", "Compare the two marked versions, or this one with the one before", g},
		{Download, []string{"d", "enter"}, "", "download", "Download this version", g},
		{Read, []string{"v"}, "", "read", "Read this version without a download", g},
		{CopyMenu, []string{"y"}, "", "copy", "Copy: ID, s3://, link, curl, checksum, command", g},
		{Parent, []string{"h", "left", "backspace"}, "h", "back to the list", "", g},
	}
}

// compared returns the bindings of the comparison of a folder.
func compared() []Binding {
	const g = "Comparison"
	return []Binding{
		{Download, []string{"d"}, "", "download these", "Download the files that are new or changed", g},
		{Enter, []string{"enter", "l", "right"}, "enter", "go to", "Go to this file", g},
		{Parent, []string{"h", "left", "backspace"}, "h", "back to the list", "", g},
	}
}

func tree() []Binding {
	return slices.Concat(walking(), []Binding{{CopyMenu, []string{"y"}, "", "copy", "Copy: path, s3://, link, curl, checksum", "Files"}}, besides())
}

func details() []Binding {
	const move, files = "Move", "Files"
	return append([]Binding{
		{Parent, []string{"h", "left", "backspace"}, "h", "back to the list", "", move},
		{NextPane, []string{"tab"}, "", "next pane", "", move},
		{PrevPane, []string{"shift+tab"}, "", "previous pane", "", move},
		{Download, []string{"d"}, "", "download", "Download this file", files},
		{Read, []string{"v"}, "", "read", "Read this file without a download", files},
		{CopyMenu, []string{"y"}, "", "copy", "Copy: path, s3://, link, curl, checksum", files},
		{CopySum, []string{"Y"}, "", "copy checksum", "", files},
		{Why, []string{"W"}, "", "why can I see it", "Why can I see this", files},
		{OpenVersions, []string{"H"}, "", "versions", "Versions of this file", files},
		{Touched, []string{"w"}, "", "who accessed this", "Who accessed this file", files},
	}, besides()...)
}

// previewing returns the bindings of the contents of a file.
func previewing() []Binding {
	const g = "File"
	return []Binding{
		{NextView, []string{"v"}, "", "next view", "Next view: table, text, hex", g},
		{Filter, []string{"/"}, "", "find", "Find a text", "Find"},
		{FindNext, []string{"n"}, "", "next match", "", "Find"},
		{FindPrevious, []string{"N"}, "", "previous match", "", "Find"},
		{LoadMore, []string{"L"}, "", "read more", "Read more of this file", g},
		{WrapLines, []string{"w"}, "", "wrap", "Wrap long lines", g},
		{LineNumbers, []string{"#"}, "", "numbers", "Number the lines", g},
		{Enter, []string{"enter", "l", "right"}, "l", "right", "", "Move"},
		{Parent, []string{"h", "left", "backspace"}, "h", "left", "", "Move"},
		{CopyPath, []string{"y"}, "", "copy path", "Copy the path", g},
	}
}

// diffing returns the bindings of the comparison of two versions.
func diffing() []Binding {
	const g = "Comparison"
	return []Binding{
		{NextChange, []string{"n"}, "n N", "next change", "Next change, or next match", g},
		{PrevChange, []string{"N"}, "", "previous change", "Previous change, or previous match", g},
		{Filter, []string{"/"}, "", "find", "Find a text", "Find"},
		{LoadMore, []string{"L"}, "", "read both", "Read both versions", g},
		{WrapLines, []string{"w"}, "", "wrap", "Wrap long lines", g},
		{Enter, []string{"enter", "l", "right"}, "l", "right", "", "Move"},
		{Parent, []string{"h", "left", "backspace"}, "h", "left", "", "Move"},
		{CopyPath, []string{"y"}, "", "copy path", "Copy the path", g},
	}
}

func sorting() []Binding {
	const g = "Sort by"
	return []Binding{
		{ByName, []string{"n"}, "", "name", "Sort by name", g},
		{BySize, []string{"s"}, "", "size, largest", "Sort by size, largest first", g},
		{ByModified, []string{"m"}, "", "modified, newest", "Sort by modified, newest first", g},
		{ByKind, []string{"k"}, "", "kind", "Sort by kind", g},
		{ByLocal, []string{"l"}, "", "local copy", "Sort by the local copy, files that are here first", g},
		{Back, []string{"esc"}, "", "cancel", "", g},
	}
}

// copying returns the texts that can be copied of a row or of all marked ones.
func copying() []Binding {
	const g = "Copy"
	return []Binding{
		{CopyPath, []string{"p", "y"}, "", "path", "Copy the path", g},
		{CopyURI, []string{"s"}, "", "s3://", "Copy the s3:// address", g},
		{CopyLink, []string{"u", "l"}, "", "link", "Copy a download link", g},
		{CopyCurl, []string{"c"}, "", "curl", "Copy a curl command", g},
		{CopySum, []string{"k"}, "", "checksum", "Copy the checksum", g},
		{CopyCommand, []string{"g"}, "", "get", "Copy the command usher get", g},
		{CopyVersion, []string{"v"}, "", "version ID", "Copy the ID of this version", g},
		{CopyAdmin, []string{"a"}, "", "for admin", "Copy a text for your administrator", g},
		{Back, []string{"esc"}, "", "cancel", "", g},
	}
}

func transfers() []Binding {
	const one, all = "Transfer", "Queue"
	return []Binding{
		{Enter, []string{"enter"}, "", "show the files", "Show or hide the files of this row", one},
		{Pause, []string{"p"}, "", "pause", "Pause or resume", one},
		{Again, []string{"r"}, "", "try again", "Try this transfer again", one},
		{KeepBoth, []string{"b"}, "", "keep both", "Keep both: download beside the local file", one},
		{Remove, []string{"x"}, "", "remove", "Remove from the list", one},
		{ThisFirst, []string{"f"}, "", "this first", "This first: the others wait", one},
		{Later, []string{"J"}, "J K", "move down, up", "", one},
		{Sooner, []string{"K"}, "", "move up", "", one},
		{Folder, []string{"o"}, "", "show folder path", "Show the local folder", one},
		{CopyPath, []string{"y"}, "", "copy path", "Copy the path", one},
		{PauseAll, []string{"P"}, "", "pause all", "Transfers: pause all, or resume", all},
		{AgainAll, []string{"R"}, "", "try all again", "Transfers: try failed ones again", all},
		{OldOnes, []string{"H"}, "", "history", "Transfers: history of ended downloads", all},
		{ClearEnded, []string{"c"}, "", "clear finished", "Transfers: clear finished ones", all},
		{RateUp, []string{"+"}, "+ -", "rate limit", "Transfers: higher rate limit", all},
		{RateDown, []string{"-"}, "", "lower rate limit", "Transfers: lower rate limit", all},
		{FewerAtOnce, []string{"<"}, "< >", "at a time", "Transfers: fewer files at a time", all},
		{MoreAtOnce, []string{">"}, "", "more at a time", "Transfers: more files at a time", all},
	}
}

// past returns the bindings of the history of downloads.
func past() []Binding {
	const g = "History"
	return []Binding{
		{Enter, []string{"enter"}, "", "go to the file", "Go to the file in its folder", g},
		{CopyPath, []string{"y"}, "", "copy path", "Copy the path", g},
	}
}
