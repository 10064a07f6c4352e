package bundle_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/audit/bundle"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/checkpoint/checkpointtest"
	"usher/backend/audit/tree"
	"usher/backend/event"
)

var start = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

const policyText = "\"allow finance company-reports/-annual/\" \"\"\n"

var groups = []string{"everyone", "finance"}

func version() string {
	sum := sha256.Sum256([]byte(policyText))
	return hex.EncodeToString(sum[:16])
}

// log is a log in memory with its tree.
type log struct {
	signer *checkpoint.Signer
	events []event.Event
	lines  [][]byte
	leaves []tree.Hash
	stored checkpointtest.Hashes // of the first hashed leaves
	hashed int
}

func newLog(t testing.TB, n int) *log {
	t.Helper()
	secret, public, err := checkpoint.Generate(rand.Reader, "files.example.com/audit")
	if err != nil {
		t.Fatal(err)
	}
	l := &log{}
	if l.signer, err = checkpoint.NewSigner(secret, public); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		e := event.Event{
			ID: fmt.Sprintf("01K%023d", i), Time: start.Add(time.Duration(i) * time.Minute), Action: event.Download, Outcome: event.Allowed,
			User: event.User{Sub: "sub", Username: []string{"ada", "grace", "=cmd|' /C calc'!A0"}[i%3]}, Bucket: "company-reports", Key: fmt.Sprintf("-annual/%d\r.csv", i), Policy: version(), Groups: event.HashGroups(groups), Grant: "allow finance company-reports/-annual/",
		}
		l.add(e)
	}
	return l
}

func (l *log) add(e event.Event) {
	e = event.Clean(e)
	line := event.Canonical(e)
	l.events, l.lines, l.leaves = append(l.events, e), append(l.lines, line), append(l.leaves, tree.Leaf(line))
}

// hashes returns the hashes of all leaves.
func (l *log) hashes(t testing.TB) checkpointtest.Hashes {
	t.Helper()
	for i := l.hashed; i < len(l.leaves); i++ {
		more, err := tlog.StoredHashesForRecordHash(int64(i), l.leaves[i], l.stored)
		if err != nil {
			t.Fatal(err)
		}
		l.stored = append(l.stored, more...)
	}
	l.hashed = len(l.leaves)
	return l.stored
}

func (l *log) head(t testing.TB) tree.Head {
	t.Helper()
	h, err := tlog.TreeHash(int64(len(l.leaves)), l.hashes(t))
	if err != nil {
		t.Fatal(err)
	}
	return tree.Head{Size: int64(len(l.leaves)), Root: h}
}

func (l *log) sign(t testing.TB, head tree.Head) []byte {
	t.Helper()
	note, err := l.signer.Sign(head)
	if err != nil {
		t.Fatal(err)
	}
	return note
}

// options are those of one export of a test.
type options struct {
	query       string
	complete    bool
	first, last int64 // indexes
	without     map[int64]bool
	also        []int64 // behind the range
	count       int     // added to the true count
}

// export records an export and returns its content.
func (l *log) export(t testing.TB, o options) content {
	t.Helper()
	filter, err := event.ParseFilter(o.query, start)
	if err != nil {
		t.Fatal(err)
	}
	if o.last == 0 {
		o.last = int64(len(l.leaves))
	}
	e := event.Event{
		ID: fmt.Sprintf("01KE%022d", len(l.leaves)), Time: start.Add(1000 * time.Hour), Action: event.AuditExport, Outcome: event.Allowed, User: event.User{Sub: "grace-sub", Username: "grace"},
		Query: filter.String(), Count: o.count, FirstRecord: o.first + 1, LastRecord: o.last, Records: int64(len(l.leaves)),
	}
	if o.complete {
		e.Reason = bundle.WithRange
	}
	var indexes []int64
	for i := o.first; i < o.last; i++ {
		matches := filter.Match(l.events[i])
		if matches {
			e.Count++
		}
		if (matches || o.complete) && !o.without[i] {
			indexes = append(indexes, i)
		}
	}
	l.add(e)
	indexes = append(append(indexes, o.also...), e.Records)
	return l.content(t, event.Clean(e), indexes)
}

