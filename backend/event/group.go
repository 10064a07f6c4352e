package event

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// By is a property of events by which they are counted.
type By string

// The properties of groups.
const (
	PerWho     By = "who"     // the sub of the person
	PerFile    By = "file"    // bucket/key, also that of a listed folder
	PerFolder  By = "folder"  // bucket/prefix of the folder that has the object, or of the listed folder
	PerIP      By = "ip"      // the source address
	PerSession By = "session" // the session's name
	PerGrant   By = "grant"   // the deciding grant
	PerAgent   By = "agent"   // the user agent
	PerDay     By = "day"     // the day in UTC: 2026-11-28
	PerHour    By = "hour"    // the hour in UTC: 2026-11-28 17:00
)

// Bys returns all properties, in the order of the help text.
func Bys() []By {
	return []By{PerWho, PerFile, PerFolder, PerIP, PerSession, PerGrant, PerAgent, PerDay, PerHour}
}

// maxBys is the maximum number of properties of one count.
const maxBys = 2

// ParseBy parses one property, or two with a comma: "day,ip".
func ParseBy(text string) ([]By, error) {
	var all []By
	for word := range strings.SplitSeq(text, ",") {
		if !slices.Contains(Bys(), By(word)) || slices.Contains(all, By(word)) || len(all) == maxBys {
			return nil, errors.New("events are counted by one or two of who, file, folder, ip, session, grant, agent, day and hour")
		}
		all = append(all, By(word))
	}
	return all, nil
}

// Key returns the value of the property of an event.
func (b By) Key(e Event) string { return b.key(e) }

// key returns the value of the property of an event.
func (b By) key(e Event) string {
	switch b {
	case PerWho:
		return e.User.Sub
	case PerFile:
		return e.Path()
	case PerFolder:
		path := e.Path()
		return path[:strings.LastIndexByte(path, '/')+1]
	case PerIP:
		return e.SourceIP
	case PerSession:
		return e.Session
	case PerGrant:
		return e.Grant
	case PerAgent:
		return e.UserAgent
	case PerDay:
		return e.Time.UTC().Format(time.DateOnly)
	case PerHour:
		return e.Time.UTC().Format(hourLayout)
	}
	return ""
}

const hourLayout = "2006-01-02 15:00"

// term returns the terms that select a group, or "" for events without the property.
// The terms of a folder with a * in its name select more events.
func (b By) term(key string) string {
	exact := func(f Field) string { return Filter{Terms: []Term{{Field: f, Exact: true, Value: key}}}.String() }
	same := func(f Field) string { return Filter{Terms: []Term{{Field: f, Value: key}}}.String() }
	if key == "" {
		return ""
	}
	switch b {
	case PerWho:
		return same(ByWho)
	case PerFile:
		return exact(ByPath)
	case PerFolder:
		return same(ByPath) + " " + deeper(key)
	case PerIP:
		return same(ByIP)
	case PerSession:
		return same(BySession)
	case PerGrant:
		return same(ByGrant)
	case PerAgent:
		return exact(ByAgent)
	case PerDay:
		return "since:" + key + " until:" + key
	case PerHour:
		if at, err := time.Parse(hourLayout, key); err == nil {
			const minute = "2006-01-02T15:04"
			return "since:" + at.Format(minute) + " until:" + at.Add(time.Hour).Format(minute)
		}
	}
	return ""
}

// deeper returns the term that excludes the folders below a folder.
func deeper(folder string) string {
	return Filter{Terms: []Term{{Field: ByPath, Not: true, Value: folder + "*/*"}}}.String()
}

// GroupTerms returns the terms that select the events of a group, to be appended to
// the filter of the count. A property without a value has no term.
func GroupTerms(by []By, keys []string) string {
	var all []string
	for i, b := range by {
		if i < len(keys) {
			if t := b.term(keys[i]); t != "" {
				all = append(all, t)
			}
		}
	}
	return strings.Join(all, " ")
}

// Group has the counts of the events with the same properties.
type Group struct {
	Keys          []string  `json:"keys"`           // one for each property; "": without it
	Name          string    `json:"name,omitempty"` // username of the newest event, in a count by person
	Events        int64     `json:"events"`
	Files         int       `json:"files"`          // different objects whose URL was released
	Releases      int64     `json:"releases"`       // released URLs, without renewed ones
	ReleasedBytes int64     `json:"released_bytes"` // of the released objects: sizes by S3
	Unsized       int64     `json:"unsized"`        // releases without a size
	Reported      int64     `json:"reported"`       // downloads that a client reported as ended
	ReportedBytes int64     `json:"reported_bytes"` // by the client
	Denied        int64     `json:"denied"`         // denied decisions
	First         time.Time `json:"first"`
	Last          time.Time `json:"last"`
	Objects       string    `json:"objects,omitempty"` // hashes of the released objects, 8 bytes each, ascending, in base64; absent in a count by file
}

// Join adds the counts of another part of the same group. It leaves Files and Objects
// alone: their sum needs the objects of both parts.
func (g *Group) Join(other Group) {
	g.Events += other.Events
	g.Releases += other.Releases
	g.ReleasedBytes += other.ReleasedBytes
	g.Unsized += other.Unsized
	g.Reported += other.Reported
	g.ReportedBytes += other.ReportedBytes
	g.Denied += other.Denied
	g.span(other.First, other.Last, other.Name)
}

// Hashes returns the hashes of the released objects.
func (g Group) Hashes() ([]uint64, error) {
	raw, err := base64.StdEncoding.DecodeString(g.Objects)
	if err != nil || len(raw)%8 != 0 {
		return nil, errMalformed
	}
	all := make([]uint64, 0, len(raw)/8)
	for ; len(raw) > 0; raw = raw[8:] {
		all = append(all, binary.BigEndian.Uint64(raw))
	}
	return all, nil
}

