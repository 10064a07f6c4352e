package reconcile

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// textNumber is the number of a text in texts; 0 is "".
type textNumber uint32

// texts has each text once. The fields of a line are parts of the line's own text, and
// most of them repeat in other lines.
type texts struct {
	numbers map[string]textNumber
	all     []string
}

func (t *texts) of(s string) textNumber {
	if s == "" {
		return 0
	}
	n, ok := t.numbers[s]
	if !ok {
		s = strings.Clone(s)
		t.all = append(t.all, s)
		n = textNumber(len(t.all))
		t.numbers[s] = n
	}
	return n
}

func (t *texts) get(n textNumber) string {
	if n == 0 {
		return ""
	}
	return t.all[n-1]
}

// maxKeys is the number of spellings of a key that a line can have.
const maxKeys = 3

// kept is a line of a read in less memory: a day can have millions.
type kept struct {
	time      time.Time
	bytes     int64
	requestID string
	number    int64 // of the line in its file; -1: file is the whole source
	status    int32
	next      int32 // the next read with this request id; 0: none
	differs   bool  // from the first line of its request

	kind, file, bucket, key, version, operation, err, address, requester, account, agent, event, user textNumber

	keys [maxKeys]textNumber
}

// chunk is the number of lines that are allocated at once. One slice of all lines would
// be copied as it grows.
const chunk = 4096

// reads are the lines of reads.
type reads struct {
	texts
	chunks [][]kept
	n      int
}

func (r *reads) at(i int) *kept { return &r.chunks[i/chunk][i%chunk] }

// add keeps a line and returns its index.
func (r *reads) add(l Line, differs bool) int {
	k := kept{
		time: l.Time, bytes: l.Bytes, requestID: strings.Clone(l.RequestID), status: int32(l.Status), differs: differs,
		kind: r.of(string(l.Kind)), bucket: r.of(l.Bucket), key: r.of(l.Key), version: r.of(l.Version), operation: r.of(l.Operation), err: r.of(l.Error),
		address: r.of(l.Address), requester: r.of(l.Requester), account: r.of(l.Account), agent: r.of(l.Agent), event: r.of(l.Event), user: r.of(l.User),
	}
	file, number, _ := cutLast(l.Source, ":")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != number || n < 0 {
		file, n = l.Source, -1
	}
	k.file, k.number = r.of(file), n
	for i, key := range l.keys[:min(len(l.keys), maxKeys)] {
		k.keys[i] = r.of(key)
	}
	if r.n%chunk == 0 {
		r.chunks = append(r.chunks, make([]kept, 0, chunk))
	}
	last := &r.chunks[len(r.chunks)-1]
	*last = append(*last, k)
	r.n++
	return r.n - 1
}

// cutLast cuts a text around the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// line returns a line as it was added.
func (r *reads) line(i int) Line {
	k := r.at(i)
	l := Line{
		Kind: Kind(r.get(k.kind)), Source: r.get(k.file), Time: k.time, Bucket: r.get(k.bucket), Key: r.get(k.key), Version: r.get(k.version), Operation: r.get(k.operation),
		Status: int(k.status), Error: r.get(k.err), Bytes: k.bytes, Address: r.get(k.address), Requester: r.get(k.requester), Account: r.get(k.account),
		RequestID: k.requestID, Agent: r.get(k.agent), Event: r.get(k.event), User: r.get(k.user), keys: r.keys(k),
	}
	if k.number >= 0 {
		l.Source += ":" + strconv.FormatInt(k.number, 10)
	}
	return l
}

// keys returns the spellings of a line's key.
func (r *reads) keys(k *kept) (all []string) {
	for _, key := range k.keys {
		if key != 0 {
			all = append(all, r.get(key))
		}
	}
	return all
}

// join completes a read with the line of another log about the same request.
func (r *reads) join(i int, l Line) {
	k := r.at(i)
	k.event = cmp.Or(k.event, r.of(l.Event))
	k.version = cmp.Or(k.version, r.of(l.Version))
	k.requester = r.of(longer(r.get(k.requester), l.Requester))
	k.bytes = max(k.bytes, l.Bytes)
}

// request identifies the lines of a request, by a hash. Access log and CloudTrail name a
// request alike. One request can have several operations: a copy is a read and a write,
// and a deletion has a line for each object, so a line that is no read has its content
// in the hash.
type request [16]byte

func requestOf(l Line, isRead bool) request {
	text := l.RequestID
	if !isRead {
		text += "\n" + fmt.Sprintln(l.Kind, l.Time.Unix(), l.Operation, l.Bucket, l.Key, l.Status, l.Error, l.Bytes, l.Address, l.Requester, l.User)
	}
	sum := sha256.Sum256([]byte(text))
	return request(sum[:16])
}