func (l *log) content(t testing.TB, e event.Event, indexes []int64) content {
	t.Helper()
	head := l.head(t)
	c := content{Content: bundle.Content{Key: l.signer.Key(), Checkpoint: l.sign(t, head), Export: e, Groups: bundle.Groups{}}}
	if slices.ContainsFunc(indexes, func(i int64) bool { return l.events[i].Policy != "" }) {
		c.Policies = map[string]bundle.Source{version(): bundle.Bytes([]byte(policyText))}
		c.Groups[event.HashGroups(groups)] = groups
	}
	nodes := bundle.Bare(0, l.leaves, func(i int64) bool { return slices.Contains(indexes, i) })
	for _, i := range indexes {
		c.leaves = append(c.leaves, bundle.Leaf{Index: i, Hash: l.leaves[i]})
		c.lines = append(c.lines, l.lines[i])
	}
	var err error
	if c.proof, err = prove(head.Size, c.leaves, nodes); err != nil {
		t.Fatal(err)
	}
	return c
}

// content is the content of a bundle in memory.
type content struct {
	bundle.Content
	leaves []bundle.Leaf
	lines  [][]byte
	proof  []tree.Hash
}

func values[T any](all []T) bundle.Next[T] {
	return func() (v T, ok bool, err error) {
		if len(all) == 0 {
			return v, false, nil
		}
		v, all = all[0], all[1:]
		return v, true, nil
	}
}

func prove(size int64, leaves []bundle.Leaf, nodes []bundle.Node) (proof []tree.Hash, err error) {
	return proof, bundle.Prove(size, values(leaves), values(nodes), func(h tree.Hash) error {
		proof = append(proof, h)
		return nil
	})
}

