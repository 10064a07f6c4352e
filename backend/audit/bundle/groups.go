package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"usher/backend/event"
)

// Groups are names of groups by their event.HashGroups. The names of nil are unknown:
// the log has no event with them any more. A person without groups has an empty list.
type Groups map[string][]string

// unknown is the text of names that are nil.
const unknown = "-"

// text returns groups.txt: hashes in their order, each with its names in JSON.
func (g Groups) text() ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	for _, hash := range slices.Sorted(maps.Keys(g)) {
		b.WriteString(hash + " ")
		names := g[hash]
		if names == nil {
			b.WriteString(unknown + "\n")
			continue
		}
		if event.HashGroups(names) != hash {
			return nil, fmt.Errorf("the groups of the hash %.40q have another hash", hash)
		}
		if err := encoder.Encode(event.SortedGroups(names)); err != nil {
			return nil, fmt.Errorf("writing the names of groups: %w", err)
		}
	}
	return b.Bytes(), nil
}

// parseGroups parses groups.txt. Another text for the same groups is an error.
func parseGroups(raw []byte) (Groups, error) {
	all := Groups{}
	for line := range strings.Lines(string(raw)) {
		hash, encoded, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if encoded == unknown {
			all[hash] = nil
			continue
		}
		names := []string{}
		if err := json.Unmarshal([]byte(encoded), &names); err != nil || names == nil {
			return nil, fmt.Errorf("the line of %.40q is malformed", hash)
		}
		all[hash] = names
	}
	text, err := all.text()
	if err == nil && !bytes.Equal(text, raw) {
		err = errors.New("it is not in its only form")
	}
	return all, err
}

// groups reads the names of groups, and passes them to the Check.
func (v *verification) groups() error {
	if v.format == FormatV1 {
		return nil
	}
	raw, err := v.read(nameGroups)
	if err != nil {
		return err
	}
	if v.named, err = parseGroups(raw); err != nil {
		v.report.fault(FaultGroups, 0, "%s: %v", nameGroups, err)
	}
	if v.check.Groups != nil {
		v.check.Groups(v.named)
	}
	return nil
}

// decided checks that the names of all groups are there, and no others.
func (v *verification) decided() error {
	if v.format == FormatV1 {
		return nil
	}
	for _, hash := range slices.Sorted(maps.Keys(v.used)) {
		if _, ok := v.named[hash]; !ok {
			v.report.fault(FaultGroups, v.used[hash], "the groups of this decision are not in %s", nameGroups)
		}
	}
	for _, hash := range slices.Sorted(maps.Keys(v.named)) {
		if v.used[hash] == 0 {
			v.report.fault(FaultGroups, 0, "the groups of the hash %.40q decided no event of the export", hash)
		}
		// Names that the log has lost have no event. The exporter writes this mark.
		if record := v.stated[hash]; v.named[hash] == nil && record != 0 {
			v.report.fault(FaultGroups, record, "%s marks the names of these groups as lost, and the event has them", nameGroups)
		}
	}
	return nil
}
