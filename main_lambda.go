//go:build lambda.norpc

// Usher's server alone, for AWS Lambda: without the browser, the commands and the
// sandbox.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"usher/backend/api"
	"usher/backend/serve"
)

func main() {
	deps := serveDeps()
	if !serve.OnLambda(os.Getenv) {
		deps.Log.Error("this build of usher runs on AWS Lambda only: use one without the tag lambda.norpc")
		os.Exit(api.ExitUsage)
	}
	ctx := context.Background()
	f, err := serve.NewFunction(ctx, os.Environ(), deps)
	if err != nil {
		deps.Log.Error("the server cannot start", "error", err.Error())
		os.Exit(api.ExitUsage)
	}
	options := []lambda.Option{lambda.WithContext(ctx)}
	if f.End != nil {
		options = append(options, lambda.WithEnableSIGTERM(f.End))
	}
	lambda.StartWithOptions(f.Handler, options...)
}
