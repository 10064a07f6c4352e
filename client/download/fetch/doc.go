// Package fetch fetches one object over ranges into a part, and verifies it.
//
// A Client has the connections. A Job is one attempt to fetch an object: the object,
// its first URL, the part, and the Owner, which releases further URLs and hears of
// events. Fetch (fetch.go) has its steps in order:
//
//   - attempt.go takes over the part of an earlier attempt, and at the end compares the
//     checksum and keeps or removes the part;
//   - segments.go divides the object and runs one connection for each segment, within
//     the bounds of connections.go;
//   - request.go fills a segment with one GET (response.go), by a URL of tickets.go;
//   - retry.go judges its failure: the policy is tested alone, as are the round
//     trippers that cut a stalled GET (watchdog.go) and keep to a rate (limit.go).
//
// The package knows no engine, no queue and no grant: it never releases a URL
// itself.
package fetch
