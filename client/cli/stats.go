package cli

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"usher/client/download"
)

// stats are --stats and --progress: progress for jobs and for programs.
type stats struct {
	every *time.Duration // nil: the default
	form  progressForm
}

// progressForm is the form of the progress.
type progressForm string

const (
	progressAuto progressForm = ""
	progressJSON progressForm = "json"
	progressOff  progressForm = "off"
)

// String returns "": the help names the default.
func (*stats) String() string { return "" }

// Set stores the time between two lines.
func (s *stats) Set(text string) error {
	d, err := time.ParseDuration(text)
	if text == "0" {
		d, err = 0, nil
	}
	if err != nil || d < 0 || d > 0 && d < 100*time.Millisecond {
		return errors.New("it is a duration of at least 100ms, like 30s or 5m, or 0")
	}
	s.every = &d
	return nil
}

// Type returns the type of the value in the help.
func (*stats) Type() string { return "duration" }

// String returns the current value.
func (p *progressForm) String() string { return string(*p) }

// Set stores a form.
func (p *progressForm) Set(text string) error {
	if !slices.Contains([]string{"auto", "json", "off"}, text) {
		return errors.New("it is auto, json or off")
	}
	if *p = progressForm(text); text == "auto" {
		*p = progressAuto
	}
	return nil
}

// Type returns the type of the value in the help.
func (*progressForm) Type() string { return "form" }

// interval returns the time between two lines; 0: no lines.
func (r *report) interval() time.Duration {
	switch {
	case r.stats.form == progressJSON && r.stats.every == nil:
		return time.Second
	case r.stats.form == progressJSON:
		return *r.stats.every
	case r.live() || r.json || r.quiet || r.stats.form == progressOff:
		return 0
	case r.stats.every == nil && r.ErrTTY:
		return linesEvery
	case r.stats.every == nil:
		return time.Minute
	}
	return *r.stats.every
}

// progressState is the progress in a line of --progress json, on stderr.
type progressState struct {
	Files     int     `json:"files"`      // found so far
	FilesDone int     `json:"files_done"` // of them, here
	Failed    int     `json:"failed"`
	Bytes     int64   `json:"bytes"`
	BytesDone int64   `json:"bytes_done"`
	Rate      float64 `json:"rate"` // bytes a second
	Left      float64 `json:"left"` // seconds; 0: not known
	Counting  bool    `json:"counting"`
	Waiting   string  `json:"waiting,omitempty"` // the reason for which nothing moves
}

// progressRow is a line of --progress json.
type progressRow struct {
	Progress progressState `json:"progress"`
}

// showStats prints one line. The caller holds mu.
func (r *report) showStats(s download.Snapshot) {
	if r.stats.form == progressJSON {
		r.writeJSON(r.Err, progressRow{progressState{
			Files: s.Files, FilesDone: s.FilesDone, Failed: s.FilesFailed, Bytes: s.Bytes, BytesDone: s.BytesDone,
			Rate: s.Rate, Left: s.Left.Seconds(), Counting: s.Counting > 0, Waiting: waiting(s),
		}})
		return
	}
	fmt.Fprintln(r.Err, progressLine(s, 200))
}
