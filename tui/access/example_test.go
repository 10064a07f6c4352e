package access_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"usher/backend/api"
	"usher/tui/access"
	"usher/tui/pane"
	"usher/tui/theme"
	"usher/tui/tuitest"
)

// oneGrant is a server with one grant.
type oneGrant struct{ access.Backend }

func (oneGrant) GrantsList(context.Context) (api.GrantsListResponse, error) {
	prefix := "annual/"
	return api.GrantsListResponse{Version: "41", Grants: []api.Grant{
		{Group: "audit-team", Bucket: "company-reports", Prefix: &prefix, Effect: "allow", Text: "audit-team reads company-reports/annual/"}}}, nil
}

// Without a path, the first view is the list of all grants.
func Example() {
	p, err := access.New(access.Deps{Env: &pane.Env{Theme: theme.New(theme.Options{}), Me: &pane.Me{}}, Backend: oneGrant{}, Now: tuitest.Epoch})
	if err != nil {
		fmt.Println(err)
		return
	}
	p.View(80, 20) // sets the size of the list
	tuitest.Drive(p.Handle, p.Opened())
	for line := range strings.Lines(ansi.Strip(p.View(80, 20))) {
		if strings.Contains(line, "company-reports") {
			fmt.Println(strings.Join(strings.Fields(line), " "))
		}
	}
	// Output: ▌ audit-team allow company-reports/annual/
}
