package file_test

import (
	"fmt"

	"usher/backend/grant/file"
)

func ExampleParse() {
	grants, err := file.Parse("grants.yaml", []byte(`grants:
  - {group: finance-team, bucket: company-reports, prefix: quarterly/}
`))
	fmt.Println(len(grants), grants[0].Group, err)

	// A prefix without a slash at its end would also cover other folders.
	_, err = file.Parse("grants.yaml", []byte(`grants:
  - {group: finance-team, bucket: company-reports, prefix: quarterly}
`))
	fmt.Println(err)
	// Output:
	// 1 finance-team <nil>
	// grants.yaml:2:60: prefix "quarterly" does not end in "/"; put a "/" at its end for a folder, or write object: for one object
}
