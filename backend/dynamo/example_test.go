package dynamo_test

import (
	"fmt"

	"usher/backend/dynamo"
)

// All tables have the same keys.
func ExampleDefinition() {
	for _, k := range dynamo.Definition("usher-log").KeySchema {
		fmt.Println(*k.AttributeName, k.KeyType)
	}
	fmt.Println(dynamo.IndexTable("usher-log"))
	// Output:
	// pk HASH
	// sk RANGE
	// usher-log-index
}
