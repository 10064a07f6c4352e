package tui

// CompareLog is compareLog.
var CompareLog = compareLog

// Links is links.
var Links = links
