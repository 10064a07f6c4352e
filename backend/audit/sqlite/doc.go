// Package sqlite is the audit.Store for a single machine: the audit log in one
// SQLite file, without further installation. (modernc.org/sqlite is SQLite
// translated to Go.)
//
// It implements the contract of audit.Store as follows:
//
//   - Durability. The journal is a write-ahead log (WAL) with
//     synchronous=FULL: every commit syncs the WAL, and Append returns after
//     the commit (https://www.sqlite.org/pragma.html#pragma_synchronous; with
//     NORMAL a power failure could undo the last commits). One goroutine
//     writes. All appends that arrive during a sync share the next commit, so
//     concurrent writers share one sync and a single writer waits for none.
//   - Fail closed. After a full disk, a log file that was moved or a WAL that
//     was deleted, the commit does not count and Append returns an error.
//   - One writer. Open refuses a log that another process has open.
//   - Detection of loss. A file beside the log has the number and hash of the
//     last record. Open refuses a log that ends before it (ErrBehind).
//   - Chain. Each record has its number, the hash of the previous record and
//     its own hash (event.Hash), computed in the transaction that writes it.
//
// The table records is the log. The other tables are an index for queries; each
// row is derived from one record, and Links compares the two.
//
// Authorization, deadlines and retries are left to package audit.
package sqlite
