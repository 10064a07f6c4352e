package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
	"usher/backend/event"
)

// FaultKind is the kind of a fault in a log.
type FaultKind string

// Kinds of faults.
const (
	FaultChanged    FaultKind = "changed"    // records do not match the tree or a checkpoint
	FaultMissing    FaultKind = "missing"    // records are missing
	FaultInserted   FaultKind = "inserted"   // records are not from usher
	FaultMoved      FaultKind = "moved"      // the record is the event of another number
	FaultUnreadable FaultKind = "unreadable" // the record is no event
	FaultIndex      FaultKind = "index"      // the index differs from the record
	FaultCounts     FaultKind = "counts"     // the counts of an hour differ from the records
	FaultTree       FaultKind = "tree"       // a stored hash of the tree differs from the records
	FaultCheckpoint FaultKind = "checkpoint" // a checkpoint is missing, or has no valid signature
	FaultSchema     FaultKind = "schema"     // the database has other tables or triggers
	FaultUnsigned   FaultKind = "unsigned"   // records without a checkpoint, more of them than a crash leaves
)

// Fault is one fault of a log.
type Fault struct {
	Kind   FaultKind
	Seq    int64 // first record concerned; 0: none in particular
	Count  int64 // records concerned
	Detail string
}

func (f Fault) String() string {
	text := string(f.Kind)
	switch {
	case f.Count > 1:
		text = fmt.Sprintf("%s: records %d to %d", f.Kind, f.Seq, f.Seq+f.Count-1)
	case f.Seq > 0:
		text = fmt.Sprintf("%s: record %d", f.Kind, f.Seq)
	}
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	return text
}

// err returns the error of Open for a fault of this kind.
func (k FaultKind) err() error {
	switch k {
	case FaultIndex, FaultCounts:
		return ErrIndex
	case FaultCheckpoint, FaultSchema, FaultUnsigned:
		return ErrTampered
	}
	return ErrDamaged
}

// maxFaults is the maximum number of faults in a Report.
const maxFaults = 100

// Report is the result of a verification.
type Report struct {
	Head        tree.Head // of all records
	Whole       int64     // the records up to this number have no fault
	Signed      int64     // number of records that checkpoints with valid signatures prove
	Checkpoints int64     // number of those checkpoints
	Policy      bool      // cosignatures were verified
	Witnessed   int64     // number of records that a checkpoint with the cosignatures of the policy proves
	Expired     int64     // number of records that retention deleted
	Faults      []Fault   // the first 100
	FaultCount  int       // number of all faults
}

// Err returns the first fault as an error, or nil.
func (r Report) Err() error {
	if r.FaultCount == 0 {
		return nil
	}
	return fmt.Errorf("%w (%s)", r.Faults[0].Kind.err(), r.Faults[0])
}

// Unsigned returns the number of records at the end that no checkpoint proves.
func (r Report) Unsigned() int64 { return r.Head.Size - r.Signed }

// fault adds a fault. Adjacent ranges of one kind are one fault.
func (r *Report) fault(f Fault) {
	if last := len(r.Faults) - 1; last >= 0 && f.Seq > 0 && r.Faults[last].Kind == f.Kind && r.Faults[last].Detail == f.Detail &&
		r.Faults[last].Seq+r.Faults[last].Count >= f.Seq && r.Faults[last].Seq <= f.Seq {
		end := max(f.Seq+f.Count, r.Faults[last].Seq+r.Faults[last].Count)
		r.Faults[last].Count = end - r.Faults[last].Seq
		return
	}
	r.FaultCount++
	if len(r.Faults) < maxFaults {
		r.Faults = append(r.Faults, f)
	}
}

// Known is a head that a log must contain, with its source for people.
type Known struct {
	tree.Head
	From string // "the checkpoint in FILE"
}

// Check is the extent of VerifyFile. All fields may be empty.
type Check struct {
	Key      *checkpoint.Verifier // nil: no checkpoint is verified
	Known    []Known
	Policy   *checkpoint.Policy       // of the witnesses; nil: cosignatures are not verified
	Server   bool                     // the log of a server, which has a head file
	Progress func(done, events int64) // called after every few thousand records
	// Grants returns an error for a text that is not the one of its version of the
	// grants. nil: the kept versions are not verified.
	Grants func(version string, text []byte) error
	// Event receives each readable event, in order, on one goroutine. e is valid during
	// the call.
	Event func(seq int64, e *event.Event)
}

// ErrDeleted: a server deleted expired events during a verification. Repeat it.
var ErrDeleted = errors.New("expired events were deleted during the verification; run it again")

// VerifyFile verifies the log at path: content, tree, index, counts, schema and,
// with a key, all checkpoints. If the file has a head file, it verifies that too.
// A server may write the log meanwhile. The error is one of reading, or ErrDeleted;
// the Report has the faults.
func VerifyFile(ctx context.Context, path string, c Check) (Report, error) {
	r, err := verifyFile(ctx, path, c)
	if err != nil {
		return r, fmt.Errorf("verifying the audit log: %w", err)
	}
	return r, nil
}

// unreadable returns the report about a file that is no log, or that is missing although
// its head file has records.
func unreadable(path string, err error) (Report, error) {
	claimed, herr := readHead(path + headSuffix)
	var r Report
	switch info, serr := os.Stat(path); {
	case herr != nil:
		return r, herr
	case errors.Is(err, ErrNoLog) && claimed.Size > 0:
		r.fault(Fault{Kind: FaultMissing, Seq: 1, Count: claimed.Size, Detail: "they were written, and the file is gone"})
	case errors.Is(err, ErrForeign) && serr == nil && info.Mode().IsRegular():
		r.fault(Fault{Kind: FaultSchema, Detail: "the file is no database of an audit log"})
	default:
		return r, err
	}
	return r, nil
}

