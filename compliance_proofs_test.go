package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"usher/backend/api"
	"usher/backend/event"
)

// proof compares the answers of one check with the facts of the demo. The answers
// are those of the lines of its command.
type proof func(answers []string) error

// rows requires, for each list of words, a line that has these words in this order.
func rows(text string, want ...[]string) error {
	var errs []error
	for _, words := range want {
		pattern := make([]string, len(words))
		for i, w := range words {
			pattern[i] = regexp.QuoteMeta(w)
		}
		if !regexp.MustCompile(`(?m)(^|\s)` + strings.Join(pattern, `\s.*?`)).MatchString(text) {
			errs = append(errs, fmt.Errorf("no line with %q", words))
		}
	}
	return errors.Join(errs...)
}

// number returns the number that a pattern's first group matches, or -1.
func number(text, pattern string) int {
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		return -1
	}
	n, err := strconv.Atoi(strings.ReplaceAll(m[1], ",", ""))
	if err != nil {
		return -1
	}
	return n
}

// eventsIn returns the events of JSON lines. The line of a cut list is no event.
func eventsIn(text string) (all []event.Event, err error) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, `{"error":{"code":"cut"`) {
			continue
		}
		var e event.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return nil, fmt.Errorf("%q is no event: %w", line, err)
		}
		all = append(all, e)
	}
	if len(all) == 0 {
		return nil, errors.New("no event")
	}
	return all, nil
}

// must returns an error with this text for a condition that does not hold.
func must(holds bool, format string, args ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, args...)
}

const (
	oneFile   = "company-reports/annual/one.csv"
	emergent  = "allow engineering until 2099-01-01T00:00:00Z company-reports/annual/"
	timeOfRow = `(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})`
)

