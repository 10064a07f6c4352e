package bundle

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
	"usher/backend/event"
)

// Leaf is the number of an event, from 0 on, and the hash of its bytes.
type Leaf struct {
	Index int64
	Hash  tree.Hash
}

// Content is the content of a bundle. The last event is the record of the export.
type Content struct {
	Key        string
	Checkpoint []byte

	// The last cosigned checkpoint, the policy of the witnesses, and the proof that
	// Checkpoint contains its events. Cosigned may be nil.
	Cosigned      []byte
	Witnesses     *checkpoint.Policy
	CosignedProof []tree.Hash

	Policies map[string][]byte // texts of the grants, by version
	Leaves   []Leaf            // of all events, in order
	Proof    []tree.Hash       // of Prove
	Export   event.Event       // the last event

	Events     func() iter.Seq2[[]byte, error] // canonical bytes in order; called several times
	EventsSize int64                           // bytes of events.jsonl
}

// signature returns the line of the valid signature of the log's key in a note.
func signature(note []byte, name string) ([]byte, error) {
	for line := range bytes.SplitAfterSeq(checkpoint.Signatures(note), []byte("\n")) {
		if signer, ok := strings.CutPrefix(string(line), "— "+name+" "); ok {
			return normal(name, strings.TrimSuffix(signer, "\n"))
		}
	}
	return nil, checkpoint.ErrSignature
}

// normal returns a line of a signature in its only form.
func normal(name, encoded string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, checkpoint.ErrMalformed
	}
	return fmt.Appendf(nil, "— %s %s\n", name, base64.StdEncoding.EncodeToString(raw)), nil
}

// signedBy returns a checkpoint with the signature of its log alone.
func signedBy(note []byte, v *checkpoint.Verifier) ([]byte, error) {
	if _, err := v.Open(note); err != nil {
		return nil, err
	}
	line, err := signature(note, v.Name())
	if err != nil {
		return nil, err
	}
	text, _, _ := bytes.Cut(note, []byte("\n\n"))
	out := slices.Concat(text, []byte("\n\n"), line)
	_, err = v.Open(out)
	return out, err
}

// cosignedBy returns a checkpoint with the signature of its log and those of the
// witnesses, in the order of their lines, and the lines of the witnesses' keys.
func cosignedBy(note []byte, v *checkpoint.Verifier, witnesses []*checkpoint.Witness) (out, keys []byte, err error) {
	if out, err = signedBy(note, v); err != nil {
		return nil, nil, err
	}
	var lines, vkeys []string
	for _, c := range checkpoint.Cosignatures(note, checkpoint.Signatures(note), witnesses...) {
		line, err := normal(c.Witness, strings.TrimSuffix(strings.TrimPrefix(string(c.Line), "— "+c.Witness+" "), "\n"))
		if err != nil {
			return nil, nil, err
		}
		lines, vkeys = append(lines, string(line)), append(vkeys, c.Key+"\n")
	}
	slices.Sort(lines)
	slices.Sort(vkeys)
	return append(out, strings.Join(slices.Compact(lines), "")...), []byte(strings.Join(slices.Compact(vkeys), "")), nil
}

// Write writes a bundle. It does not verify it; Verify does.
func Write(w io.Writer, c Content) error {
	v, err := checkpoint.NewVerifier(c.Key)
	if err != nil {
		return err
	}
	head, err := v.Open(c.Checkpoint)
	if err != nil {
		return err
	}
	small, err := c.small(v, head)
	if err != nil {
		return err
	}
	out := &archive{tar: tar.NewWriter(w), at: c.Export.Time}
	for _, f := range small {
		if err := out.add(f.name, f.data); err != nil {
			return err
		}
	}
	if err := out.stream(nameEvents, c.EventsSize, c.lines); err != nil {
		return err
	}
	if err := out.add(nameIndex, indexText(c.Leaves)); err != nil {
		return err
	}
	if err := out.add(nameProof, hashText(c.Proof)); err != nil {
		return err
	}
	filter, err := filterOf(c.Export)
	if err != nil {
		return err
	}
	sheet := func(w io.Writer) error { return c.csv(w, filter) }
	var size counter
	if err := sheet(&size); err != nil {
		return err
	}
	if err := out.stream(nameCSV, int64(size), sheet); err != nil {
		return err
	}
	return out.tar.Close()
}

