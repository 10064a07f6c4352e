package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"usher/backend/audit/reconcile"
	"usher/backend/event"
	"usher/client/quantity"
)

// s3Word is the word of S3 about the releases of a group: the lines of its access logs.
// AWS delivers these logs at best effort, so a release without a line is no proof.
type s3Word struct {
	Bytes    int64     `json:"bytes"`    // sent
	Requests int       `json:"requests"` // lines
	Releases int       `json:"releases"` // with a line
	Unseen   int       `json:"unseen"`   // releases between from and until without a line
	From     time.Time `json:"from"`     // first and last line of the logs
	Until    time.Time `json:"until"`
}

// cell returns the text for a table.
func (w *s3Word) cell() string {
	switch {
	case w == nil:
		return "no S3 log"
	case w.Unseen > 0:
		return fmt.Sprintf("%s, %s without a line", quantity.Size(w.Bytes), quantity.Count(w.Unseen))
	}
	return quantity.Size(w.Bytes)
}

// s3Words has the word of S3 for each group; nil without logs.
type s3Words struct {
	from, until time.Time
	groups      map[string]*s3Word
}

// of returns the word about a group.
func (s *s3Words) of(keys []string) *s3Word {
	if s == nil {
		return nil
	}
	if w := s.groups[groupID(keys)]; w != nil {
		return w
	}
	return &s3Word{From: s.from, Until: s.until}
}

// note describes the range of the logs.
func (s *s3Words) note(a *app) {
	if s.from.IsZero() {
		fmt.Fprintln(a.Err, "The S3 logs have no line of a request.")
		return
	}
	fmt.Fprintf(a.Err, "S3's lines are from %s to %s (UTC). AWS delivers them at best effort.\n", clock(s.from), clock(s.until))
}

func groupID(keys []string) string { return strings.Join(keys, "\x00") }

// s3Words compares S3's logs with the releases of a query. The words of a nil list of
// files are nil.
func (a *app) s3Words(ctx context.Context, files []string, by []event.By, query string, ask queryLog) (*s3Words, *unreadLines, error) {
	unread := &unreadLines{}
	if len(files) == 0 {
		return nil, unread, nil
	}
	compare, err := reconcile.New(reconcile.Config{Life: maxURLSeconds * time.Second})
	if err != nil {
		return nil, nil, err
	}
	if unread, err = a.readLogs(ctx, files, compare); err != nil {
		return nil, nil, err
	}
	out := &s3Words{groups: map[string]*s3Word{}}
	groups := map[string]string{} // of each release
	report, err := compare.Compare(func(yield func(event.Event, error) bool) {
		for e, err := range releases(ctx, ask, compare, query) {
			if err == nil && e.Action == event.Download && e.Outcome == event.Allowed {
				keys := make([]string, len(by))
				for i, b := range by {
					keys[i] = b.Key(e)
				}
				groups[e.ID] = groupID(keys)
			}
			if !yield(e, err) {
				return
			}
		}
	})
	if err != nil {
		return nil, nil, err
	}
	out.from, out.until = report.From, report.Until
	word := func(release string) *s3Word {
		w := out.groups[groups[release]]
		if w == nil {
			w = &s3Word{From: report.From, Until: report.Until}
			out.groups[groups[release]] = w
		}
		return w
	}
	for _, f := range report.Fetched {
		w := word(f.Event)
		w.Bytes += f.Bytes
		w.Requests += f.Requests
		w.Releases++
	}
	for _, u := range report.Unseen {
		word(u.Event).Unseen++
	}
	return out, unread, nil
}
