package grant_test

import (
	"fmt"
	"time"

	"usher/backend/grant"
)

func ExampleSet_For() {
	set, err := grant.NewSet([]grant.Grant{
		{Group: "finance-team", Bucket: "company-reports", Prefix: "quarterly/"},
		{Group: "finance-team", Bucket: "company-reports", Prefix: "quarterly/drafts/", Effect: grant.Deny},
	})
	if err != nil {
		panic(err)
	}
	ada := set.For([]string{"finance-team"}, time.Now())
	fmt.Println(ada.Decide("company-reports", "quarterly/q3.csv").Allowed)
	fmt.Println(ada.Decide("company-reports", "quarterly/drafts/q4.csv").Allowed) // a deny wins
	fmt.Println(ada.Visible("company-reports", "").Next)
	// Output:
	// true
	// false
	// [{quarterly/ false}]
}
