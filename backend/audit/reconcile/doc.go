// Package reconcile compares the audit log with the logs that AWS writes about
// the same bytes: server access logs of S3, data events of CloudTrail, and the
// sign-ins of Cognito in CloudTrail.
//
// Read parses the lines of such logs. A Comparison takes the lines first and the
// events of the same range afterwards, and reports reads without an event, which
// are alarms, releases without a line, which prove nothing because AWS delivers
// its logs at best effort, and the bytes that left per release.
//
// The package is pure: it opens no file and no connection. It does not read the
// audit log; the caller supplies its events.
package reconcile
