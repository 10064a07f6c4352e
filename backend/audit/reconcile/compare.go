package reconcile

import (
	"cmp"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"usher/backend/event"
)

// Skew is the tolerated difference between the clocks of the server and of AWS.
// It includes the second that an access log cuts off.
const Skew = 5 * time.Second

// Config sets up a Comparison.
type Config struct {
	// Life is the maximum life of a released URL. A read after the end of it is an
	// alarm; the life of a URL counts from the event.
	Life time.Duration
	// Others reports whether a requester may read the buckets without usher, such
	// as a backup. Nil: no other requester may.
	Others func(requester string) bool
}

// other groups lines that are not compared.
type other struct {
	operation          string
	class              Class
	requester, account string
}

// Comparison collects lines, and compares them with events. It is not safe for
// concurrent use.
type Comparison struct {
	c       Config
	report  Report
	seen    map[request]int32 // the index of a read in reads
	reads   reads             // of objects, successful
	others  map[other]int     // lines that are not compared
	signers []Signer
	readers map[string]bool // principals with one session per person
}

// release is the part of an event that the comparison needs: a quarter has
// millions.
type release struct {
	id, sub, username, bucket, key, version, address string
	at                                               time.Time
}

// otherAddress reports whether two addresses are known and differ. One address
// has several spellings in IPv6.
func otherAddress(a, b string) bool {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	return errX == nil && errY == nil && x.Unmap() != y.Unmap()
}

// New returns an empty Comparison.
func New(c Config) (*Comparison, error) {
	if c.Life <= 0 {
		return nil, errors.New("reconcile: the life of a URL is needed")
	}
	if c.Others == nil {
		c.Others = func(string) bool { return false }
	}
	report := Report{ // lists in JSON, never null
		Fetched: []Fetched{}, Unseen: []Release{}, Alarms: []Alarm{}, SignIns: []SignInFailed{}, Signers: []string{}, NotCompared: []Operation{},
	}
	return &Comparison{c: c, report: report, seen: map[request]int32{}, reads: reads{texts: texts{numbers: map[string]textNumber{}}}, others: map[other]int{}, readers: map[string]bool{}}, nil
}

// Add takes a line. The order of lines does not matter: logs arrive late.
func (c *Comparison) Add(l Line) {
	isRead := l.Read()
	if c.double(l, isRead) {
		c.report.Doubles++
		return
	}
	c.report.Lines++
	if c.report.From.IsZero() || l.Time.Before(c.report.From) {
		c.report.From = l.Time
	}
	if l.Time.After(c.report.Until) {
		c.report.Until = l.Time
	}
	switch {
	case isRead:
	case l.Kind == SignIn:
		if l.Error != "" {
			c.report.SignIns = append(c.report.SignIns, SignInFailed{l.Time, l.User, l.Address, l.Operation, l.Error})
		}
	default:
		once := func(s string) string { return c.reads.get(c.reads.of(s)) }
		c.others[other{once(l.Operation), classOf(l), once(l.Requester), once(l.Account)}]++
	}
}

// classOf returns the class of a line that is no read.
func classOf(l Line) Class {
	switch {
	case l.Kind == Foreign:
		return Others
	case !l.succeeded():
		return Failed
	case l.class() == unknown:
		return Unknown
	}
	return NoContent
}

// double reports whether a line repeats an earlier one of the same request, and keeps
// it otherwise. A line of the same request with another content is no double.
func (c *Comparison) double(l Line, isRead bool) bool {
	if l.RequestID == "" {
		if isRead {
			c.reads.add(l, false)
		}
		return false
	}
	id := requestOf(l, isRead)
	first, known := c.seen[id]
	if !isRead {
		c.seen[id] = 0
		return known
	}
	if !known {
		c.seen[id] = int32(c.reads.add(l, false))
		return false
	}
	last := first
	for i, more := first, true; more; i, more = c.reads.at(int(i)).next, c.reads.at(int(i)).next != 0 {
		if c.reads.line(int(i)).repeats(l) {
			c.reads.join(int(i), l)
			return true
		}
		last = i
	}
	added := c.reads.add(l, true)
	c.reads.at(int(last)).next = int32(added)
	return false
}

// repeats reports whether two lines of one request do not contradict each other. An
// access log and CloudTrail have different fields, and the text of an access log has
// whole seconds.
func (l Line) repeats(m Line) bool {
	if l.Bucket != m.Bucket || !slices.ContainsFunc(l.keys, func(k string) bool { return slices.Contains(m.keys, k) }) && (len(l.keys) > 0 || len(m.keys) > 0) {
		return false
	}
	if l.Kind == m.Kind {
		return l.Time.Truncate(time.Second).Equal(m.Time.Truncate(time.Second)) && l.Operation == m.Operation && l.Status == m.Status && l.Error == m.Error &&
			l.Bytes == m.Bytes && l.Address == m.Address && l.Requester == m.Requester && l.Event == m.Event && l.Version == m.Version
	}
	agree := func(a, b string) bool { return a == "" || b == "" || a == b }
	return l.Time.Sub(m.Time).Abs() <= Skew && l.class() == m.class() && agree(l.Event, m.Event) && agree(l.Version, m.Version) &&
		(account(l.Requester) == "" || account(m.Requester) == "" || l.Requester == m.Requester) && !otherAddress(l.Address, m.Address)
}

// longer prefers an ARN to a canonical user id.
func longer(a, b string) string {
	if strings.HasPrefix(b, "arn:") && !strings.HasPrefix(a, "arn:") {
		return b
	}
	return a
}

// Range returns the range of the events that Compare needs. It is empty without
// lines.
func (c *Comparison) Range() (from, until time.Time) {
	if c.report.Lines == 0 {
		return
	}
	return c.report.From.Add(-c.c.Life - Skew), c.report.Until.Add(Skew)
}

