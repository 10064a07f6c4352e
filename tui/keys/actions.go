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
	Sets       Context = "sets"      // the named sets of marks
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
	Requests   Context = "requests"  // the open requests for access
	Reader     Context = "reader"    // scrolled text
	Preview    Context = "preview"   // the contents of a file
	Diff       Context = "diff"      // two versions of a file
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

	NarrowerFolders Action = "narrower-folders"
	WiderFolders    Action = "wider-folders"
	WiderDetails    Action = "wider-details"
	NarrowerDetails Action = "narrower-details"
	ResetWidths     Action = "default-widths"

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
	SaveSet  Action = "save-set"
	OpenSets Action = "sets"
	Download Action = "download"
	Whole    Action = "download-folder"
	Read     Action = "read"
	CopyPath Action = "copy-path"
	CopySum  Action = "copy-checksum"
	CopyMenu Action = "copy-menu"
	Why      Action = "why"
	Request  Action = "request-access"
	Touched  Action = "who-touched"

	CopyURI   Action = "copy-uri"
	CopyLink  Action = "copy-link"
	CopyCurl  Action = "copy-curl"
	CopyAdmin Action = "copy-for-admin"

	CopyCommand Action = "copy-command"
	CopyVersion Action = "copy-version"

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
	NextChange   Action = "next-change"
	PrevChange   Action = "previous-change"
	LineNumbers  Action = "line-numbers"
	NextView     Action = "next-view"
	LoadMore     Action = "load-more"

	CanSee Action = "can-see"
	Grants Action = "grants"

	OpenRequests Action = "open-requests"
	Approve      Action = "approve"
	Decline      Action = "decline"
)

// ChangesFront reports whether an action of a context may open or close a page or a
// dialog. In the browser, the first ones open and leave folders, on the same page.
func ChangesFront(c Context, a Action) bool {
	switch a {
	case Enter, Parent, Back, Quit:
		return c != Browser && c != Tree && c != Details
	case Reload:
		return c == Reader
	case Read, OpenVersions, Touched, Why, Compare, CompareCopy, Marks, OpenSets, Download, Whole,
		Request, OldOnes, OpenProof, Approve, Decline, Remove, Again, Folder, LoadMore, SaveLog,
		CopyMenu, CopyPath, CopySum, CopyURI, CopyLink, CopyCurl, CopyAdmin, CopyCommand, CopyVersion:
		return true
	}
	return false
}
