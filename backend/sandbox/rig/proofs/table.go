package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// areas are what somebody else must have judged. A table without one of them
// is not finished.
func areas() []string {
	return []string{
		"main job", "SigV4 header", "SigV4 query", "tampering", "expiry", "session token", "paging", "Range", "If-Match",
		"checksums", "writes", "archive", "buckets", "downloads", "SRP", "new password", "TOTP", "refresh", "global sign-out", "tokens", "JWKS", "owner's calls",
	}
}

// claim is one row of the table: what is said, who judged it, by which tests.
type claim struct {
	area, says, judge string
	tests             []string
}

// table is what the README says.
type table struct {
	judges map[string]string // a judge's tests begin with
	claims []claim
}

var inBackquotes = regexp.MustCompile("`([^`]+)`")

// parse reads the two tables of the README: the judges (judge | what it is |
// tests begin with) and the claims (area | claim | judge | tests).
func parse(readme string) table {
	t := table{judges: map[string]string{}}
	var head string // of the table that a line is in
	for line := range strings.Lines(readme) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			head = ""
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case head == "":
			head = strings.Join(cells, "|")
		case strings.Trim(line, "|-: ") == "":
		case head == "judge|what it is|its tests begin with" && len(cells) == 3:
			t.judges[cells[0]] = strings.Trim(cells[2], "`")
		case head == "area|claim|judge|tests" && len(cells) == 4:
			c := claim{area: cells[0], says: cells[1], judge: cells[2]}
			for _, m := range inBackquotes.FindAllStringSubmatch(cells[3], -1) {
				c.tests = append(c.tests, m[1])
			}
			t.claims = append(t.claims, c)
		}
	}
	return t
}

// check holds the table against what ran: each row names a judge, the judge's
// own tests, and they passed; each area has a row; each judge has proved
// something.
func (t table) check(r results) error {
	var errs []error
	say := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	proved := map[string]bool{}
	for _, c := range t.claims {
		prefix, known := t.judges[c.judge]
		switch {
		case !known || prefix == "":
			say("%s: %q: there is no judge %q", c.area, c.says, c.judge)
			continue
		case len(c.tests) == 0:
			say("%s: %q: no test is named", c.area, c.says)
		case !slices.Contains(areas(), c.area):
			say("%q is not an area", c.area)
		}
		for _, name := range c.tests {
			switch {
			case !strings.HasPrefix(name, prefix):
				say("%s: %q: %s is not a test of %s", c.area, c.says, name, c.judge)
			case r[name] == "":
				say("%s: %q: %s did not run", c.area, c.says, name)
			case r[name] != passed:
				say("%s: %q: %s: %s", c.area, c.says, name, r[name])
			default:
				proved[c.judge] = true
			}
		}
	}
	for _, area := range areas() {
		if !slices.ContainsFunc(t.claims, func(c claim) bool { return c.area == area }) {
			say("nobody has judged: %s", area)
		}
	}
	for judge := range t.judges {
		if !proved[judge] {
			say("%s has proved nothing", judge)
		}
	}
	return errors.Join(errs...)
}