func write(t testing.TB, c content) []byte {
	t.Helper()
	var b, events, index, proof, sheet bytes.Buffer
	for i, l := range c.leaves {
		events.Write(append(bytes.Clone(c.lines[i]), '\n'))
		index.Write(bundle.AppendLeaf(nil, l))
	}
	for _, h := range c.proof {
		proof.Write(bundle.AppendHash(nil, h))
	}
	if err := bundle.Sheet(&sheet, c.Export, bytes.NewReader(index.Bytes()), bytes.NewReader(events.Bytes())); err != nil {
		t.Fatal(err)
	}
	c.Events, c.Index, c.Proof, c.Sheet = bundle.Bytes(events.Bytes()), bundle.Bytes(index.Bytes()), bundle.Bytes(proof.Bytes()), bundle.Bytes(sheet.Bytes())
	if err := bundle.Write(&b, c.Content); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func verify(t testing.TB, raw []byte, key *checkpoint.Verifier) bundle.Report {
	t.Helper()
	r, err := bundle.Verify(context.Background(), bytes.NewReader(raw), int64(len(raw)), bundle.Check{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// kinds returns the kinds of the faults.
func kinds(r bundle.Report) (all []bundle.Kind) {
	for _, f := range r.Faults {
		if !slices.Contains(all, f.Kind) {
			all = append(all, f.Kind)
		}
	}
	return all
}

func TestABundleIsWhole(t *testing.T) {
	for _, o := range []options{
		{}, {query: "who:ada"}, {query: "who:ada", complete: true}, {query: "who:nobody"}, {query: "who:nobody", complete: true},
		{query: "since:2026-11-23T10:00 until:2026-11-23T12:00", complete: true, first: 109, last: 251},
	} {
		l := newLog(t, 700)
		raw := write(t, l.export(t, o))
		for _, key := range []*checkpoint.Verifier{nil, &l.signer.Verifier} {
			r := verify(t, raw, key)
			if r.FaultCount > 0 || int64(r.Manifest.Matches) != r.Matches || (r.Matches == 0) != (o.query == "who:nobody") {
				t.Errorf("%+v: %v", o, r.Faults)
			}
		}
	}
}

// repacked returns a tar file with the same entries and another mode.
func repacked(t *testing.T, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	in, out := tar.NewReader(bytes.NewReader(raw)), tar.NewWriter(&b)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		h.Mode = 0o600
		if err := out.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(out, in); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Bundles of earlier versions stay valid. These files are never written again.
func TestEarlierBundles(t *testing.T) {
	for name, format := range map[string]string{"v1.tar": bundle.FormatV1, "v2.tar": bundle.Format} {
		raw, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		r := verify(t, raw, nil)
		if r.FaultCount > 0 || r.Manifest.Format != format || r.Matches < 10 || len(r.Witnesses) != 1 {
			t.Errorf("%s: %+v", name, r)
		}
		swapped := bytes.Replace(raw, []byte(format), []byte(map[string]string{bundle.FormatV1: bundle.Format, bundle.Format: bundle.FormatV1}[format]), 1)
		if r := verify(t, swapped, nil); !slices.Contains(kinds(r), bundle.FaultForm) {
			t.Errorf("%s under the name of another form: %v", name, r.Faults)
		}
	}
}

// Each change is named.
func TestFaults(t *testing.T) {
	one := func(change func(l *log, c *content)) func(t *testing.T) (*log, []byte) {
		return func(t *testing.T) (*log, []byte) {
			l := newLog(t, 300)
			c := l.export(t, options{query: "who:ada", complete: true})
			change(l, &c)
			return l, write(t, c)
		}
	}
	for name, test := range map[string]struct {
		make func(t *testing.T) (*log, []byte)
		want []bundle.Kind
	}{
		"an event's byte": {func(t *testing.T) (*log, []byte) {
			l := newLog(t, 300)
			raw := write(t, l.export(t, options{query: "who:ada"}))
			return l, bytes.Replace(raw, []byte(`"outcome":"allowed","policy"`), []byte(`"outcome":"alloweD","policy"`), 1)
		}, []bundle.Kind{bundle.FaultChanged, bundle.FaultCSV}},
		"an event and its hash": {one(func(l *log, c *content) {
			l.events[3].Key = "other"
			c.lines[3] = event.Canonical(l.events[3])
			c.leaves[3].Hash = tree.Leaf(c.lines[3])
		}), []bundle.Kind{bundle.FaultProof}},
		"an event left out of a complete range": {func(t *testing.T) (*log, []byte) {
			l := newLog(t, 300)
			return l, write(t, l.export(t, options{query: "who:ada", complete: true, without: map[int64]bool{4: true}}))
		}, []bundle.Kind{bundle.FaultMissing}},
		"a match left out": {func(t *testing.T) (*log, []byte) {
			l := newLog(t, 300)
			return l, write(t, l.export(t, options{query: "who:ada", without: map[int64]bool{3: true}}))
		}, []bundle.Kind{bundle.FaultQuery}},
		"a range that is too narrow": {func(t *testing.T) (*log, []byte) {
			l := newLog(t, 300)
			return l, write(t, l.export(t, options{query: "since:2026-11-23T10:00 until:2026-11-23T12:00", complete: true, first: 121, last: 240}))
		}, []bundle.Kind{bundle.FaultMissing}},
		"another key": {func(t *testing.T) (*log, []byte) {
			_, raw := newLog(t, 1), write(t, newLog(t, 300).export(t, options{}))
			return newLog(t, 1), raw
		}, []bundle.Kind{bundle.FaultKey, bundle.FaultSignature}},
		"another header": {func(t *testing.T) (*log, []byte) {
			l := newLog(t, 30)
			return l, repacked(t, write(t, l.export(t, options{query: "who:ada"})))
		}, []bundle.Kind{bundle.FaultForm}},
		"a policy": {one(func(_ *log, c *content) {
			c.Policies[version()] = bundle.Bytes([]byte(strings.Replace(policyText, "allow", "deny", 1)))
		}), []bundle.Kind{bundle.FaultPolicy}},
		"no policy": {one(func(_ *log, c *content) { c.Policies = nil }), []bundle.Kind{bundle.FaultPolicy}},
		"groups of another": {one(func(_ *log, c *content) {
			c.Groups[event.HashGroups([]string{"audit"})] = []string{"audit"}
			delete(c.Groups, event.HashGroups(groups))
		}), []bundle.Kind{bundle.FaultGroups}},
		"no groups": {one(func(_ *log, c *content) { c.Groups = nil }), []bundle.Kind{bundle.FaultGroups}},
		"names marked as lost, with an event that has them": {func(t *testing.T) (*log, []byte) {
			l := newLog(t, 300)
			l.add(event.Event{ID: "01K" + strings.Repeat("9", 23), Time: start.Add(time.Hour * 400), Action: event.SessionStart, Outcome: event.Allowed,
				User: event.User{Sub: "sub", Username: "ada"}, Groups: event.HashGroups(groups), GroupNames: groups})
			c := l.export(t, options{query: "who:ada", complete: true})
			c.Groups[event.HashGroups(groups)] = nil
			return l, write(t, c)
		}, []bundle.Kind{bundle.FaultGroups}},
		"a group's name": {func(t *testing.T) (*log, []byte) {
			l := newLog(t, 300)
			raw := write(t, l.export(t, options{query: "who:ada"}))
			return l, bytes.Replace(raw, []byte(`["everyone","finance"]`), []byte(`["everyone","financE"]`), 1)
		}, []bundle.Kind{bundle.FaultGroups}},
		"a manifest's byte": {func(t *testing.T) (*log, []byte) {
			l := newLog(t, 30)
			raw := write(t, l.export(t, options{query: "who:ada"}))
			return l, bytes.Replace(raw, []byte(`"by": "grace"`), []byte(`"by": "gracE"`), 1)
		}, []bundle.Kind{bundle.FaultManifest}},
		"an unknown form": {func(t *testing.T) (*log, []byte) {
			l := newLog(t, 30)
			raw := write(t, l.export(t, options{query: "who:ada"}))
			return l, bytes.Replace(raw, []byte(bundle.Format), []byte("usher-audit-export/v3"), 1)
		}, []bundle.Kind{bundle.FaultForm}},
		"another query": {one(func(_ *log, c *content) { c.Export.Query = "who:grace" }), []bundle.Kind{bundle.FaultCSV, bundle.FaultManifest}},
		"an older checkpoint": {one(func(l *log, c *content) {
			c.Checkpoint = l.sign(t, tree.Head{Size: 250, Root: tree.Hash{1}})
		}), []bundle.Kind{bundle.FaultProof, bundle.FaultManifest}},
	} {
		t.Run(name, func(t *testing.T) {
			l, raw := test.make(t)
			r := verify(t, raw, &l.signer.Verifier)
			got := kinds(r)
			if r.FaultCount == 0 || !slices.Contains(got, test.want[0]) {
				t.Errorf("%v, want %v", r.Faults, test.want)
			}
			notices := map[bool]string{true: "noticed", false: "-"}[r.FaultCount > 0]
			t.Logf("TAMPER %-46s verify %-7s %v", "export: "+name, notices, r.Faults)
		})
	}
}

// Records that the retention removed are no fault if the log has its event.
func TestExpiredRecordsOfARange(t *testing.T) {
	without := map[int64]bool{}
	for i := range int64(256) {
		without[i] = true
	}
	for _, test := range []struct{ applied, held int64 }{{0, 0}, {255, 0}, {256, 0}, {256, 1}} {
		applied, held := test.applied, test.held // an event under a hold stays, so it is missing
		l := newLog(t, 400)
		if applied > 0 {
			l.add(event.Event{ID: "01KR0000000000000000000000", Time: start, Action: event.RetentionApplied, Outcome: event.Allowed, FirstRecord: 1, LastRecord: applied, Records: applied - held})
		}
		o := options{query: "who:ada", complete: true, without: without}
		for i := range int64(256) { // they do not count either
			if l.events[i].User.Username == "ada" {
				o.count--
			}
		}
		r := verify(t, write(t, l.export(t, o)), &l.signer.Verifier)
		if whole := r.FaultCount == 0; whole != (applied == 256 && held == 0) || whole && r.Expired != 256 {
			t.Errorf("retention up to %d, %d held: %v, %d expired", applied, held, r.Faults, r.Expired)
		}
	}
}

// The event of the retention can be behind a complete range, and no other one.
func TestTheRetentionBehindARange(t *testing.T) {
	const retention, another = 400, 350
	for _, test := range []struct {
		name     string
		complete bool
		also     []int64
		whole    bool
	}{
		{"the event of the retention", true, []int64{retention}, true},
		{"no event of the retention", true, nil, false},
		{"another event", true, []int64{another, retention}, false},
		{"an export that is not complete", false, []int64{retention}, false},
	} {
		l := newLog(t, retention)
		l.add(event.Event{ID: "01KR0000000000000000000000", Time: start, Action: event.RetentionApplied, Outcome: event.Allowed, FirstRecord: 1, LastRecord: 256, Records: 256})
		o := options{query: "until:2026-11-23T12:30", complete: test.complete, last: 300, also: test.also, without: map[int64]bool{}}
		for i := range int64(256) {
			o.without[i] = true
			if l.events[i].Time.Before(start.Add(4*time.Hour + 30*time.Minute)) {
				o.count--
			}
		}
		r := verify(t, write(t, l.export(t, o)), &l.signer.Verifier)
		if whole := r.FaultCount == 0; whole != test.whole || whole && r.Expired != 256 {
			t.Errorf("%s: %v, %d expired", test.name, r.Faults, r.Expired)
		}
	}
}

// cosigned returns an export with a cosigned checkpoint of the present log, and the
// policy with its witness.
func (l *log) cosigned(t testing.TB, o options) content {
	t.Helper()
	older := l.head(t)
	secret, err := checkpoint.GenerateWitness(rand.Reader, "witness.example.com")
	if err != nil {
		t.Fatal(err)
	}
	w, err := checkpoint.NewCosigner(secret, func() time.Time { return start })
	if err != nil {
		t.Fatal(err)
	}
	note := l.sign(t, older)
	line, err := w.Cosign(note)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := checkpoint.ParsePolicy("log " + l.signer.Key() + "\nwitness one " + w.Key() + "\nquorum one\n")
	if err != nil {
		t.Fatal(err)
	}
	c := l.export(t, o)
	c.Cosigned, c.Witnesses = slices.Concat(note, line), policy
	if c.CosignedProof, err = tlog.ProveTree(int64(len(l.leaves)), older.Size, l.hashes(t)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCosignedCheckpoint(t *testing.T) {
	l := newLog(t, 40)
	older := l.head(t)
	c := l.cosigned(t, options{query: "who:ada"})
	c.Cosigned = append(c.Cosigned, "— unknown.example.com AAAAAAAA\n"...)
	policy := c.Witnesses
	raw := write(t, c)
	r, err := bundle.Verify(t.Context(), bytes.NewReader(raw), int64(len(raw)), bundle.Check{Key: &l.signer.Verifier, Policy: policy})
	if err != nil || r.FaultCount > 0 || r.Witnessed != older.Size || !r.Satisfied {
		t.Errorf("%+v, %v", r, err)
	}
	series(t, raw, l, rounds()/4)
	c.CosignedProof[0][0] ^= 1
	if r := verify(t, write(t, c), &l.signer.Verifier); !slices.Contains(kinds(r), bundle.FaultProof) {
		t.Errorf("a changed proof: %v", r.Faults)
	}
}

// rounds is the number of mutations of a series: all of them in a soak.
func rounds() int {
	switch {
	case os.Getenv("USHER_SOAK") != "":
		return 200_000
	case testing.Short():
		return 300
	}
	return 2_000
}

// No mutated bundle is accepted, and none stops the reader.
func TestMutatedBundles(t *testing.T) {
	l := newLog(t, 40)
	raw := write(t, l.export(t, options{query: "who:ada", complete: true, first: 5, last: 30}))
	if r := verify(t, raw, &l.signer.Verifier); r.FaultCount > 0 && kinds(r)[0] != bundle.FaultMissing {
		t.Fatal(r.Faults) // the range is narrow
	}
	l = newLog(t, 40)
	raw = write(t, l.export(t, options{query: "who:ada"}))
	if r := verify(t, raw, &l.signer.Verifier); r.FaultCount > 0 {
		t.Fatal(r.Faults)
	}
	series(t, raw, l, rounds())
}

func series(t *testing.T, raw []byte, l *log, n int) {
	t.Helper()
	r := mathrand.New(mathrand.NewPCG(1, 2))
	accepted, done := 0, 0
	for range n {
		changed := mutate(r, raw)
		if bytes.Equal(changed, raw) {
			continue
		}
		done++
		report, err := bundle.Verify(context.Background(), bytes.NewReader(changed), int64(len(changed)), bundle.Check{Key: &l.signer.Verifier})
		if err == nil && report.FaultCount == 0 {
			if accepted++; accepted < 5 {
				t.Errorf("accepted: first difference at byte %d of %d", firstDifference(raw, changed), len(raw))
			}
		}
	}
	t.Logf("mutated bundles: %d, accepted: %d", done, accepted)
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// mutate changes a bundle in one to three places: bytes, lines and blocks.
func mutate(r *mathrand.Rand, raw []byte) []byte {
	b := bytes.Clone(raw)
	for range 1 + r.IntN(3) {
		if len(b) < 1024 {
			return b
		}
		at, other := r.IntN(len(b)), r.IntN(len(b))
		const block = 512
		p, q := at/block*block, other/block*block
		switch r.IntN(8) {
		case 0:
			b[at] ^= byte(1 + r.IntN(255))
		case 1:
			b[at] = b[other]
		case 2:
			b = slices.Delete(b, at, at+1)
		case 3:
			b = slices.Insert(b, at, byte(r.IntN(256)))
		case 4: // a block is repeated over another
			copy(b[p:min(p+block, len(b))], b[q:min(q+block, len(b))])
		case 5: // a block is removed
			b = slices.Delete(b, p, min(p+block, len(b)))
		case 6: // the file ends early
			b = b[:at]
		case 7: // two bytes change places
			b[at], b[other] = b[other], b[at]
		}
	}
	return b
}

// Proofs of any set of leaves give the root, whatever way the nodes were computed.
func TestProofs(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(3, 4))
	for range 300 {
		size := 1 + r.Int64N(1200)
		l := &log{}
		for i := range size {
			l.leaves = append(l.leaves, tree.Leaf(fmt.Append(nil, i)))
		}
		want := l.head(t)
		var indexes []int64
		density := r.Float64() * r.Float64()
		for i := range size {
			if r.Float64() < density {
				indexes = append(indexes, i)
			}
		}
		if len(indexes) == 0 {
			indexes = []int64{r.Int64N(size)}
		}
		nodes := inBlocks(t, l, size, indexes)
		leaves := make([]bundle.Leaf, len(indexes))
		for i, x := range indexes {
			leaves[i] = bundle.Leaf{Index: x, Hash: l.leaves[x]}
		}
		proof, err := prove(size, leaves, nodes)
		if err != nil {
			t.Fatal(err)
		}
		root := func(proof []tree.Hash) (tree.Hash, error) { return bundle.Root(size, values(leaves), values(proof)) }
		if got, err := root(proof); err != nil || got != want.Root {
			t.Fatalf("%d leaves of %d: %v", len(indexes), size, err)
		}
		if len(proof) > 0 {
			if _, err := root(proof[1:]); err == nil {
				t.Errorf("a proof with a hash less gives a root")
			}
			proof[r.IntN(len(proof))][0] ^= 1
			if got, _ := root(proof); got == want.Root {
				t.Errorf("a changed proof gives the root")
			}
		}
		if _, err := root(append(proof, tree.Hash{})); err == nil {
			t.Errorf("a proof with a hash more gives a root")
		}
	}
}

// inBlocks returns the nodes as a server computes them: in blocks of 256 leaves, and
// those outside of a window by their stored hashes.
func inBlocks(t *testing.T, l *log, size int64, indexes []int64) (nodes []bundle.Node) {
	t.Helper()
	const block = 256
	stored := func(all []bundle.Node) {
		for _, n := range all {
			h, err := l.hashes(t).ReadHashes([]int64{n.StoredIndex()})
			if err != nil {
				t.Fatal(err)
			}
			n.Hash = h[0]
			nodes = append(nodes, n)
		}
	}
	lo, hi := indexes[0]/block*block, min(size, indexes[len(indexes)-1]/block*block+block)
	stored(bundle.Cover(0, lo))
	for at := lo; at < hi; at += block {
		end := min(at+block, hi)
		nodes = append(nodes, bundle.Bare(at, l.leaves[at:end], func(i int64) bool { return slices.Contains(indexes, i) })...)
	}
	stored(bundle.Cover(hi, size))
	return nodes
}

// No cell of a hostile text begins like a formula, and the text stays on one line.
func TestCellsAreNoFormulas(t *testing.T) {
	for _, s := range []string{"=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "=1", "+1", "a=1", "", "'=1", "\x00=1", "a\r\nb", `"x"`} {
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		_ = w.Write([]string{bundle.Cell(s), "end"})
		w.Flush()
		row, err := csv.NewReader(&b).Read()
		if err != nil || len(row) != 2 {
			t.Fatalf("%q: %v", s, err)
		}
		if row[0] != "" && strings.ContainsRune("=+-@\t\r\n=+-@", []rune(row[0])[0]) || strings.ContainsAny(row[0], "\r\n") {
			t.Errorf("%q is the cell %q", s, row[0])
		}
	}
}
