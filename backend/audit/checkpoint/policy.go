package checkpoint

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Policy states which witnesses must cosign a checkpoint.
// SPEC: https://c2sp.org/tlog-policy
type Policy struct {
	logs      []*Verifier
	witnesses []PolicyWitness
	quorum    *member // nil: "none"
}

// PolicyWitness is a witness of a policy.
type PolicyWitness struct {
	*Witness
	Label string
	URL   string // submission prefix; "" where the policy has none
}

// member is a witness, or a group of which n members must agree.
type member struct {
	witness *Witness
	n       int
	of      []*member
	owned   bool // it is a member of a group
}

// maxPolicy bounds the lines of a policy.
const maxPolicy = 200

// ParsePolicy parses a policy: lines of log, witness, group and quorum.
func ParsePolicy(text string) (*Policy, error) {
	p := &Policy{}
	names := map[string]*member{}
	lines := strings.Split(text, "\n")
	if len(lines) > maxPolicy {
		return nil, fmt.Errorf("the witness policy has more than %d lines", maxPolicy)
	}
	quorum := ""
	for i, line := range lines {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if err := p.add(fields, names, &quorum); err != nil {
			return nil, fmt.Errorf("line %d of the witness policy: %w", i+1, err)
		}
	}
	switch {
	case quorum == "":
		return nil, errors.New("the witness policy has no quorum line")
	case quorum != "none":
		if p.quorum = names[quorum]; p.quorum == nil {
			return nil, fmt.Errorf("the quorum of the witness policy names no witness and no group: %q", quorum)
		}
	}
	return p, nil
}

func (p *Policy) add(fields []string, names map[string]*member, quorum *string) error {
	args := fields[1:]
	switch word := fields[0]; {
	case word == "log" && (len(args) == 1 || len(args) == 2):
		v, err := NewVerifier(args[0])
		if err != nil {
			return err
		}
		p.logs = append(p.logs, v)
	case word == "witness" && (len(args) == 2 || len(args) == 3):
		w, err := NewWitness(args[1])
		if err != nil {
			return err
		}
		// One key under two names would count twice.
		if slices.ContainsFunc(p.witnesses, func(other PolicyWitness) bool { return other.pub.Equal(w.pub) }) {
			return errors.New("two witnesses have one key")
		}
		next := PolicyWitness{Witness: w, Label: args[0]}
		if len(args) == 3 {
			next.URL = args[2]
		}
		p.witnesses = append(p.witnesses, next)
		return name(names, args[0], &member{witness: w})
	case word == "group" && len(args) >= 3:
		return group(names, args[0], args[1], args[2:])
	case word == "quorum" && len(args) == 1 && *quorum == "":
		*quorum = args[0]
	default:
		return fmt.Errorf("it is not a log, witness, group or the only quorum line: %q", strings.Join(fields, " "))
	}
	return nil
}

func group(names map[string]*member, label, threshold string, of []string) error {
	n, err := strconv.Atoi(threshold)
	switch threshold {
	case "any":
		n, err = 1, nil
	case "all":
		n, err = len(of), nil
	}
	if err != nil || n < 1 || n > len(of) {
		return fmt.Errorf("a group of %d has no threshold of %q", len(of), threshold)
	}
	g := &member{n: n}
	for _, child := range of {
		m := names[child]
		if m == nil || m.owned { // a member of two groups would count twice
			return fmt.Errorf("a group names an unknown member, or one of another group: %q", child)
		}
		m.owned = true
		g.of = append(g.of, m)
	}
	return name(names, label, g)
}

func name(names map[string]*member, label string, m *member) error {
	if label == "none" || names[label] != nil {
		return fmt.Errorf("the name %q is reserved or taken", label)
	}
	names[label] = m
	return nil
}

// Witnesses returns the witnesses of the policy.
func (p *Policy) Witnesses() []PolicyWitness { return p.witnesses }

// Logs returns the keys of the policy's logs.
func (p *Policy) Logs() []*Verifier { return p.logs }

// Cosignatures returns the valid cosignatures of the policy's witnesses in a
// checkpoint.
func (p *Policy) Cosignatures(signed []byte) []Cosignature {
	witnesses := make([]*Witness, len(p.witnesses))
	for i, w := range p.witnesses {
		witnesses[i] = w.Witness
	}
	return Cosignatures(signed, Signatures(signed), witnesses...)
}

// Satisfied reports whether the cosignatures in a checkpoint satisfy the policy.
// The caller verifies the signature of the log.
func (p *Policy) Satisfied(signed []byte) bool {
	if p.quorum == nil {
		return true
	}
	agreed := map[string]bool{}
	for _, c := range p.Cosignatures(signed) {
		agreed[c.Key] = true
	}
	return p.quorum.satisfied(agreed)
}

func (m *member) satisfied(agreed map[string]bool) bool {
	if m.witness != nil {
		return agreed[m.witness.key]
	}
	n := 0
	for _, child := range m.of {
		if child.satisfied(agreed) {
			n++
		}
	}
	return n >= m.n
}
