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
//   - Detection of loss. A file beside the log has the number of records, the root
//     of their tree and the number of checkpoints. Open refuses a log that ends
//     before it (ErrBehind).
//   - Tree. The tree of the records (package tree) is updated in the transaction
//     that writes them. Its head is signed (package checkpoint) after the commit.
//   - Detection of other writers. The writer compares SQLite's data_version before
//     each commit. After a commit by another program every append fails.
//
// The table records is the log; head, nodes and checkpoints prove it. The other
// tables are an index for queries; each row is derived from one record, and Verify
// compares the two.
//
// Authorization, deadlines and retries are left to package audit.
package sqlite