func verifyFile(ctx context.Context, path string, c Check) (Report, error) {
	if err := isLog(path); err != nil {
		return unreadable(path, err)
	}
	s, err := readOnly(path)
	if err != nil {
		return Report{}, err
	}
	s.widen(scanConns)
	var found int
	if err := s.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&found); err == nil && found != 0 && found < version {
		return Report{}, errors.Join(ErrOlder, s.db.Close())
	} else if err == nil && found > version {
		return Report{}, errors.Join(ErrNewer, s.db.Close())
	}
	// Before the log: a running server adds to both.
	claimed, err := readHead(s.path + headSuffix)
	if err != nil {
		return Report{}, errors.Join(err, s.db.Close())
	}
	v := verification{reader: s.reader, key: c.Key, known: c.Known, policy: c.Policy, claimed: claimed.claim, progress: c.Progress, event: c.Event, grants: c.Grants}
	if c.Server || len(absent(path+".lock")) == 0 { // a copy has no lock file
		v.headPath = s.path + headSuffix
	}
	r, err := v.run(ctx)
	if err = explain(errors.Join(err, s.db.Close())); errors.Is(err, ErrForeign) {
		return unreadable(path, err)
	}
	return r, err
}

// Verify reads all records and compares them with tree, checkpoints, index and
// counts. It may take minutes and does not block writes or queries. It calls pause
// after every thousand records.
//
// Prune waits for its end.
func (s *Store) Verify(ctx context.Context, pause func(context.Context)) (Report, error) {
	s.deleting.RLock()
	defer s.deleting.RUnlock()
	v := verification{reader: s.reader, key: verifier(s.signer), pause: pause}
	r, err := v.run(ctx)
	return r, explain(err)
}

// verifier returns the public half of a signer, or nil.
func verifier(s *checkpoint.Signer) *checkpoint.Verifier {
	if s == nil {
		return nil
	}
	return &s.Verifier
}

// tail is the number of records that Open verifies, in a fraction of a second.
// Verify reads all records.
const tail = 20_000

// checkTail verifies the last records, which a crash or an incomplete copy is
// most likely to damage, and the last checkpoint.
func (s reader) checkTail(ctx context.Context, key *checkpoint.Verifier) error {
	head, err := readFrontier(ctx, s.db)
	if err != nil {
		return s.cause(ctx, err)
	}
	v := verification{reader: s, key: key, from: max(0, head.Size()-tail) / block * block}
	r, err := v.run(ctx)
	if err != nil {
		return err
	}
	return r.Err()
}

// block is the number of records of a subtree of the lowest stored level.
const block = 1 << tree.Step

// verification is a verification of the records behind number from, a multiple of
// block.
type verification struct {
	reader
	key      *checkpoint.Verifier // or nil
	known    []Known              // heads that the log must contain
	policy   *checkpoint.Policy   // or nil
	claimed  claim                // of the head file; zero: none
	headPath string               // path of a head file that must be valid; "": none
	from     int64
	pause    func(context.Context)

	progress func(done, events int64)                // or nil
	event    func(seq int64, e *event.Event)         // of each readable record, in order; or nil
	grants   func(version string, text []byte) error // or nil
}

// run verifies the records. Tables that are not those of a log are a fault also if they
// cannot be read.
func (v verification) run(ctx context.Context) (Report, error) {
	r, err := v.compare(ctx)
	if err == nil || ctx.Err() != nil {
		return r, err
	}
	if err = v.cause(ctx, err); errors.Is(err, ErrTampered) {
		r = Report{}
		r.fault(Fault{Kind: FaultSchema, Detail: err.Error()})
		return r, nil
	}
	return r, err
}

// cause returns ErrTampered in place of the error of a query, if the tables are not
// those of a log.
func (s reader) cause(ctx context.Context, err error) error {
	if other := checkSchema(ctx, s.db); errors.Is(other, ErrTampered) {
		return other
	}
	return err
}

func (v verification) compare(ctx context.Context) (Report, error) {
	v.texts = newTexts() // the dictionaries as they are in the file now
	v.texts.most = 4     // records are read in order
	w, err := v.start(ctx)
	if err != nil {
		return Report{}, err
	}
	// Without a transaction, so the write-ahead log does not grow meanwhile.
	gone, err := expiredCount(ctx, v.db)
	if err != nil {
		return Report{}, err
	}
	head, err := readFrontier(ctx, v.db)
	if err != nil {
		return Report{}, err
	}
	if err := w.scan(ctx, head.Size()); err != nil {
		return Report{}, err
	}
	// The rest is one state of the database.
	tx, err := v.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return Report{}, err
	}
	defer tx.Rollback()
	if now, err := expiredCount(ctx, tx); err != nil || now != gone {
		return Report{}, cmp.Or(err, ErrDeleted)
	}
	if head, err = readFrontier(ctx, tx); err != nil {
		return Report{}, err
	}
	if err := w.read(ctx, tx, head.Size()); err != nil {
		return Report{}, err
	}
	if err := w.finish(ctx, tx, head); err != nil {
		return Report{}, err
	}
	return w.result(head.Size()), nil
}
