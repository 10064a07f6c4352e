// Package dynamo is the audit.Store in DynamoDB, for any number of servers that
// share nothing else. It has two tables.
//
// The log table is the log. The events of one Append are one item, written by
// one conditional PutItem, so a release of 250 objects is one call and all or
// nothing. An item is never changed and never deleted except by its expiry: the
// store needs no permission for UpdateItem and DeleteItem. Events of several
// milliseconds, and events that do not fit into an item, become several items of
// one transaction.
//
//	pk    the hour and one of 16 shards, "2026-11-28T17#a"; the first four random
//	      bits of the id choose the shard, so an event's id names its partition
//	sk    the id of the item's first event
//	e     the canonical bytes of the events, a line each, compressed (zstd)
//	h     SHA-256 of the lines
//	n     number of events
//	w, b  writer, and the writer's number of the item: a gap is visible
//	ttl   expiry; expired items are filtered, because DynamoDB deletes them days later
//
// The index table is derived from the log. It has a row for each person, session,
// address, request, object, folder, rare action and outcome of an item (Rows),
// and counts per hour. An Indexer writes it, at least once and in any order: each
// row depends on its item alone. A mark has the time up to which the index is
// complete. Queries use the index before the mark and read the log itself after
// it, so they never wait for the Indexer, and an index that is hours late costs
// time but hides nothing. An event that is recorded late, long after its own time,
// moves the mark back.
//
// Authorization, deadlines and the retries of a whole Append are left to package
// audit, and the calls to package backend/dynamo.
package dynamo
