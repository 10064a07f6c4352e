package audit_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"usher/backend/api"
	"usher/backend/event"
	"usher/tui/audit"
	"usher/tui/pane"
	"usher/tui/theme"
	"usher/tui/tuitest"
)

// oneEvent is an audit log with one event.
type oneEvent struct{}

func (oneEvent) AuditQuery(context.Context, api.AuditQueryRequest) (api.AuditQueryResponse, error) {
	return api.AuditQueryResponse{Events: []event.Event{{ID: "e1", Time: tuitest.Epoch(), User: event.User{Username: "ada"},
		Action: event.Download, Bucket: "company-reports", Key: "2025.pdf", Outcome: event.Allowed}}}, nil
}

func (oneEvent) AuditSummary(context.Context, api.AuditSummaryRequest) (api.AuditSummaryResponse, error) {
	return api.AuditSummaryResponse{Events: 1, Downloads: 1, People: 1}, nil
}

func (oneEvent) AuditBy(context.Context, api.AuditByRequest) (api.AuditByResponse, error) {
	return api.AuditByResponse{}, nil
}

// The page queries the log when it opens.
func Example() {
	p, err := audit.New(audit.Deps{Env: &pane.Env{Theme: theme.New(theme.Options{}), Zone: tuitest.Epoch().Location(), Me: &pane.Me{}}, Backend: oneEvent{}, Now: tuitest.Epoch})
	if err != nil {
		fmt.Println(err)
		return
	}
	p.View(120, 30) // sets the size of the list
	tuitest.Drive(p.Handle, p.Opened())
	for line := range strings.Lines(ansi.Strip(p.View(120, 30))) {
		if strings.Contains(line, "2025.pdf") {
			fmt.Println(strings.Join(strings.Fields(line), " "))
		}
	}
	// Output: ▌ 09:12:04.000 ada download ✓ allowed company-reports/2025.pdf
}
