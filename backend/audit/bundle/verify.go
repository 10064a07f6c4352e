package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
	"usher/backend/event"
)

// Kind is the kind of a fault.
type Kind string

// The kinds of faults.
const (
	FaultForm      Kind = "form"      // an entry is not as usher writes it
	FaultKey       Kind = "key"       // the key is another one
	FaultSignature Kind = "signature" // a checkpoint has no valid signature
	FaultChanged   Kind = "changed"   // an event has other content than its leaf
	FaultProof     Kind = "proof"     // the events do not belong to the checkpoint
	FaultMissing   Kind = "missing"   // an event of a complete range is not there
	FaultQuery     Kind = "query"     // other events match the query than the log has recorded
	FaultManifest  Kind = "manifest"  // the log has another record of the export
	FaultPolicy    Kind = "policy"    // a version of the grants is missing or changed
	FaultGroups    Kind = "groups"    // names of groups are missing or changed
	FaultCSV       Kind = "csv"       // events.csv differs from the events
)

// Fault is a difference between a bundle and the log that it proves.
type Fault struct {
	Kind   Kind
	Record int64 // from 1 on; 0: none
	Text   string
}

func (f Fault) String() string {
	if f.Record > 0 {
		return fmt.Sprintf("%s: record %d: %s", f.Kind, f.Record, f.Text)
	}
	return string(f.Kind) + ": " + f.Text
}

// maxFaults bounds the faults of a Report that have a text.
const maxFaults = 100

// Check is everything that a bundle is compared with.
type Check struct {
	Key      *checkpoint.Verifier       // of the log; nil: that of the bundle
	Policy   *checkpoint.Policy         // of the witnesses; nil: none
	Progress func(done, bytes int64)    // nil: none
	Event    func(r event.Record) error // receives each readable event, in order; nil: none
	// Groups receives the names of the groups before the first event. It is not called
	// for a bundle of FormatV1, which has none. nil: none.
	Groups func(Groups)
}

// Report is the result of Verify.
type Report struct {
	Manifest  Manifest
	Head      tree.Head // of the checkpoint
	Key       string    // the key that the checkpoint was verified with
	Events    int64     // in the bundle, with the record of the export
	Matches   int64     // of these, in the range and matching the query
	Expired   int64     // events of a complete range that the retention had deleted
	Witnesses []string  // names of the witnesses that cosigned
	Witnessed int64     // number of events of the cosigned checkpoint
	Satisfied bool      // the cosignatures satisfy the policy of the Check

	Faults     []Fault // the first ones
	FaultCount int
}

// fault adds a fault.
func (r *Report) fault(kind Kind, record int64, format string, args ...any) {
	if r.FaultCount++; len(r.Faults) < maxFaults {
		r.Faults = append(r.Faults, Fault{kind, record, fmt.Sprintf(format, args...)})
	}
}

// verification is one run of Verify.
type verification struct {
	contents
	ctx     context.Context
	check   Check
	report  Report
	entries []entry

	format    string
	key       *checkpoint.Verifier
	leaves    int64            // lines of index.txt
	lastLeaf  int64            // index of the last one
	policies  map[string]bool  // named by decisions
	named     Groups           // of groups.txt
	used      map[string]int64 // hashes of groups of decisions, with the first record
	stated    map[string]int64 // hashes of groups with the record of an event that has their names
	expiredTo int64            // last record that a retention-applied event names
	expired   int64            // number of events that the retention deleted by then
	export    event.Event
	known     bool      // export is the record of an export
	oldest    time.Time // of the first event of the range
	newest    time.Time // of the last one
	some      bool      // the range has an event
}

