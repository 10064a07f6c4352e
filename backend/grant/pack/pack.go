// Package pack has the stored form of a version of the grants: one line of JSON for
// each grant, compressed with zstd. The version of the unpacked set proves that
// nothing of it is missing or changed.
//
// Where a version is stored is left to the stores.
package pack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"

	"usher/backend/grant"
)

// maxText bounds the text of a version. A grants file has up to 32 MiB, and the
// names of the fields in JSON add to it.
const maxText = 128 << 20

// line is one grant of a stored version. Its names stay as they are: stored
// versions are read for years.
type line struct {
	Group     string    `json:"g"`
	Bucket    string    `json:"b"`
	Prefix    string    `json:"p,omitempty"`
	Object    string    `json:"o,omitempty"`
	Effect    string    `json:"e,omitempty"`
	NotBefore time.Time `json:"n,omitzero"`
	Expires   time.Time `json:"x,omitzero"`
	Reason    string    `json:"r,omitempty"`
}

// Pack returns the compressed text of grants.
func Pack(grants []grant.Grant) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	for _, g := range grants {
		err := encoder.Encode(line{g.Group, g.Bucket, g.Prefix, g.Object, string(g.Effect), g.NotBefore, g.Expires, g.Reason})
		if err != nil {
			return nil, fmt.Errorf("packing grants: %w", err)
		}
	}
	if text.Len() > maxText {
		return nil, errors.New("packing grants: they are too large")
	}
	w, err := zstd.NewWriter(nil)
	if err != nil {
		return nil, fmt.Errorf("packing grants: %w", err)
	}
	defer w.Close()
	return w.EncodeAll(text.Bytes(), nil), nil
}

// Unpack is the reverse of Pack.
func Unpack(packed []byte) ([]grant.Grant, error) {
	r, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderMaxMemory(maxText), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("unpacking grants: %w", err)
	}
	defer r.Close()
	var grants []grant.Grant
	decoder := json.NewDecoder(io.LimitReader(r, maxText+1))
	for {
		var l line
		switch err := decoder.Decode(&l); {
		case errors.Is(err, io.EOF):
			return grants, nil
		case err != nil:
			return nil, fmt.Errorf("unpacking grants: %w", err)
		}
		grants = append(grants, grant.Grant{
			Group: l.Group, Bucket: l.Bucket, Prefix: l.Prefix, Object: l.Object,
			Effect: grant.Effect(l.Effect), NotBefore: l.NotBefore, Expires: l.Expires, Reason: l.Reason,
		})
	}
}
