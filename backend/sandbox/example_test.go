//go:build !nosandbox

package sandbox_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"usher/backend/sandbox"
)

// Each person in Facts can sign in to the pool at CognitoEndpoint. The S3 keys
// authenticate any S3 tool at S3Endpoint.
func Example() {
	dir, err := os.MkdirTemp("", "sandbox")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := sandbox.Start(context.Background(), sandbox.Options{Dir: dir, Now: time.Now})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close() }()
	fmt.Println(s.Region, s.UserPoolID)
	for _, p := range s.People {
		fmt.Println(p.Username, p.Groups)
	}
	// Output:
	// us-east-1 us-east-1_UsherDemo
	// ada [finance-team]
	// grace [external-auditors usher-auditors]
	// alan [engineering]
	// margaret [usher-admins finance-team]
	// edsger [engineering]
	// barbara [finance-team engineering]
	// joan [engineering]
	// katherine [engineering]
}
