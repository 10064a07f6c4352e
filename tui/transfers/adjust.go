package transfers

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"usher/backend/safetext"
	"usher/client/download"
	"usher/client/quantity"
	"usher/tui/keys"
	"usher/tui/pane"
)

// rates are the steps of the rate limit in bytes a second; 0 is no limit.
var rates = []int64{0, 1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000, 50_000_000, 100_000_000}

// counts are the steps of the number of files at a time.
var counts = []int{1, 2, 3, 4, 6, 8, 12, 16}

// usualFiles is the number of files that the engine runs without a person's choice,
// as far as a step down is concerned.
const usualFiles = 4

// faster returns the next step of the rate limit: after the highest one there is no
// limit, and after none the lowest one.
func faster(now int64) int64 {
	for _, r := range rates {
		if r > now {
			return r
		}
	}
	return 0
}

// slower returns the step before: the highest one without a limit. The lowest one
// stays.
func slower(now int64) int64 {
	for _, r := range slices.Backward(rates) {
		if r > 0 && (now == 0 || r < now) {
			return r
		}
	}
	return rates[1]
}

// more returns the next number of files; 0 after the highest one.
func more(now int) int {
	for _, n := range counts {
		if now > 0 && n > now {
			return n
		}
	}
	return 0
}

// fewer returns the number before. Without a choice it is below the running files.
func fewer(now, running int) int {
	if now == 0 {
		now = running
		if now == 0 {
			now = usualFiles
		}
	}
	for _, n := range slices.Backward(counts) {
		if n < now {
			return n
		}
	}
	return 1
}

// adjust runs an action on the limits of all transfers. The second result is false
// for any other action.
func (p *Pane) adjust(a keys.Action) (tea.Cmd, bool) {
	s := &p.snap
	switch a {
	case keys.RateUp, keys.RateDown:
		to := faster(s.Limit)
		if a == keys.RateDown {
			to = slower(s.Limit)
		}
		s.Limit = to // the next key press may come before the copy
		say := "Rate limit: off."
		if to > 0 {
			say = "Rate limit: " + rate(to) + " for all downloads together."
		}
		return p.set(say, func(e Engine) { e.SetLimit(to) }), true
	case keys.MoreAtOnce, keys.FewerAtOnce:
		to := more(s.AtOnce)
		if a == keys.FewerAtOnce {
			to = fewer(s.AtOnce, s.Running)
		}
		s.AtOnce = to
		say := "Files at a time: as many as bring throughput."
		if to > 0 {
			say = quantity.Plural(to, "file", "files") + " at a time."
		}
		return p.set(say, func(e Engine) { e.SetParallel(to) }), true
	}
	return nil, false
}

// set changes a limit and shows a sentence.
func (p *Pane) set(say string, do func(Engine)) tea.Cmd {
	return tea.Batch(p.call(do), pane.Send(pane.Say{Text: safetext.New(say)}))
}

// precede makes a transfer the first one, or ends its precedence.
func (p *Pane) precede(t *download.Transfer) tea.Cmd {
	id := t.ID
	if id == p.snap.First {
		return p.set("All transfers run again.", func(e Engine) { e.First(0) })
	}
	return p.set(safetext.New(base(t)).Distinct()+" comes first. The others wait and keep their bytes.", func(e Engine) { e.First(id) })
}

// leads reports whether a transfer belongs to the first one.
func (p *Pane) leads(t *download.Transfer) bool {
	return p.snap.First != 0 && (t.ID == p.snap.First || t.Parent == p.snap.First)
}

// rate formats a limit. The steps are whole megabytes.
func rate(bytes int64) string {
	if bytes%1_000_000 == 0 {
		return quantity.Count(int(bytes/1_000_000)) + " MB/s"
	}
	return quantity.Rate(float64(bytes))
}

// limits returns the note at the head of the page: the running files and the limits.
func (p *Pane) limits() string {
	s, say := p.snap, ""
	add := func(text string) {
		if say != "" {
			say += ", "
		}
		say += text
	}
	if s.Running > 0 {
		add(quantity.Count(s.Running) + " running")
	}
	if s.AtOnce > 0 {
		add(quantity.Count(s.AtOnce) + " at a time")
	}
	if s.Limit > 0 {
		add("limit " + rate(s.Limit))
	}
	return say
}
