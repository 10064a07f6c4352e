// Package rig holds the judges of the sandbox and of usher: servers, clients
// and test suites that others wrote. It has tests only; `make test-rig` starts
// them through the script run, which installs the judges and says where they
// are.
//
// There are four judges. versitygw, a whole S3 server, does the main job in
// the sandbox's place (TestVersitygwServer; the download matrix on it,
// TestVersitygwServerFaults, lies in client/download); its client tests are set on the
// sandbox's S3 (TestVersitygwClient); Amazon's clients for JavaScript sign in
// to the sandbox's pool and verify its tokens (TestAmazonJavaScript); Amazon's
// SDK for Go talks to S3 and pool alike (TestAmazonGo). Each judge's tests begin with the
// judge's name, so that a claim in README.md cannot be proved by somebody
// else: package proofs holds the table there against what ran.
//
// The rig is a module of its own, so that nothing here reaches usher's go.sum.
package rig
