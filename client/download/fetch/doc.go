// Package fetch fetches one object over ranges into a part, and verifies it.
//
// A Client has the connections. A Job is one attempt to fetch an object: the object, a source of
// URLs, the part, and a function for events. Fetch divides the object into
// segments (ledger.go), runs one request for each over a bounded number of
// connections (connections.go), cuts those that stall (watchdog.go), keeps to a rate (limit.go), repeats those
// that failed (classify.go), and compares the checksum (resume.go, verify).
//
// The package knows no engine, no queue and no grant: it never releases a URL
// itself.
package fetch
