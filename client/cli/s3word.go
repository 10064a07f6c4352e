package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

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
	report reconcile.Report
	groups map[string]*s3Word
}

// of returns the word about a group.
func (s *s3Words) of(keys []string) *s3Word {
	if s == nil {
		return nil
	}
	if w := s.groups[groupID(keys)]; w != nil {
		return w
	}
	return &s3Word{From: s.report.From, Until: s.report.Until}
}

// note describes the range of the logs.
func (s *s3Words) note(a *app) {
	if s.report.Lines == 0 {
		fmt.Fprintln(a.Err, "The S3 logs have no line of a request.")
		return
	}
	fmt.Fprintf(a.Err, "S3's lines are from %s to %s (UTC). AWS delivers them at best effort.\n", clock(s.report.From), clock(s.report.Until))
	a.noteRequesters(s.report)
}

func groupID(keys []string) string { return strings.Join(keys, "\x00") }

// awsLogs are the flags of S3's own logs.
type awsLogs struct {
	files []string
	roles []string // that sign URLs, beside the server's
}

func (l *awsLogs) flags(cmd *cobra.Command, usage string) {
	cmd.Flags().StringArrayVar(&l.files, "s3", nil, usage)
	cmd.Flags().StringArrayVar(&l.roles, "role", nil, "with --s3: ARN of a role or user that signs URLs, beside the server's own")
}

// s3Words compares S3's logs with the releases of a query. The words of a nil list of
// files are nil.
func (a *app) s3Words(ctx context.Context, logs awsLogs, by []event.By, query string, log auditSource) (*s3Words, *unreadLines, error) {
	unread := &unreadLines{}
	if len(logs.files) == 0 {
		return nil, unread, nil
	}
	compare, err := reconcile.New(reconcile.Config{Life: maxURLSeconds * time.Second})
	if err != nil {
		return nil, nil, err
	}
	if unread, err = a.readLogs(ctx, logs.files, compare); err != nil {
		return nil, nil, err
	}
	out := &s3Words{groups: map[string]*s3Word{}}
	groups := map[string]string{} // of each release
	known, err := signers(ctx, log.summary, logs.roles)
	if err != nil {
		return nil, nil, err
	}
	report, err := compare.Compare(known, func(yield func(event.Event, error) bool) {
		for e, err := range releases(ctx, log.AuditQuery, compare, query) {
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
	if report.UnknownLines() > 0 {
		return nil, nil, unknownOperations(report)
	}
	out.report = report
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
