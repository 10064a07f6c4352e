package keys

// Contexts of the program.
const (
	Everywhere Context = "everywhere"
	List       Context = "list"      // any list: movement and filter
	Browser    Context = "browser"   // the table of files
	Tree       Context = "tree"      // the folders
	Details    Context = "details"   // one file
	Sort       Context = "sort"      // the menu of s
	Copying    Context = "copying"   // the menu of y
	Marked     Context = "marked"    // the page of the marks
	Versions   Context = "versions"  // the versions of a file
	Compared   Context = "compared"  // a folder and its local copy
	Transfers  Context = "transfers" // the queue
	History    Context = "history"   // ended downloads
	Audit      Context = "audit"     // the log
	Event      Context = "event"     // one event in full
	Answer     Context = "answer"    // a table about the events of the log
	Grouping   Context = "grouping"  // the menu of b
	Export     Context = "export"    // an export of the log
	Proof      Context = "proof"     // the verification of the log
	Access     Context = "access"    // the readers of a path
	Places     Context = "places"    // the paths that a person can see, or all grants
	Because    Context = "because"   // one explanation in full
	Reader     Context = "reader"    // scrolled text
	Preview    Context = "preview"   // the contents of a file
)

// Actions. The first ones are movements, which rows.List runs.
const (
	Down     Action = "down"
	Up       Action = "up"
	First    Action = "first"
	Last     Action = "last"
	HalfDown Action = "half-down"
	HalfUp   Action = "half-up"
	PageDown Action = "page-down"
	PageUp   Action = "page-up"
	Filter   Action = "filter"

	Enter    Action = "open"
	Parent   Action = "parent"
	Back     Action = "back" // esc, and q on a page
	Quit     Action = "quit"
	NextPane Action = "next-pane"
	PrevPane Action = "previous-pane"
	Reload   Action = "reload"
	Help     Action = "help"
	Palette  Action = "commands"
	Suspend  Action = "suspend"
	Redraw   Action = "redraw"

	OpenTransfers Action = "transfers"
	OpenAudit     Action = "audit"
	OpenAccess    Action = "access"
	OpenProof     Action = "verify-log"
	VerifyAgain   Action = "verify-again"
	SaveReport    Action = "save-report"
	CompareCopy   Action = "compare-copy"
	Session       Action = "session"

	Visited  Action = "visited-back"
	Forward  Action = "visited-forward"
	Buckets  Action = "buckets"
	FindHere Action = "find-below"
	JumpTo   Action = "jump-to"
	GoTo     Action = "go-to"
	SetMark  Action = "set-bookmark"
	ToMark   Action = "go-to-bookmark"
	Watch    Action = "watch"
	SortMenu Action = "sort"

	CountSizes   Action = "count-sizes"
	OpenVersions Action = "versions"
	Compare      Action = "compare"

	Hidden   Action = "hidden"
	Mark     Action = "mark"
	MarkAll  Action = "mark-all"
	SwapMark Action = "swap-marks"
	Unmark   Action = "unmark-all"
	MarkBy   Action = "mark-pattern"
	UnmarkBy Action = "unmark-pattern"
	Range    Action = "mark-range"
	Marks    Action = "marks"
	Download Action = "download"
	Whole    Action = "download-folder"
	Read     Action = "read"
	CopyPath Action = "copy-path"
	CopySum  Action = "copy-checksum"
	CopyMenu Action = "copy-menu"
	Why      Action = "why"
	Touched  Action = "who-touched"

	CopyURI   Action = "copy-uri"
	CopyLink  Action = "copy-link"
	CopyCurl  Action = "copy-curl"
	CopyAdmin Action = "copy-for-admin"

	ByName     Action = "sort-name"
	BySize     Action = "sort-size"
	ByModified Action = "sort-modified"
	ByKind     Action = "sort-kind"
	ByLocal    Action = "sort-local"

	Pause      Action = "pause"
	PauseAll   Action = "pause-all"
	Again      Action = "try-again"
	AgainAll   Action = "try-all-again"
	ClearEnded Action = "clear-finished"
	ThisFirst  Action = "this-first"
	OldOnes    Action = "history"
	RateUp     Action = "rate-up"
	RateDown   Action = "rate-down"

	MoreAtOnce  Action = "more-at-once"
	FewerAtOnce Action = "fewer-at-once"
	KeepBoth    Action = "keep-both"
	Remove      Action = "remove"
	Later       Action = "move-later"
	Sooner      Action = "move-sooner"
	Folder      Action = "show-folder"

	Zone     Action = "zone"
	Follow   Action = "follow"
	OwnReads Action = "own-reads"
	Person   Action = "person"
	OneLogin Action = "session-of-row"
	Chart    Action = "chart"
	GroupBy  Action = "group-by"
	SaveLog  Action = "export"
	Next     Action = "next-event"
	Previous Action = "previous-event"

	GroupWho     Action = "group-who"
	GroupFile    Action = "group-file"
	GroupFolder  Action = "group-folder"
	GroupIP      Action = "group-ip"
	GroupSession Action = "group-session"
	GroupGrant   Action = "group-grant"
	GroupAgent   Action = "group-agent"
	GroupDay     Action = "group-day"
	GroupHour    Action = "group-hour"

	Question1 Action = "question-1"
	Question2 Action = "question-2"
	Question3 Action = "question-3"
	Question4 Action = "question-4"
	Question5 Action = "question-5"
	Question6 Action = "question-6"
	Question7 Action = "question-7"
	Question8 Action = "question-8"
	Question9 Action = "question-9"
	Questions Action = "questions"

	FindNext     Action = "find-next"
	FindPrevious Action = "find-previous"
	WrapLines    Action = "wrap-lines"
	LineNumbers  Action = "line-numbers"
	NextView     Action = "next-view"
	LoadMore     Action = "load-more"

	CanSee Action = "can-see"
	Grants Action = "grants"
)

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
		{Context: Sort, Alone: true, Bindings: sorting()},
		{Context: Copying, Alone: true, Bindings: copying()},
		{Context: Marked, On: Reader, Bindings: marked()},
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
		{Whole, []string{"D"}, "", "download folder", "Download this folder and its subfolders", files},
	}
}

