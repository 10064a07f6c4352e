package tui

// CompareLog is compareLog.
var CompareLog = compareLog