// proofs returns the proof of each check, by its number.
func (o office) proofs() map[string]proof {
	return map[string]proof{
		"1": wholeEvent,
		"2": func(a []string) error {
			return errors.Join(
				rows(a[0], []string{"ada", "session-start", "allowed", "127.0.0.1", "native"}, []string{"ada", "sign-out", "allowed"}, []string{"token-refused", "denied", "127.0.0.1", "invalid"}),
				rows(a[1], []string{"2026-11-28 10:00:00", "s-1", "InitiateAuth", "NotAuthorizedException", "203.0.113.9"}))
		},
		"3": func(a []string) error {
			return rows(a[0], []string{"ada", "list", "allowed", "company-reports/annual/"}, []string{"ada", "search", "allowed", "company-reports/", "text one"}, []string{"ada", "stat", "allowed", oneFile},
				[]string{"ada", "versions", "allowed", oneFile}, []string{"ada", "download (preview)", "allowed", oneFile}, []string{"ada", "download (link)", "allowed", oneFile}, []string{"ada", "download", "allowed, reported done", oneFile})
		},
		"4": changes,
		"5": func(a []string) error {
			return rows(a[3], []string{"grace", "audit-verify", "no fault in the export"}, []string{"grace", "audit-review", "reads by auditors only"}, []string{"grace", "audit-export", "who:ada"}, []string{"grace", "audit-read", "action:session-start"})
		},
		"6": func(a []string) error {
			return errors.Join(rows(a[0], []string{"audit-gap"}, []string{"service-stop"}),
				must(strings.Count(a[0], "service-start") == 2, "%d starts of the service, want 2", strings.Count(a[0], "service-start")))
		},
		"7": func(a []string) error {
			n, whole, tail := number(a[1], `([\d,]+) events, `), number(a[1], `whole up to ([\d,]+)`), number(a[1], `unsigned tail ([\d,]+)`)
			return must(n > 20 && whole+tail == n && number(a[1], `([\d,]+) decisions, 0 differ`) > 5, "the log is not verified as a whole")
		},
		"8": func(a []string) error {
			return errors.Join(must(number(a[1], `copy\.db: ([\d,]+) events, verified`) > 20, "the copy has no events"), rows(a[2], []string{"ada", "download", oneFile}))
		},
		"9": func(a []string) error {
			return errors.Join(must(!strings.Contains(a[0], "session-start"), "an administrator reads events"),
				rows(a[0], []string{"There is no audit log that you can open."}), rows(a[1], []string{"margaret", "audit-read", "denied", "not in the auditors' group"}))
		},
		"10": func(a []string) error {
			all, err := eventsIn(a[0])
			if err != nil {
				return err
			}
			return must(len(all) == 1 && all[0].Action == event.ServiceStart && strings.HasPrefix(a[1], "No event matches"), "the oldest event is not the first start of the service")
		},
		"11": func(a []string) error {
			return errors.Join(must(len(strings.Split(strings.TrimSpace(a[0]), "\n")) == 12, "not twelve questions"), rows(a[1], []string{"Recorded:", "outcome:denied"}),
				rows(a[2], []string{"denials", "7 days", "grace", "outcome:denied"}), rows(a[3], []string{"grace", "audit-review", "typing errors only; query: outcome:denied"}))
		},
		"12": func(a []string) error { return errors.Join(healthy(a[0], false), rows(a[1], []string{"audit-gap"})) },
		"13": func(a []string) error { return healthy(a[0], true) },
		"14": func(a []string) error {
			const day = `\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`
			return errors.Join(rows(a[0], []string{"finance-team", "all of it", "allow finance-team company-reports/annual/"}, []string{"engineering", "all of it", emergent, "incident 7"}, []string{"alan", "all of it", "engineering"}),
				must(number(a[1], `(?m)^alan +engineering +company-reports/annual/ +`+day+` +`+day+` +allow engineering until (\d{4})`) == 2099, "no time and last use of alan's grant"),
				must(!regexp.MustCompile(`(?m)^ada `).MatchString(a[1]), "ada has no access"), rows(a[2], []string{"Recorded:", "action:grants-changed"}))
		},
		"15": removal,
		"16": func(a []string) error {
			all, err := eventsIn(a[0])
			if err != nil {
				return err
			}
			return must(all[0].Way == event.WayNative && all[0].SignedIn != nil && len(all[0].GroupNames) > 0, "no way and time of the sign-in")
		},
		"17": func(a []string) error {
			n := number(a[0], `ada\.tar has ([\d,]+) events, proved by the checkpoint of`)
			return errors.Join(must(n > 5 && number(a[1], `events, ([\d,]+) match; checkpoint of`) == n, "another number of events"), must(number(a[1], `([\d,]+) decisions, 0 differ`) > 5, "no decision again"),
				must(strings.Contains("\n"+a[1], "\nwhole\n"), "not whole with the key"), rows(a[2], []string{"ada", "list", "denied", "company-reports/annual/"}))
		},
		"18": o.noSecrets,
		"19": func(a []string) error {
			all, err := eventsIn(a[1])
			if err != nil {
				return err
			}
			isUse := func(e event.Event) bool {
				return e.User.Username == "alan" && e.Action == event.Download && e.Grant == emergent
			}
			return errors.Join(must(strings.Contains(a[0], `+ \"incident 7\" `+emergent), "no reason of the grant"), must(slices.ContainsFunc(all, isUse), "no use of the grant by alan"))
		},
		"20": func(a []string) error {
			n := number(a[2], `([\d,]+) events, `)
			return errors.Join(must(number(a[0], `([\d,]+) events for the query; compared with the server's answer`) > 20, "no comparison"),
				must(n > 20 && number(a[2], `checkpoint of ([\d,]+) events`) >= n && strings.Contains("\n"+a[2], "\nwhole\n") && strings.HasPrefix(a[2], "All events of the range"), "not whole"))
		},
	}
}

