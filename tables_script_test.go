package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"usher/backend/demo/demotest"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/sandbox"
)

// beginTables starts a server whose log, grants and state are in DynamoDB. It sets
// USHER_SERVER and the environment of AWS, and writes the files of beginDemo.
func beginTables(ts *testscript.TestScript, _ []string) {
	t := ts.Value(testKey{}).(testing.TB)
	db := dynamotest.New(t)
	w := demotest.StartOn(t, func(box *sandbox.Sandbox) demotest.Storage {
		return demotest.Storage{Endpoint: box.Facts.S3Endpoint, DynamoDB: db.Endpoint()}
	})
	for name, value := range map[string]string{
		"USHER_SERVER": w.Server, "AWS_ENDPOINT_URL_DYNAMODB": db.Endpoint(),
		"AWS_ACCESS_KEY_ID": w.S3AccessKey, "AWS_SECRET_ACCESS_KEY": w.S3SecretKey,
	} {
		ts.Setenv(name, value)
	}
	for _, p := range w.People {
		ts.Check(os.WriteFile(ts.MkAbs(p.Username+".pw"), []byte(p.Password+"\n"), 0o600))
	}
}
