//go:build lambda.norpc

// Usher's server alone, for AWS Lambda: without the browser, the commands and the
// sandbox.
package main

import (
	"context"
	"os"

	"usher/backend/api"
	"usher/backend/serve"
)

func main() {
	deps := serveDeps()
	if !serve.OnLambda(os.Getenv) {
		deps.Log.Error("this build of usher runs on AWS Lambda only: use one without the tag lambda.norpc")
		os.Exit(api.ExitUsage)
	}
	if err := serve.RunLambda(context.Background(), os.Environ(), deps); err != nil {
		deps.Log.Error("the server cannot start", "error", err.Error())
		os.Exit(api.ExitUsage)
	}
}
