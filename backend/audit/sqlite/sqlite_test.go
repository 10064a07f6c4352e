package sqlite

import (
	"path/filepath"
	"testing"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
)

func TestSuite(t *testing.T) {
	audittest.Run(t, func() audit.Store {
		s, err := Open(filepath.Join(t.TempDir(), "audit.db"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
