package reconcile

import (
	"cmp"
	"errors"
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
	// Reader is the name of the role that signs URLs with one session per person.
	// Empty: a role is one when a session of it has the sub of an event's person.
	Reader string
	// Others reports whether a requester may read the buckets without usher, such
	// as a backup. Nil: no other requester may.
	Others func(requester string) bool
}

// Reason is the reason of an alarm.
type Reason string

// Reasons of alarms.
const (
	NoEvent       Reason = "no event"               // the read has no event of a release
	OtherObject   Reason = "another object"         // the event released another bucket, key or version
	OutsideWindow Reason = "outside the URL's life" // the read was before the event or after the URL's end
	OtherPerson   Reason = "another session"        // the role session is another person's
)

// Alarm is a read that no event explains.
type Alarm struct {
	Reason Reason `json:"reason"`
	Line   Line   `json:"line"`
}

// Fetched is a release with lines: the bytes that AWS sent for it.
type Fetched struct {
	Event    string    `json:"event"`
	User     string    `json:"user"`
	Sub      string    `json:"sub"`
	Path     string    `json:"path"`
	Released time.Time `json:"released"`
	Requests int       `json:"requests"`
	Bytes    int64     `json:"bytes"`
	Address  string    `json:"address"`                   // of the release
	Others   []string  `json:"other_addresses,omitempty"` // of reads, if they differ
}

// Release is a release without a line. AWS delivers logs at best effort, so it is
// no proof that nothing was fetched.
type Release struct {
	Event    string    `json:"event"`
	User     string    `json:"user"`
	Path     string    `json:"path"`
	Released time.Time `json:"released"`
}

// SignInFailed is a failed sign-in that Cognito logged.
type SignInFailed struct {
	Time      time.Time `json:"time"`
	User      string    `json:"user,omitempty"`
	Address   string    `json:"address"`
	Operation string    `json:"operation"`
	Error     string    `json:"error"`
}

// Report is the result of a comparison.
type Report struct {
	From  time.Time `json:"from"` // first and last line
	Until time.Time `json:"until"`

	Lines   int `json:"lines"`   // without duplicates
	Doubles int `json:"doubles"` // lines of a request that was read before
	Other   int `json:"other"`   // reads by the other requesters of Config

	Fetched []Fetched `json:"fetched"`
	Bytes   int64     `json:"bytes"`
	Unseen  []Release `json:"no_line_seen"`
	Alarms  []Alarm   `json:"alarms"`

	SignIns []SignInFailed `json:"failed_sign_ins"`
}

// request identifies a line. Access log and CloudTrail name a request alike. A
// copy has one id for two records, of which one is a read.
type request struct {
	id           string
	signIn, read bool
}

// Comparison collects lines, and compares them with events. It is not safe for
// concurrent use.
type Comparison struct {
	c       Config
	report  Report
	seen    map[request]int // the index in reads of a read
	reads   []Line          // of objects, successful
	readers map[string]bool // roles with one session per person
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
	empty := Report{Fetched: []Fetched{}, Unseen: []Release{}, Alarms: []Alarm{}, SignIns: []SignInFailed{}} // lists in JSON, never null
	return &Comparison{c: c, report: empty, seen: map[request]int{}, readers: map[string]bool{}}, nil
}

// Add takes a line. The order of lines does not matter: logs arrive late.
func (c *Comparison) Add(l Line) {
	if l.RequestID != "" {
		id := request{l.RequestID, l.Kind == SignIn, l.Read()}
		if at, ok := c.seen[id]; ok {
			c.report.Doubles++
			c.join(at, l)
			return
		}
		c.seen[id] = len(c.reads)
	}
	c.report.Lines++
	if c.report.From.IsZero() || l.Time.Before(c.report.From) {
		c.report.From = l.Time
	}
	if l.Time.After(c.report.Until) {
		c.report.Until = l.Time
	}
	switch {
	case l.Kind == SignIn:
		if l.Error != "" {
			c.report.SignIns = append(c.report.SignIns, SignInFailed{l.Time, l.User, l.Address, l.Operation, l.Error})
		}
	case l.Read():
		c.reads = append(c.reads, l)
	}
}

// join completes a read with the line of another log about the same request.
func (c *Comparison) join(at int, l Line) {
	if !l.Read() {
		return
	}
	have := &c.reads[at]
	have.Event = cmp.Or(have.Event, l.Event)
	have.Version = cmp.Or(have.Version, l.Version)
	have.Requester = longer(have.Requester, l.Requester)
	have.Bytes = max(have.Bytes, l.Bytes)
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

// Compare takes the events of Range, and returns the report. Events of other
// actions and refused downloads are skipped. An error of the events is returned.
func (c *Comparison) Compare(events func(yield func(event.Event, error) bool)) (Report, error) {
	named := map[string][]int{}      // reads by event id
	unnamed := map[[2]string][]int{} // reads without an id, by object
	for i, l := range c.reads {
		if l.Event != "" {
			named[l.Event] = append(named[l.Event], i)
			continue
		}
		for _, k := range l.keys {
			unnamed[[2]string{l.Bucket, k}] = append(unnamed[[2]string{l.Bucket, k}], i)
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

	explained := make([]Reason, len(c.reads))
	for i := range explained {
		explained[i] = NoEvent
	}
	for _, e := range releases {
		var lines []int
		for _, i := range named[e.id] {
			if explained[i] = c.check(e, c.reads[i]); explained[i] == "" {
				lines = append(lines, i)
			}
		}
		for _, i := range unnamed[[2]string{e.bucket, e.key}] {
			// CloudTrail lines may lack the id; one session and one object are enough.
			if _, person := c.reads[i].session(); explained[i] != "" && person != "" && person == e.sub && c.check(e, c.reads[i]) == "" {
				explained[i] = ""
				lines = append(lines, i)
			}
		}
		c.add(e, lines)
	}
	for i, reason := range explained {
		switch l := c.reads[i]; {
		case reason == "":
		case c.c.Others(l.Requester):
			c.report.Other++
		default:
			c.report.Alarms = append(c.report.Alarms, Alarm{reason, l})
		}
	}
	slices.SortStableFunc(c.report.Alarms, func(a, b Alarm) int { return a.Line.Time.Compare(b.Line.Time) })
	return c.report, nil
}

// calibrate finds the roles that have one session per person.
func (c *Comparison) calibrate(releases []release, named map[string][]int) {
	if c.c.Reader != "" {
		c.readers[c.c.Reader] = true
		return
	}
	for _, e := range releases {
		for _, i := range named[e.id] {
			if role, person := c.reads[i].session(); person != "" && person == e.sub {
				c.readers[role] = true
			}
		}
	}
}

// check returns the reason why the event does not explain the read, or "".
func (c *Comparison) check(e release, l Line) Reason {
	role, person := l.session()
	switch {
	case !l.of(e.bucket, e.key), e.version != "" && l.Version != "" && l.Version != e.version:
		return OtherObject
	case l.Time.Before(e.at.Add(-Skew)), l.Time.After(e.at.Add(c.c.Life + Skew)):
		return OutsideWindow
	case c.readers[role] && person != e.sub, c.c.Reader != "" && role != c.c.Reader:
		return OtherPerson
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
		l := c.reads[i]
		f.Bytes += l.Bytes
		if otherAddress(l.Address, e.address) && !slices.Contains(f.Others, l.Address) {
			f.Others = append(f.Others, l.Address)
		}
	}
	c.report.Bytes += f.Bytes
	c.report.Fetched = append(c.report.Fetched, f)
}