// wholeEvent requires each field of an event of a download.
func wholeEvent(a []string) error {
	all, err := eventsIn(a[0])
	if err != nil {
		return err
	}
	e := all[0]
	for name, value := range map[string]string{"id": e.ID, "sub": e.User.Sub, "name": e.User.Username, "session": e.Session, "bucket": e.Bucket, "key": e.Key, "address": e.SourceIP,
		"program": e.UserAgent, "request": e.RequestID, "grant": e.Grant, "version of the grants": e.Policy, "groups": e.Groups} {
		if value == "" {
			return fmt.Errorf("the event has no %s", name)
		}
	}
	inUTC := regexp.MustCompile(`"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`).MatchString(a[0])
	return must(inUTC && e.Action == event.Download && e.Outcome == event.Allowed, "no download at a time in UTC with milliseconds")
}

// changes requires the change of the grants and that of ada's groups.
func changes(a []string) error {
	all, err := eventsIn(a[0])
	if err != nil {
		return err
	}
	grants, groups := 0, 0
	for _, e := range all {
		switch {
		case e.Action == event.GrantsChanged && e.GrantsBefore != "" && e.GrantsVersion != e.GrantsBefore && strings.Contains(strings.Join(e.GrantsDiff, ""), emergent):
			grants++
		case e.Action == event.MembershipChanged && e.User.Username == "ada" && slices.Equal(e.GroupNamesBefore, []string{"finance-team"}) && e.GroupNames == nil && e.Groups == event.HashGroups(nil):
			groups++
		}
	}
	return must(grants == 1 && groups == 1, "%d changes of the grants and %d of ada's groups, want one of each", grants, groups)
}

// healthy requires a health page without problems.
func healthy(text string, clock bool) error {
	var h api.Health
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		return err
	}
	if clock && (h.ClockSeconds == nil || *h.ClockSeconds < -1 || *h.ClockSeconds > 1) {
		return errors.New("no comparison of the clocks")
	}
	return must(h.OK && len(h.Problems) == 0, "the server has a problem")
}

// removal requires ada's first denied request at the time of the removal or later.
func removal(a []string) error {
	all, err := eventsIn(a[0])
	if err != nil {
		return err
	}
	denied := regexp.MustCompile(`(?m)^`+timeOfRow+` +ada +list +denied +company-reports/annual/ .*no grant reaches it`).FindAllStringSubmatch(a[1], -1)
	if len(denied) == 0 {
		return errors.New("no denied listing")
	}
	removed := all[0].Time.UTC().Format("2006-01-02 15:04:05.000")
	return must(len(all) == 1 && denied[len(denied)-1][1] >= removed, "the first denied listing was at %s, and the removal at %s", denied[len(denied)-1][1], removed)
}

// noSecrets requires that the events have no secret, also not a password of the demo.
func (o office) noSecrets(a []string) error {
	raw, err := os.ReadFile(filepath.Join(o.dir, "events.jsonl"))
	if err != nil {
		return err
	}
	for _, p := range o.People {
		if strings.Contains(string(raw), p.Password) {
			return fmt.Errorf("the password of %s is in the log", p.Username)
		}
	}
	return must(number(a[1], `^(\d+)\n$`) > 20 && a[2] == "0\n", "%q events, and %q with a secret", a[1], a[2])
}

// No proof accepts answers with the texts of the page alone, or without any text.
func TestComplianceProofsNeedMoreThanTexts(t *testing.T) {
	raw, err := os.ReadFile("docs/compliance.md")
	if err != nil {
		t.Fatal(err)
	}
	proofs := office{dir: t.TempDir()}.proofs()
	for _, section := range strings.Split(string(raw), "\n## C")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		_, shows, _ := strings.Cut(body, "\nShows: ")
		texts := strings.NewReplacer("`, `", "\n", "`", "").Replace(shows)
		for _, answer := range []string{texts, ""} {
			if proofs[name](slices.Repeat([]string{answer}, 6)) == nil {
				t.Errorf("C%s accepts %q", name, answer)
			}
		}
	}
}