// Verify checks a bundle. The error is ErrNotBundle, or one of reading.
func Verify(ctx context.Context, r io.ReaderAt, size int64, check Check) (Report, error) {
	if !Is(r) {
		return Report{}, ErrNotBundle
	}
	v := &verification{contents: contents{r, map[string]entry{}}, ctx: ctx, check: check, policies: map[string]bool{}, used: map[string]int64{}, stated: map[string]int64{}}
	entries, odd, err := layout(r, size)
	if err != nil {
		return Report{}, err
	}
	v.entries = entries
	for _, text := range odd {
		v.report.fault(FaultForm, 0, "%s", text)
	}
	for _, e := range entries {
		v.all[e.name] = e
	}
	for _, step := range []func() error{v.version, v.checkpoint, v.cosigned, v.groups, v.find, v.events, v.root, v.described, v.complete, v.grants, v.decided, v.form} {
		if err := step(); err != nil {
			return v.report, err
		}
	}
	return v.report, nil
}

// version reads the form of the bundle.
func (v *verification) version() error {
	raw, err := v.read(nameManifest)
	if err != nil {
		return err
	}
	var m struct {
		Format string `json:"format"`
	}
	if json.Unmarshal(raw, &m) != nil || readmes(m.Format) == nil {
		v.report.fault(FaultForm, 0, "%s names the form %.40q, which this version of usher does not know", nameManifest, m.Format)
		m.Format = Format
	}
	if v.format = m.Format; !ordered(v.entries, v.format) {
		v.report.fault(FaultForm, 0, "entries are missing, unknown or in another order")
	}
	return nil
}

// checkpoint verifies the key and the checkpoint.
func (v *verification) checkpoint() error {
	raw, err := v.read(nameKey)
	if err != nil {
		return err
	}
	own, err := checkpoint.NewVerifier(string(raw))
	if err != nil || string(raw) != own.Key()+"\n" {
		v.report.fault(FaultKey, 0, "%s is no public key of a log", nameKey)
	}
	if v.key = own; v.check.Key != nil {
		if own != nil && own.Key() != v.check.Key.Key() {
			v.report.fault(FaultKey, 0, "the export is of another log: its key is %s, and yours is %s", own.Key(), v.check.Key.Key())
		}
		v.key = v.check.Key
	}
	if v.key == nil {
		return nil
	}
	v.report.Key = v.key.Key()
	note, err := v.read(nameCheckpoint)
	if err != nil {
		return err
	}
	head, err := v.key.Open(note)
	if err != nil {
		v.report.fault(FaultSignature, 0, "%s: %v", nameCheckpoint, err)
		return nil
	}
	v.report.Head = head
	if only, err := signedBy(note, v.key); err != nil || !bytes.Equal(only, note) {
		v.report.fault(FaultForm, 0, "%s has more than the checkpoint and its signature", nameCheckpoint)
	}
	return nil
}

// cosigned verifies the cosigned checkpoint.
func (v *verification) cosigned() error {
	if v.key == nil || !v.has(nameCosigned) {
		return nil
	}
	note, err := v.read(nameCosigned)
	if err != nil {
		return err
	}
	keys, err := v.read(nameWitnesses)
	if err != nil {
		return err
	}
	raw, err := v.read(nameCosignedProof)
	if err != nil {
		return err
	}
	var witnesses []*checkpoint.Witness
	for line := range strings.Lines(string(keys)) {
		w, err := checkpoint.NewWitness(line)
		if err != nil {
			v.report.fault(FaultSignature, 0, "%s: %v", nameWitnesses, err)
			return nil
		}
		witnesses = append(witnesses, w)
	}
	head, err := v.key.Open(note)
	if err != nil {
		v.report.fault(FaultSignature, 0, "%s: %v", nameCosigned, err)
		return nil
	}
	if out, named, err := cosignedBy(note, v.key, witnesses); err != nil || !bytes.Equal(out, note) || !bytes.Equal(named, keys) {
		v.report.fault(FaultSignature, 0, "%s has a signature that is not valid, or of no key in %s", nameCosigned, nameWitnesses)
	}
	proof, ok := parseHashes(raw)
	if !ok {
		v.report.fault(FaultForm, 0, "%s is malformed", nameCosignedProof)
	}
	if err := checkpoint.Contains(v.report.Head, head, proof); err != nil {
		v.report.fault(FaultProof, 0, "the checkpoint does not contain the events of the cosigned one: %v", err)
		return nil
	}
	v.report.Witnessed = head.Size
	for _, w := range witnesses {
		v.report.Witnesses = append(v.report.Witnesses, w.Name())
	}
	v.report.Satisfied = v.check.Policy != nil && v.check.Policy.Satisfied(note)
	return nil
}

