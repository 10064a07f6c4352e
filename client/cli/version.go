package cli

import "runtime"

// Source is the commit of a program. Without version control it is empty.
type Source struct {
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"`     // of the commit
	Modified *bool  `json:"modified,omitempty"` // the tree had changes; absent without version control
}

// build is the output of version --json.
type build struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Source
}

func (a *app) build() build {
	return build{Version: a.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Source: a.Source}
}
