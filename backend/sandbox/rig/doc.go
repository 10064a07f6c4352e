// Package rig tests usher and its sandbox against independent servers, clients
// and test suites, called judges. It contains only tests. `make test-rig` runs
// them through the script run, which installs the judges and sets environment
// variables with their paths.
//
// The judges:
//   - versitygw, an S3 server, replaces the sandbox's S3 (TestVersitygwServer).
//     The download matrix on it, TestVersitygwServerFaults, is in
//     client/download;
//   - versitygw's client tests run against the sandbox's S3
//     (TestVersitygwClient);
//   - Amazon's clients for JavaScript sign in to the sandbox's pool and verify
//     its tokens (TestAmazonJavaScript);
//   - Amazon's SDK for Python tests S3 and the pool (TestAmazonPython);
//   - Amazon's SDK for Go tests S3 and the pool (TestAmazonGo).
//
// The tests of a judge begin with its name. Package proofs compares the claims in
// README.md with the tests that passed: only a test of the named judge proves a
// claim.
//
// The rig is a separate module, so its dependencies are not in usher's go.sum.
package rig
