package bundle

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
	"usher/backend/event"
)

// Content is the content of a bundle. The last event is the record of the export.
type Content struct {
	Key        string
	Checkpoint []byte

	// The last cosigned checkpoint, the policy of the witnesses, and the proof that
	// Checkpoint contains its events. Cosigned may be nil.
	Cosigned      []byte
	Witnesses     *checkpoint.Policy
	CosignedProof []tree.Hash

	Policies map[string]Source // texts of the grants, by version
	Groups   Groups            // of all decisions
	Export   event.Event       // the last event
	Events   Source            // lines of canonical bytes, in the order of the log
	Index    Source            // of AppendLeaf, for each event
	Proof    Source            // of Prove, a line of AppendHash for each hash
	Sheet    Source            // of Sheet
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
	large := []file{{nameEvents, c.Events}, {nameIndex, c.Index}, {nameProof, c.Proof}, {nameCSV, c.Sheet}}
	for _, f := range slices.Concat(small, large) {
		if err := out.stream(f.name, f.data); err != nil {
			return err
		}
	}
	return out.tar.Close()
}

type file struct {
	name string
	data Source
}

// small returns the entries before the events.
func (c Content) small(v *checkpoint.Verifier, head tree.Head) ([]file, error) {
	manifest, err := manifestOf(Format, c.Export, v.Name(), v.Key(), head).text()
	if err != nil {
		return nil, err
	}
	note, err := signedBy(c.Checkpoint, v)
	if err != nil {
		return nil, err
	}
	all := []file{{nameReadme, Bytes(readmes(Format))}, {nameManifest, Bytes(manifest)}, {nameKey, Bytes([]byte(v.Key() + "\n"))}, {nameCheckpoint, Bytes(note)}}
	if c.Cosigned != nil && c.Witnesses != nil {
		witnesses := make([]*checkpoint.Witness, 0, len(c.Witnesses.Witnesses()))
		for _, w := range c.Witnesses.Witnesses() {
			witnesses = append(witnesses, w.Witness)
		}
		cosigned, keys, err := cosignedBy(c.Cosigned, v, witnesses)
		if err != nil {
			return nil, err
		}
		all = append(all, file{nameCosigned, Bytes(cosigned)}, file{nameWitnesses, Bytes(keys)}, file{nameCosignedProof, Bytes(hashText(c.CosignedProof))})
	}
	for _, version := range slices.Sorted(maps.Keys(c.Policies)) {
		all = append(all, file{policyName(version), c.Policies[version]})
	}
	groups, err := c.Groups.text()
	return append(all, file{nameGroups, Bytes(groups)}), err
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

// Sheet writes events.csv: the events of the range that match the query. index and
// events have the contents of Content.
func Sheet(w io.Writer, export event.Event, index, events io.Reader) error {
	filter, err := filterOf(export)
	if err != nil {
		return err
	}
	t, err := newTable(w)
	if err != nil {
		return err
	}
	leaves, lines := Leaves(index), bufio.NewReaderSize(events, 256<<10)
	for {
		l, ok, err := leaves()
		if err != nil {
			return err
		}
		if !ok {
			return t.flush()
		}
		line, err := readLine(lines)
		if err != nil {
			return err
		}
		e, err := event.Parse(line)
		if err != nil {
			return err
		}
		if l.Index < export.LastRecord && l.Index >= export.FirstRecord-1 && filter.Match(e) {
			if err := t.add(l.Index+1, e); err != nil {
				return err
			}
		}
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
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

func (a *archive) stream(name string, from Source) error {
	if err := a.tar.WriteHeader(header(name, from.Size, a.at)); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	buffered := bufio.NewWriterSize(a.tar, 64<<10)
	err := from.Write(buffered)
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
