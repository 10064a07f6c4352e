package evidence

import (
	"context"
	"os"

	"usher/backend/audit/bundle"
)

// Verify verifies the bundle at path.
func Verify(ctx context.Context, path string, check bundle.Check) (bundle.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return bundle.Report{}, diskError("opening the export", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return bundle.Report{}, diskError("opening the export", err)
	}
	return bundle.Verify(ctx, f, info.Size(), check)
}

// IsBundle reports whether the file at path begins like an export.
func IsBundle(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return bundle.Is(f)
}