// root compares the root of the tree with that of the checkpoint.
func (v *verification) root() error {
	if v.key == nil || v.report.Head.Size == 0 {
		return nil
	}
	if v.leaves == 0 || v.lastLeaf >= v.report.Head.Size {
		v.report.fault(FaultProof, 0, "%s has no event, or one that the checkpoint does not have", nameIndex)
		return nil
	}
	root, err := Root(v.report.Head.Size, v.index(), hashes(v.open(nameProof)))
	switch {
	case err != nil && v.ctx.Err() != nil:
		return context.Cause(v.ctx)
	case errors.Is(err, errMalformed):
		v.report.fault(FaultForm, 0, "%s or %s is malformed", nameProof, nameIndex)
	case errors.Is(err, errProof):
		v.report.fault(FaultProof, 0, "%v", err)
	case err != nil:
		return err
	case root != v.report.Head.Root:
		v.report.fault(FaultProof, 0, "events and proof have another root than the checkpoint: an event was left out, added, or moved")
	}
	return nil
}

// index reads index.txt.
func (v *verification) index() Next[Leaf] {
	next := Leaves(v.open(nameIndex))
	return func() (Leaf, bool, error) {
		if v.ctx.Err() != nil {
			return Leaf{}, false, context.Cause(v.ctx)
		}
		return next()
	}
}

// described compares the manifest with the record of the export.
func (v *verification) described() error {
	raw, err := v.read(nameManifest)
	if err != nil || !v.known || v.key == nil {
		return err
	}
	m := manifestOf(v.format, v.export, v.key.Name(), v.key.Key(), v.report.Head)
	v.report.Manifest = m
	want, err := m.text()
	if err != nil {
		return err
	}
	if !bytes.Equal(raw, want) {
		v.report.fault(FaultManifest, 0, "%s differs from the log's record of the export", nameManifest)
	}
	if int64(m.Matches) != v.report.Matches {
		v.report.fault(FaultQuery, 0, "the log has recorded an export of %d events, and %d match here", m.Matches, v.report.Matches)
	}
	return nil
}

// grants checks the versions of the grants.
func (v *verification) grants() error {
	for name := range v.all {
		version, ok := strings.CutPrefix(name, policyFolder)
		if !ok {
			continue
		}
		version = strings.TrimSuffix(version, policySuffix)
		h := sha256.New()
		if _, err := io.Copy(h, v.open(name)); err != nil {
			return fmt.Errorf("reading %s of the export: %w", name, err)
		}
		if sum := h.Sum(nil); hex.EncodeToString(sum[:len(sum)/2]) != version {
			v.report.fault(FaultPolicy, 0, "%s is not the version that its name names", name)
		}
		if !v.policies[version] {
			v.report.fault(FaultPolicy, 0, "%s decided no event of the export", name)
		}
	}
	for version := range v.policies {
		if !v.has(policyName(version)) {
			v.report.fault(FaultPolicy, 0, "the version %s of the grants decided an event, and is missing", version)
		}
	}
	return nil
}

// form checks everything that is the same in each bundle.
func (v *verification) form() error {
	text, err := v.read(nameReadme)
	if err != nil {
		return err
	}
	if !bytes.Equal(text, readmes(v.format)) {
		v.report.fault(FaultForm, 0, "%s is another text than that of the form %s", nameReadme, v.format)
	}
	if !v.known {
		return nil
	}
	for _, e := range v.entries {
		same, err := v.sameHeader(e, v.export.Time)
		if err != nil {
			return err
		}
		if !same {
			v.report.fault(FaultForm, 0, "%s has another header", e.name)
		}
	}
	return nil
}
