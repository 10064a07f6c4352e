package format_test

import (
	"fmt"
	"time"

	"usher/tui/format"
)

func Example() {
	modified := time.Date(2026, 3, 14, 9, 12, 0, 0, time.UTC)
	now := modified.AddDate(0, 8, 9)
	fmt.Println(format.DateTime(modified), format.Zone(modified), format.Ago(modified, now))
	fmt.Println(format.Middle("2025-consolidated-ledger.parquet", 25, "…"))
	fmt.Println(format.Fit(12, "24.1 MB/s, 14 s left", "14 s left"))
	// Output:
	// 2026-03-14 09:12 UTC 8 mo ago
	// 2025-consoli…dger.parquet
	// 14 s left
}