// Compare takes the principals that sign the server's URLs and the events of Range, and
// returns the report. Events of other actions and refused downloads are skipped. An
// error of the events is returned.
//
// Without signers, the requester of a line is not checked: among the lines of releases,
// only those of the requesters with fewer reads are alarms.
func (c *Comparison) Compare(signers []Signer, events func(yield func(event.Event, error) bool)) (Report, error) {
	c.signers, c.report.RequesterChecked = slices.Clone(signers), len(signers) > 0
	for _, s := range signers {
		c.report.Signers = append(c.report.Signers, s.Name)
	}
	named := map[string][]int{}      // reads by event id
	unnamed := map[[2]string][]int{} // reads without an id, by object
	for i := range c.reads.n {
		l := c.reads.at(i)
		if l.differs {
			continue
		}
		if id := c.reads.get(l.event); id != "" {
			named[id] = append(named[id], i)
			continue
		}
		bucket := c.reads.get(l.bucket)
		for _, k := range c.reads.keys(l) {
			unnamed[[2]string{bucket, k}] = append(unnamed[[2]string{bucket, k}], i)
		}
	}
	var releases []release
	for e, err := range events {
		if err != nil {
			return Report{}, err
		}
		if e.Action != event.Download || e.Outcome != event.Allowed {
			continue
		}
		releases = append(releases, release{e.ID, e.User.Sub, e.User.Username, e.Bucket, e.Key, e.Version, e.SourceIP, e.Time})
	}
	c.calibrate(releases, named)

	explained := make([]Reason, c.reads.n)
	for i := range explained {
		explained[i] = NoEvent
	}
	for _, e := range releases {
		var lines []int
		for _, i := range named[e.id] {
			if explained[i] = c.check(e, c.reads.line(i)); explained[i] == "" {
				lines = append(lines, i)
			}
		}
		for _, i := range unnamed[[2]string{e.bucket, e.key}] {
			// CloudTrail lines may lack the id; one session and one object are enough.
			if _, person := session(c.reads.get(c.reads.at(i).requester)); explained[i] != "" && person != "" && person == e.sub && c.check(e, c.reads.line(i)) == "" {
				explained[i] = ""
				lines = append(lines, i)
			}
		}
		c.add(e, lines)
	}
	for i, reason := range explained {
		switch l := c.reads.line(i); {
		case c.reads.at(i).differs:
			c.report.Alarms = append(c.report.Alarms, Alarm{Conflict, l})
		case reason == "":
			if c.report.RequesterChecked && c.origin(l) == accountOnly {
				c.report.Unnamed++
			}
		case c.c.Others(l.Requester):
			c.report.Other++
		default:
			c.report.Alarms = append(c.report.Alarms, Alarm{reason, l})
		}
	}
	c.report.NotCompared = append(c.report.NotCompared, c.notCompared()...)
	slices.SortStableFunc(c.report.Alarms, func(a, b Alarm) int { return a.Line.Time.Compare(b.Line.Time) })
	return c.report, nil
}

// notCompared returns the counts of lines that are not compared, the unknown operations
// first.
func (c *Comparison) notCompared() []Operation {
	byName := map[Operation]Operation{}
	for o, n := range c.others {
		key := Operation{Operation: o.operation, Class: o.class}
		sum := byName[key]
		sum.Operation, sum.Class, sum.Lines = o.operation, o.class, sum.Lines+n
		if o.class != Others && c.report.RequesterChecked && c.origin(Line{Requester: o.requester, Account: o.account}) == stranger {
			sum.Strangers += n
		}
		byName[key] = sum
	}
	order := []Class{Unknown, NoContent, Failed, Others}
	return slices.SortedFunc(maps.Values(byName), func(a, b Operation) int {
		return cmp.Or(slices.Index(order, a.Class)-slices.Index(order, b.Class), b.Lines-a.Lines, strings.Compare(a.Operation, b.Operation))
	})
}

// check returns the reason why the event does not explain the read, or "".
func (c *Comparison) check(e release, l Line) Reason {
	if reason := c.fits(e, l); reason != "" {
		return reason
	}
	principal, person := session(l.Requester)
	switch {
	case c.origin(l) == stranger:
		return OtherSigner
	case c.readers[principal] && person != e.sub:
		return OtherPerson
	}
	return ""
}

// fits returns the reason why the event does not explain a read by any requester, or
// "".
func (c *Comparison) fits(e release, l Line) Reason {
	switch {
	case l.class() != download:
		return NoDownload
	case !l.of(e.bucket, e.key), e.version != "" && l.Version != "" && l.Version != e.version:
		return OtherObject
	case l.Time.Before(e.at.Add(-Skew)), l.Time.After(e.at.Add(c.c.Life + Skew)):
		return OutsideWindow
	}
	return ""
}

// add reports a release with its reads.
func (c *Comparison) add(e release, lines []int) {
	if len(lines) == 0 {
		if !e.at.Before(c.report.From.Add(-Skew)) && !e.at.After(c.report.Until) {
			c.report.Unseen = append(c.report.Unseen, Release{e.id, e.username, e.bucket + "/" + e.key, e.at})
		}
		return
	}
	f := Fetched{Event: e.id, User: e.username, Sub: e.sub, Path: e.bucket + "/" + e.key, Released: e.at, Requests: len(lines), Address: e.address}
	for _, i := range lines {
		l := c.reads.at(i)
		f.Bytes += l.bytes
		if address := c.reads.get(l.address); otherAddress(address, e.address) && !slices.Contains(f.Others, address) {
			f.Others = append(f.Others, address)
		}
	}
	c.report.Bytes += f.Bytes
	c.report.Fetched = append(c.report.Fetched, f)
}
