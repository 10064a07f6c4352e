package preview

import (
	"context"
	"testing"
)

// A decoder that panics is a damaged file.
func TestDecoderPanics(t *testing.T) {
	fails := kind{name: "table", show: func(context.Context, *Doc, input) error {
		var rows []string
		_ = rows[len(rows)]
		return nil
	}}
	d := &Doc{}
	d.add(&Table{})
	if err := guard(t.Context(), d, fails, input{}); err == nil || reason(err) != "its decoder failed" || len(d.Views) != 0 {
		t.Errorf("%v, %d views", err, len(d.Views))
	}
}