func browser() []Binding {
	const find, mark, files = "Find", "Mark", "Files"
	return append(walking(), []Binding{
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
	}...)
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
		{Download, []string{"d"}, "", "download", "Download marked files", g},
		{CopyMenu, []string{"y"}, "", "copy", "Copy: path, s3://, link, curl, checksum", g},
	}
}

// versions returns the bindings of the versions of a file.
func versions() []Binding {
	const g = "Versions"
	return []Binding{
		{Download, []string{"d", "enter"}, "", "download", "Download this version", g},
		{CopyPath, []string{"y"}, "", "copy the id", "Copy the id of this version", g},
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
	return append(walking(), Binding{CopyMenu, []string{"y"}, "", "copy", "Copy: path, s3://, link, curl, checksum", "Files"})
}

func details() []Binding {
	const move, files = "Move", "Files"
	return []Binding{
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
	}
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

// questions returns the bindings of the saved questions. Package client/question has
// their texts.
func questions() []Binding {
	const g = "Saved questions"
	return []Binding{
		{Question1, []string{"1"}, "", "denials", "Question: denied decisions by person", g},
		{Question2, []string{"2"}, "", "volume", "Question: downloads by person", g},
		{Question3, []string{"3"}, "", "new addresses", "Question: new addresses of a person", g},
		{Question4, []string{"4"}, "", "sessions", "Question: sessions with their end", g},
		{Question5, []string{"5"}, "", "bulk", "Question: more than 100 files in an hour", g},
		{Question6, []string{"6"}, "", "dangling", "Question: downloads without a reported end", g},
		{Question7, []string{"7"}, "", "night", "Question: events at night", g},
		{Question8, []string{"8"}, "", "changes", "Question: changes of grants and groups", g},
		{Question9, []string{"9"}, "", "readers", "Question: reads by auditors and admins", g},
		{Questions, []string{"0"}, "", "all questions", "List the saved questions", g},
	}
}

// answer returns the bindings of a table about the events.
func answer() []Binding {
	const g = "Answer"
	return append([]Binding{
		{Enter, []string{"enter", "l", "right"}, "enter", "show its events", "Show the events of the row", g},
		{Parent, []string{"h", "left", "backspace"}, "h", "back to the log", "", g},
		{GroupBy, []string{"b"}, "", "group by", "Count the events by person, file, address, day…", g},
	}, questions()...)
}

// grouping returns the properties by which events are counted.
func grouping() []Binding {
	const g = "Count by"
	return []Binding{
		{GroupWho, []string{"w"}, "", "who", "Count by person", g},
		{GroupFile, []string{"f"}, "", "file", "Count by file", g},
		{GroupFolder, []string{"d"}, "", "folder", "Count by folder", g},
		{GroupIP, []string{"i"}, "", "ip", "Count by address", g},
		{GroupSession, []string{"s"}, "", "session", "Count by session", g},
		{GroupGrant, []string{"g"}, "", "grant", "Count by grant", g},
		{GroupAgent, []string{"a"}, "", "client", "Count by client program", g},
		{GroupDay, []string{"y"}, "", "day", "Count by day", g},
		{GroupHour, []string{"h"}, "", "hour", "Count by hour", g},
		{Back, []string{"esc"}, "", "cancel", "", g},
	}
}

func audit() []Binding {
	const g = "Log"
	return append([]Binding{
		{Enter, []string{"enter", "l", "right"}, "enter", "open", "Open the event", g},
		{Touched, []string{"w"}, "", "who accessed this", "Who accessed this file", g},
		{Person, []string{"p"}, "", "person", "All events of this person", g},
		{OneLogin, []string{"s"}, "", "session", "All events of this session", g},
		{GroupBy, []string{"b"}, "", "group by", "Count the events by person, file, address, day…", g},
		{SaveLog, []string{"e"}, "", "export", "Export the events with their proof", g},
		{Follow, []string{"f"}, "", "follow", "Follow: new events appear at the top", g},
		{Chart, []string{"c"}, "", "chart span", "Chart: 24 hours, 30 days, 52 weeks", g},
		{OwnReads, []string{"o"}, "", "own reads", "Hide or show your own reads of the log", g},
		{Zone, []string{"z"}, "", "UTC or local", "Times in UTC or local", g},
		{CopyPath, []string{"y"}, "", "copy path", "Copy the path", g},
		{OpenProof, []string{"V"}, "", "verify the log", "Verify the log", g},
	}, questions()...)
}

// proof returns the bindings of the verification of the log.
func proof() []Binding {
	const g = "Verification"
	return []Binding{
		{SaveReport, []string{"e"}, "", "save report", "Save this report in a file", g},
		{CompareCopy, []string{"c"}, "", "compare copy", "Compare with a kept checkpoint or export", g},
		{Enter, []string{"enter", "l", "right"}, "enter", "show the event", "Show the event of the finding", g},
		{VerifyAgain, []string{"r"}, "", "verify again", "Verify the log again", g},
	}
}

func event() []Binding {
	const g = "Event"
	return []Binding{
		{Parent, []string{"h", "left", "backspace"}, "h", "back to the log", "", g},
		{Next, []string{"n"}, "", "next", "Next event, older", g},
		{Previous, []string{"N"}, "", "previous", "Previous event, newer", g},
		{Touched, []string{"w"}, "", "who accessed this", "", g},
		{Person, []string{"p"}, "", "person", "All events of this person", g},
		{OneLogin, []string{"s"}, "", "session", "All events of this session", g},
		{Zone, []string{"z"}, "", "UTC or local", "", g},
		{CopyPath, []string{"y"}, "", "copy path", "", g},
	}
}

// access returns the bindings of a list of the access page. Only enter differs.
func access(enter, long string) []Binding {
	return append([]Binding{
		{Enter, []string{"enter", "l", "right"}, "enter", enter, long, "Access"},
	}, asking()...)
}

func because() []Binding {
	return append([]Binding{
		{Parent, []string{"h", "left", "backspace"}, "h", "back to the list", "", "Access"},
	}, asking()...)
}

// asking returns the bindings that all views of the access page share.
func asking() []Binding {
	const g = "Access"
	return []Binding{
		{CanSee, []string{"m"}, "", "what can they see", "What can this person see", g},
		{Filter, []string{"/"}, "", "find person, path", "Find a person or a path", g},
		{Grants, []string{"a"}, "", "all grants", "All grants", g},
		{CopyPath, []string{"y"}, "", "copy", "Copy the path or the grant", g},
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
