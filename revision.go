package main

import (
	"runtime/debug"
	"strconv"
	"time"
)

// The commit of a release build, set by the linker: its hash, its time in seconds
// since 1970, and "true" if the tree had changes. Go itself stores no commit for a
// linked worktree of git, and the bytes of a release would depend on that.
var commit, commitTime, modified string

// revision is the commit of a program. Without version control it is empty.
type revision struct {
	hash, date string
	modified   *bool
}

// source returns the commit of this program. A build without those of the release has
// the facts that Go has stored, if there are any.
func source() revision {
	if commit != "" {
		s := revision{hash: commit}
		if seconds, err := strconv.ParseInt(commitTime, 10, 64); err == nil {
			s.date = time.Unix(seconds, 0).UTC().Format(time.RFC3339)
		}
		if changed, err := strconv.ParseBool(modified); err == nil {
			s.modified = &changed
		}
		return s
	}
	var s revision
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return s
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			s.hash = setting.Value
		case "vcs.time":
			s.date = setting.Value
		case "vcs.modified":
			changed := setting.Value == "true"
			s.modified = &changed
		}
	}
	return s
}
