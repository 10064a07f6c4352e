package quantity_test

import (
	"fmt"
	"time"

	"usher/client/quantity"
)

func Example() {
	fmt.Println(quantity.Size(412_345_678), "of", quantity.Size(1_020_000_000), quantity.PercentOf(412, 1020), "%")
	fmt.Println(quantity.Plural(1284, "file", "files"), quantity.Rate(24_100_000), quantity.Remaining(70*time.Second))
	// Output:
	// 412 MB of 1.02 GB 40 %
	// 1,284 files 24.1 MB/s 1 min 10 s
}