var errMalformed = errors.New("a group of events is malformed")

// Denials returns the number of denied decisions that an event represents.
func (e Event) Denials() int {
	switch {
	case e.Action == TokenRefused: // nothing was decided
		return 0
	case e.Action == Suppressed:
		return e.Count
	case e.Outcome == Denied:
		return 1
	}
	return 0
}

// Releases returns 1 for an event that begins a download. It returns 0 for a
// renewed URL and for every other event.
func (e Event) Releases() int {
	if e.Action == Download && e.Outcome == Allowed && e.Continues == "" {
		return 1
	}
	return 0
}

// Sums counts events in groups. It is not safe for concurrent use.
type Sums struct {
	by     []By
	files  bool // a file is a property
	groups map[string]*sum
	size   int
}

type sum struct {
	Group
	objects map[uint64]struct{}
}

// NewSums returns sums without events.
func NewSums(by []By) *Sums {
	return &Sums{by: by, files: slices.Contains(by, PerFile), groups: map[string]*sum{}}
}

// Size returns the approximate size of the groups in JSON, in bytes. They take about as
// much memory.
func (s *Sums) Size() int { return s.size }

// group returns the sum of a group.
func (s *Sums) group(keys []string) *sum {
	id := strings.Join(keys, "\x00")
	g := s.groups[id]
	if g == nil {
		g = &sum{Group: Group{Keys: keys}}
		s.groups[id] = g
		s.size += len(id) + 300
	}
	return g
}

// Add counts an event.
func (s *Sums) Add(e Event) {
	keys := make([]string, len(s.by))
	for i, b := range s.by {
		keys[i] = b.key(e)
	}
	g := s.group(keys)
	g.Events++
	g.Denied += int64(e.Denials())
	if e.Releases() == 1 {
		g.Releases++
		if e.Size == nil {
			g.Unsized++
		} else {
			g.ReleasedBytes += *e.Size
		}
	}
	if e.Action == Download && e.Outcome == Allowed {
		s.object(g, objectHash(e.Path()))
	}
	if e.Action == Completed {
		g.Reported++
		if e.Bytes != nil {
			g.ReportedBytes += *e.Bytes
		}
	}
	g.span(e.Time, e.Time, e.User.Username)
}

// object adds a released object to a group. A count by file has one for each group.
func (s *Sums) object(g *sum, hash uint64) {
	if s.files {
		g.Files = 1
		return
	}
	if _, known := g.objects[hash]; !known {
		if g.objects == nil {
			g.objects = map[uint64]struct{}{}
		}
		g.objects[hash] = struct{}{}
		s.size += 11
	}
}

// span widens the time of a group. The name is that of the newest event.
func (g *Group) span(first, last time.Time, name string) {
	if g.First.IsZero() || first.Before(g.First) {
		g.First = first
	}
	if g.Last.IsZero() || last.After(g.Last) {
		g.Last, g.Name = last, name
	}
}

func objectHash(path string) uint64 {
	h := sha256.Sum256([]byte(path))
	return binary.BigEndian.Uint64(h[:])
}

// Merge adds groups of another part of the events. It refuses groups of another form.
func (s *Sums) Merge(groups []Group) error {
	for _, other := range groups {
		hashes, err := other.Hashes()
		if err != nil || len(other.Keys) != len(s.by) {
			return errMalformed
		}
		g := s.group(other.Keys)
		g.Join(other)
		if s.files {
			g.Files = max(g.Files, other.Files)
		}
		for _, h := range hashes {
			s.object(g, h)
		}
	}
	return nil
}

// Sort is an order of groups.
type Sort string

// The orders of groups, the greatest first. SortKey is in the order of the keys.
const (
	SortEvents Sort = "events"
	SortFiles  Sort = "files"
	SortBytes  Sort = "bytes" // released, then reported
	SortDenied Sort = "denied"
	SortLast   Sort = "last"
	SortKey    Sort = "key"
)

// Sorts returns all orders.
func Sorts() []Sort {
	return []Sort{SortEvents, SortFiles, SortBytes, SortDenied, SortLast, SortKey}
}

// Groups returns the groups in an order. Equal groups are in the order of their keys.
func (s *Sums) Groups(order Sort) []Group {
	all := make([]Group, 0, len(s.groups))
	for _, g := range s.groups {
		out := g.Group
		if !slices.Contains(s.by, PerWho) {
			out.Name = ""
		}
		if len(g.objects) > 0 {
			out.Files = len(g.objects)
			raw := make([]byte, 0, 8*len(g.objects))
			for _, h := range slices.Sorted(maps.Keys(g.objects)) {
				raw = binary.BigEndian.AppendUint64(raw, h)
			}
			out.Objects = base64.StdEncoding.EncodeToString(raw)
		}
		all = append(all, out)
	}
	slices.SortFunc(all, order.Compare)
	return all
}

// Compare compares two groups of a count. Equal groups are in the order of their keys.
func (o Sort) Compare(a, b Group) int {
	if c := o.counts(a, b); c != 0 {
		return c
	}
	return slices.Compare(a.Keys, b.Keys)
}

// counts compares the counts of two groups. SortKey has none.
func (o Sort) counts(a, b Group) int {
	switch o {
	case SortEvents:
		return cmp.Compare(b.Events, a.Events)
	case SortFiles:
		return cmp.Compare(b.Files, a.Files)
	case SortBytes:
		return cmp.Or(cmp.Compare(b.ReleasedBytes, a.ReleasedBytes), cmp.Compare(b.ReportedBytes, a.ReportedBytes))
	case SortDenied:
		return cmp.Compare(b.Denied, a.Denied)
	case SortLast:
		return b.Last.Compare(a.Last)
	}
	return 0
}
