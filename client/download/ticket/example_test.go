package ticket_test

import (
	"fmt"
	"time"

	"usher/backend/api"
	"usher/client/download/ticket"
)

// A URL of another host is refused, also if it is signed.
func ExampleChecker_Check() {
	checker, err := ticket.New(ticket.Config{Hosts: []string{"s3.eu-central-1.amazonaws.com"}})
	if err != nil {
		panic(err)
	}
	asked := api.ReleaseObject{Bucket: "reports", Key: "2025.csv"}
	for _, host := range []string{"reports.s3.eu-central-1.amazonaws.com", "storage.example.com"} {
		url := "https://" + host + "/2025.csv?X-Amz-Expires=60&X-Amz-Signature=5ec4e7"
		t, err := checker.Check(asked, api.ReleaseItem{URL: url, Life: 60}, time.Now())
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(t)
	}
	// Output:
	// download URL of reports.s3.eu-central-1.amazonaws.com
	// The server sent an unexpected download address for reports/2025.csv (its host is not the configured storage), so nothing was fetched. Tell your administrator.
}