type file struct {
	name string
	data []byte
}

// small returns the entries before the events.
func (c Content) small(v *checkpoint.Verifier, head tree.Head) ([]file, error) {
	manifest, err := manifestOf(c.Export, v.Name(), v.Key(), head).text()
	if err != nil {
		return nil, err
	}
	note, err := signedBy(c.Checkpoint, v)
	if err != nil {
		return nil, err
	}
	all := []file{{nameReadme, readme}, {nameManifest, manifest}, {nameKey, []byte(v.Key() + "\n")}, {nameCheckpoint, note}}
	if c.Cosigned != nil && c.Witnesses != nil {
		witnesses := make([]*checkpoint.Witness, 0, len(c.Witnesses.Witnesses()))
		for _, w := range c.Witnesses.Witnesses() {
			witnesses = append(witnesses, w.Witness)
		}
		cosigned, keys, err := cosignedBy(c.Cosigned, v, witnesses)
		if err != nil {
			return nil, err
		}
		all = append(all, file{nameCosigned, cosigned}, file{nameWitnesses, keys}, file{nameCosignedProof, hashText(c.CosignedProof)})
	}
	for _, version := range slices.Sorted(maps.Keys(c.Policies)) {
		all = append(all, file{policyName(version), c.Policies[version]})
	}
	return all, nil
}

func policyName(version string) string { return policyFolder + version + policySuffix }

// filterOf returns the query of an export.
func filterOf(export event.Event) (event.Filter, error) {
	f, err := event.ParseFilter(export.Query, export.Time)
	if err != nil {
		return f, fmt.Errorf("the query of the export: %w", err)
	}
	return f, nil
}

func (c Content) lines(w io.Writer) error {
	for line, err := range c.Events() {
		if err == nil {
			_, err = w.Write(append(slices.Clip(line), '\n'))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// csv writes the events of the range that match the query.
func (c Content) csv(w io.Writer, filter event.Filter) error {
	t, err := newTable(w)
	if err != nil {
		return err
	}
	i := 0
	for line, err := range c.Events() {
		if err != nil {
			return err
		}
		e, err := event.Parse(line)
		if err != nil {
			return err
		}
		if i >= len(c.Leaves) {
			return errors.New("there are more events than leaves")
		}
		if at := c.Leaves[i].Index; at < c.Export.LastRecord && at >= c.Export.FirstRecord-1 && filter.Match(e) {
			if err := t.add(at+1, e); err != nil {
				return err
			}
		}
		i++
	}
	return t.flush()
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func indexText(leaves []Leaf) []byte {
	var b []byte
	for _, l := range leaves {
		b = strconv.AppendInt(b, l.Index, 10)
		b = append(b, ' ')
		b = hex.AppendEncode(b, l.Hash[:])
		b = append(b, '\n')
	}
	return b
}

func hashText(hashes []tree.Hash) []byte {
	var b []byte
	for _, h := range hashes {
		b = append(hex.AppendEncode(b, h[:]), '\n')
	}
	return b
}

// archive writes a tar file in one form.
type archive struct {
	tar *tar.Writer
	at  time.Time
}

// header returns the header of an entry. All bundles of one content are equal.
func header(name string, size int64, at time.Time) *tar.Header {
	return &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: size, ModTime: at.UTC().Truncate(time.Second), Format: tar.FormatUSTAR}
}

func (a *archive) add(name string, data []byte) error {
	return a.stream(name, int64(len(data)), func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

func (a *archive) stream(name string, size int64, write func(io.Writer) error) error {
	if err := a.tar.WriteHeader(header(name, size, a.at)); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	buffered := bufio.NewWriterSize(a.tar, 64<<10)
	err := write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = a.tar.Flush() // fails if size is another one
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
