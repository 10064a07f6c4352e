package transfers

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/download"
	"usher/client/quantity"
	"usher/tui/pane"
)

// longBatch is the time from which the end of a batch is signaled.
const longBatch = 10 * time.Second

// Ended is a message to the root about the end of a long batch.
type Ended struct{ Text safetext.Text }

// ended returns the sentence about a completed batch: the downloaded files, the
// ones that were already here, and the failed ones.
func (p *Pane) ended() tea.Cmd {
	s := p.snap
	say := pane.Say{Tone: pane.Good, Text: safetext.New(summary(s, p.queueKey()))}
	if s.FilesDiffer > 0 || s.FilesFailed > 0 {
		say.Tone = pane.Warning
	}
	long := p.ticks >= longBatch
	p.ticks, p.measured = 0, 0
	switch {
	case say.Text.IsZero():
		return nil
	case long:
		return tea.Batch(pane.Send(say), pane.Send(Ended{say.Text}))
	}
	return pane.Send(say)
}

// summary returns that sentence, "" for an empty batch.
func summary(s download.Snapshot, queue string) string {
	same, left := s.FilesSame, s.FilesDiffer
	came := s.FilesDone - same - left
	var say []string
	if s.FilesFailed > 0 {
		say = append(say, fmt.Sprintf("%s of %s failed. %s shows why.",
			quantity.Count(s.FilesFailed), quantity.Plural(s.FilesDone+s.FilesFailed, "file", "files"), queue))
	}
	if came > 0 {
		text := quantity.Plural(came, "file", "files") + ", " + quantity.Size(s.BytesNew)
		switch {
		case s.FilesPlain >= came:
			text += ", checked by size only."
		case s.FilesPlain > 0:
			text += ", verified, " + quantity.Count(s.FilesPlain) + " of them by size only."
		default:
			text += ", verified."
		}
		say = append(say, text)
	}
	if left > 0 {
		say = append(say, quantity.Plural(left, "file differs and was not replaced.", "files differ and were not replaced.")+" "+queue+" shows more.")
	}
	if same > 0 {
		say = append(say, quantity.Plural(same, "file was already here and identical.", "files were already here and identical."))
	}
	return strings.Join(say, " ")
}
