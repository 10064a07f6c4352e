package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// areas returns the required areas. A table without a claim in each area is
// incomplete.
func areas() []string {
	return []string{
		"main job", "SigV4 header", "SigV4 query", "tampering", "expiry", "session token", "paging", "Range", "If-Match",
		"checksums", "writes", "archive", "buckets", "downloads", "SRP", "new password", "TOTP", "sent codes", "devices", "refresh", "global sign-out", "OAuth", "tokens", "JWKS", "owner's calls", "DynamoDB",
		"function", "session policies", "template", "tables", "previews", "versions", "screens",
	}
}

// claim is one row of the table: a claim in an area, its judge, and its tests.
type claim struct {
	area, text, judge string
	tests             []string
}

// table holds the judges and claims of the README.
type table struct {
	judges map[string]string // prefix of the test names, by judge
	claims []claim
}

var inBackquotes = regexp.MustCompile("`([^`]+)`")

// parse reads the two tables of the README: the judges (judge | description |
// test prefix) and the claims (area | claim | judge | tests).
func parse(readme string) table {
	t := table{judges: map[string]string{}}
	var head string // header of the line's table
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
		case head == "judge|description|test prefix" && len(cells) == 3:
			t.judges[cells[0]] = strings.Trim(cells[2], "`")
		case head == "area|claim|judge|tests" && len(cells) == 4:
			c := claim{area: cells[0], text: cells[1], judge: cells[2]}
			for _, m := range inBackquotes.FindAllStringSubmatch(cells[3], -1) {
				c.tests = append(c.tests, m[1])
			}
			t.claims = append(t.claims, c)
		}
	}
	return t
}

// check compares the table with the results. Each row must name a judge and that
// judge's tests, which passed. Each area must have a row, and each judge must
// prove a claim.
func (t table) check(r results) error {
	var errs []error
	report := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	proved := map[string]bool{}
	for _, c := range t.claims {
		prefix, known := t.judges[c.judge]
		switch {
		case !known || prefix == "":
			report("%s: %q: there is no judge %q", c.area, c.text, c.judge)
			continue
		case len(c.tests) == 0:
			report("%s: %q: no test is named", c.area, c.text)
		case !slices.Contains(areas(), c.area):
			report("%q is not an area", c.area)
		}
		for _, name := range c.tests {
			switch {
			case !strings.HasPrefix(name, prefix):
				report("%s: %q: %s is not a test of %s", c.area, c.text, name, c.judge)
			case r[name] == "":
				report("%s: %q: %s did not run", c.area, c.text, name)
			case r[name] != passed:
				report("%s: %q: %s: %s", c.area, c.text, name, r[name])
			default:
				proved[c.judge] = true
			}
		}
	}
	for _, area := range areas() {
		if !slices.ContainsFunc(t.claims, func(c claim) bool { return c.area == area }) {
			report("no claim in area %s", area)
		}
	}
	for judge := range t.judges {
		if !proved[judge] {
			report("%s has proved no claim", judge)
		}
	}
	return errors.Join(errs...)
}
