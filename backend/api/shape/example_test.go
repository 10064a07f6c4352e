package shape_test

import (
	"fmt"

	"usher/backend/api/shape"
)

func ExampleBucketProblem() {
	fmt.Printf("%q\n", shape.BucketProblem("company-reports"))
	fmt.Printf("%q\n", shape.BucketProblem("Company"))
	fmt.Println(shape.Loopback("127.0.0.1"), shape.Loopback("files.example.com"))
	// Output:
	// ""
	// "a bucket's name has only lowercase letters, digits, dots and hyphens"
	// true false
}
