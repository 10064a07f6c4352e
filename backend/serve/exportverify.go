package serve

import (
	"context"
	"fmt"
	"os"

	"usher/backend/audit/bundle"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/redecide"
)

// VerifiedExport is the result of VerifyExport.
type VerifiedExport struct {
	bundle.Report
	Decided   bool            // the export has the names of groups, so its decisions were decided again
	Decisions redecide.Result // of the readable events
}

// VerifyExport verifies an export, and decides every decision in it again with the
// grants and the names of groups in the export.
func VerifyExport(ctx context.Context, path string, check bundle.Check) (out VerifiedExport, err error) {
	f, err := os.Open(path)
	if err != nil {
		return out, fmt.Errorf("opening the export: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return out, fmt.Errorf("opening the export: %w", err)
	}
	again, err := redecide.New(redecide.Config{Grants: func(_ context.Context, version string) (*grant.Set, error) {
		return exportedGrants(f, info.Size(), version)
	}})
	if err != nil {
		return out, err
	}
	check.Groups = func(all bundle.Groups) {
		out.Decided = true
		again.Groups(all)
	}
	check.Event = func(r event.Record) error {
		if out.Decided {
			again.Event(ctx, r.Index+1, &r.Event)
		}
		return nil
	}
	if out.Report, err = bundle.Verify(ctx, f, info.Size(), check); err != nil {
		return out, err
	}
	out.Decisions, err = again.Result()
	return out, err
}

// exportedGrants returns a version of the grants in an export.
func exportedGrants(f *os.File, size int64, version string) (*grant.Set, error) {
	text, err := bundle.Policy(f, size, version)
	if err != nil {
		return nil, err
	}
	if text == nil {
		return nil, grant.ErrUnknown
	}
	set, err := grant.ParseText(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", redecide.ErrBadPolicy, err)
	}
	return set, nil
}
