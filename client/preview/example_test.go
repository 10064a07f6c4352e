package preview_test

import (
	"context"
	"fmt"

	"usher/client/preview"
)

// A file is opened by its first bytes, and its first view is that of its kind.
func ExampleOpen() {
	file := memory("city,people\nOslo,717710\nBergen,291940\n")
	r := preview.NewRanges(file, int64(len(file)))
	d, err := preview.Open(context.Background(), r, "cities.csv", preview.First)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Kind)
	t := d.Views[0].(*preview.Table)
	fmt.Println(t.Head, t.Rows)
	fmt.Println(r.Requests(), "range,", r.Bytes(), "bytes")
	// Output:
	// CSV table
	// [city people] [[Oslo 717710] [Bergen 291940]]
	// 1 range, 38 bytes
}
