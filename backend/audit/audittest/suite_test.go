package audittest

import (
	"testing"

	"usher/backend/audit"
)

func TestMemory(t *testing.T) {
	Run(t, func() audit.Store { return NewMemory() })
}
