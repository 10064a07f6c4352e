package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

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

	key       *checkpoint.Verifier
	leaves    []Leaf
	indexes   []int64
	hashes    []tree.Hash
	proof     []tree.Hash
	policies  map[string]bool // named by decisions
	expiredTo int64           // last record that a retention-applied event names
	export    event.Event
	known     bool // export is the record of an export
}

// Verify checks a bundle. The error is ErrNotBundle, or one of reading.
func Verify(ctx context.Context, r io.ReaderAt, size int64, check Check) (Report, error) {
	if !Is(r) {
		return Report{}, ErrNotBundle
	}
	v := &verification{contents: contents{r, map[string]entry{}}, ctx: ctx, check: check, policies: map[string]bool{}}
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
	if !ordered(entries) {
		v.report.fault(FaultForm, 0, "entries are missing, unknown or in another order")
	}
	for _, step := range []func() error{v.checkpoint, v.cosigned, v.index, v.find, v.events, v.root, v.described, v.complete, v.grants, v.form} {
		if err := step(); err != nil {
			return v.report, err
		}
	}
	return v.report, nil
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

// index parses index.txt and proof.txt.
func (v *verification) index() error {
	raw, err := v.read(nameIndex)
	if err != nil {
		return err
	}
	last := int64(-1)
	for line := range strings.Lines(string(raw)) {
		number, encoded, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.ParseInt(number, 10, 64)
		h, ok := parseHash(encoded)
		if err != nil || !ok || n <= last || line != strconv.FormatInt(n, 10)+" "+encoded+"\n" {
			v.report.fault(FaultForm, 0, "%s is malformed after %d events", nameIndex, len(v.leaves))
			break
		}
		last = n
		v.leaves, v.indexes, v.hashes = append(v.leaves, Leaf{n, h}), append(v.indexes, n), append(v.hashes, h)
	}
	if raw, err = v.read(nameProof); err != nil {
		return err
	}
	var ok bool
	if v.proof, ok = parseHashes(raw); !ok {
		v.report.fault(FaultForm, 0, "%s is malformed", nameProof)
	}
	return nil
}

func parseHash(encoded string) (h tree.Hash, ok bool) {
	if len(encoded) != 2*len(h) || strings.ToLower(encoded) != encoded {
		return h, false
	}
	_, err := hex.Decode(h[:], []byte(encoded))
	return h, err == nil
}

func parseHashes(raw []byte) (all []tree.Hash, ok bool) {
	for line := range strings.Lines(string(raw)) {
		h, ok := parseHash(strings.TrimSuffix(line, "\n"))
		if !ok || !strings.HasSuffix(line, "\n") {
			return nil, false
		}
		all = append(all, h)
	}
	return all, true
}

// root compares the root of the tree with that of the checkpoint.
func (v *verification) root() error {
	if v.key == nil || v.report.Head.Size == 0 {
		return nil
	}
	if n := len(v.indexes); n == 0 || v.indexes[n-1] >= v.report.Head.Size {
		v.report.fault(FaultProof, 0, "%s has no event, or one that the checkpoint does not have", nameIndex)
		return nil
	}
	root, err := Root(v.report.Head.Size, v.indexes, v.hashes, v.proof)
	switch {
	case err != nil:
		v.report.fault(FaultProof, 0, "%v", err)
	case root != v.report.Head.Root:
		v.report.fault(FaultProof, 0, "events and proof have another root than the checkpoint: an event was left out, added, or moved")
	}
	return nil
}

// described compares the manifest with the record of the export.
func (v *verification) described() error {
	raw, err := v.read(nameManifest)
	if err != nil || !v.known || v.key == nil {
		return err
	}
	m := manifestOf(v.export, v.key.Name(), v.key.Key(), v.report.Head)
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
		text, err := v.read(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		if hex.EncodeToString(sum[:len(sum)/2]) != version {
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
	if !bytes.Equal(text, readme) {
		v.report.fault(FaultForm, 0, "%s is another text than this version of usher writes", nameReadme)
	}
	if !v.known {
		return nil
	}
	for _, e := range v.entries {
		if !e.sameHeader(v.export.Time) {
			v.report.fault(FaultForm, 0, "%s has another header", e.name)
		}
	}
	return nil
}
