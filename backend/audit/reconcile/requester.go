package reconcile

import (
	"slices"
	"strings"
)

// Signer is a principal of IAM that signs the server's requests.
type Signer struct {
	// Name is the ARN of a role or a user, a canonical user id, a principal id, or the
	// name of a role. Of an ARN, the account is compared too.
	Name string
	// PerPerson reports that each person has a session with the person's sub as its name.
	PerPerson bool
}

// session returns the principal of a requester, which its sessions share, and the name
// of the session; "" for a requester without one.
// SPEC: IAM user guide, "IAM identifiers": arn:PARTITION:sts::ACCOUNT:assumed-role/ROLE/SESSION
// is a session of arn:PARTITION:iam::ACCOUNT:role/PATH/ROLE. "Unique identifiers": a
// principal id is AROA... with the session behind a colon.
func session(requester string) (principal, name string) {
	p := strings.SplitN(requester, ":", 6)
	if len(p) < 6 || p[0] != "arn" {
		principal, name, _ = strings.Cut(requester, ":")
		return principal, name
	}
	kind, rest, _ := strings.Cut(p[5], "/")
	role := ""
	switch {
	case p[2] == "sts" && kind == "assumed-role":
		role, name, _ = strings.Cut(rest, "/")
	case p[2] == "iam" && kind == "role":
		role = rest[strings.LastIndexByte(rest, '/')+1:]
	default:
		return requester, ""
	}
	return "arn:" + p[1] + ":iam::" + p[4] + ":role/" + role, name
}

// account returns the account of an ARN, or "".
func account(arn string) string {
	if p := strings.SplitN(arn, ":", 6); len(p) == 6 && p[0] == "arn" {
		return p[4]
	}
	return ""
}

// is reports whether a requester is the signer.
func (s Signer) is(requester string) bool {
	principal, _ := session(requester)
	own, _ := session(s.Name)
	if requester == "" || s.Name == "" {
		return false
	}
	if isName := !strings.ContainsAny(s.Name, ":/"); isName && strings.HasSuffix(principal, ":role/"+s.Name) {
		return true
	}
	return principal == own
}

// origin is the result of the check of a line's requester.
type origin int

const (
	stranger    origin = iota
	signer             // or no signer is known
	accountOnly        // the log has no ARN, and the account is a signer's
)

// origin compares the requester of a line with the signers.
func (c *Comparison) origin(l Line) origin {
	if len(c.signers) == 0 && l.Requester != "" {
		return signer
	}
	for _, s := range c.signers {
		if s.is(l.Requester) {
			return signer
		}
	}
	isOurs := func(s Signer) bool { return l.Account != "" && account(s.Name) == l.Account }
	if slices.ContainsFunc(c.signers, isOurs) {
		return accountOnly
	}
	return stranger
}

// calibrate finds the principals that have one session per person: those of the
// configuration, and those with a session of an event's person. Without signers, the
// principal with the most reads of releases becomes the signer.
func (c *Comparison) calibrate(releases []release, named map[string][]int) {
	for _, s := range c.signers {
		if own, _ := session(s.Name); s.PerPerson {
			c.readers[own] = true
		}
	}
	type use struct{ reads, first int }
	uses := map[string]use{}
	for _, e := range releases {
		for _, i := range named[e.id] {
			l := c.reads.line(i)
			principal, person := session(l.Requester)
			if person != "" && person == e.sub {
				c.readers[principal] = true
			}
			if principal != "" && c.fits(e, l) == "" {
				u, known := uses[principal]
				if !known || i < u.first {
					u.first = i
				}
				u.reads++
				uses[principal] = u
			}
		}
	}
	if c.report.RequesterChecked {
		return
	}
	most, best := "", use{}
	for principal, u := range uses {
		if u.reads > best.reads || u.reads == best.reads && u.first < best.first {
			most, best = principal, u
		}
	}
	if most != "" {
		c.signers = []Signer{{Name: most}}
	}
}
