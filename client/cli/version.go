package cli

import (
	"runtime"
	"runtime/debug"
)

// build is the output of version --json.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"` // "": the build has no version control
	Date     string `json:"date,omitempty"`   // of the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Modified *bool  `json:"modified,omitempty"` // the tree had changes; absent without version control
}

// build returns the facts that the linker has stored.
func (a *app) build() build {
	b := build{Version: a.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Date = s.Value
		case "vcs.modified":
			modified := s.Value == "true"
			b.Modified = &modified
		}
	}
	return b
}
