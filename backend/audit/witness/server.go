// Package witness is a witness of audit logs, and the part of a log that submits
// its checkpoints to witnesses. A witness cosigns a checkpoint only if the log
// contains all events that it had at the last cosignature, so an administrator of
// the log's server cannot rewrite the log alone.
//
// SPEC: https://c2sp.org/tlog-witness. Keys, notes and policies are left to package
// checkpoint.
package witness

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
)

// Limits of a request.
// SPEC: https://c2sp.org/tlog-witness: at most 63 lines of a proof.
const (
	maxBody  = 64 << 10
	maxProof = 63
)

// Path is the path of the only call, below the submission prefix.
const Path = "/add-checkpoint"

// State stores the last cosigned head of each log.
type State interface {
	// Head returns the head of an origin; the zero Head: none.
	Head(origin string) (tree.Head, error)
	// Advance replaces a head durably, if the stored one is still from. Otherwise it
	// returns ErrConflict.
	Advance(origin string, from, to tree.Head) error
}

// ErrConflict: another request replaced the head.
var ErrConflict = errors.New("the last head of the log is another one")

// Config holds the parts of a Server. All are required.
type Config struct {
	Cosigner *checkpoint.Cosigner
	Logs     []*checkpoint.Verifier // their names are the origins
	State    State
}

// Server answers the call add-checkpoint.
type Server struct {
	c    Config
	logs map[string][]*checkpoint.Verifier // by origin
}

// New returns a Server.
func New(c Config) (*Server, error) {
	if c.Cosigner == nil || c.State == nil || len(c.Logs) == 0 {
		return nil, errors.New("witness: a key, a state and a log are required")
	}
	s := &Server{c, map[string][]*checkpoint.Verifier{}}
	for _, v := range c.Logs {
		s.logs[v.Name()] = append(s.logs[v.Name()], v)
	}
	return s, nil
}

// failure is an answer other than 200.
type failure struct {
	status int
	text   string
	size   int64 // of a 409
}

func (f *failure) Error() string { return f.text }

func bad(text string) *failure { return &failure{status: http.StatusBadRequest, text: text} }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, Path) {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "the method is POST", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		http.Error(w, "the request is too long, or was cut", http.StatusBadRequest)
		return
	}
	lines, err := s.add(body)
	var f *failure
	switch {
	case errors.As(err, &f) && f.status == http.StatusConflict:
		w.Header().Set("Content-Type", "text/x.tlog.size")
		w.WriteHeader(f.status)
		_, _ = fmt.Fprintf(w, "%d\n", f.size)
	case errors.As(err, &f):
		http.Error(w, f.text, f.status)
	case err != nil:
		http.Error(w, "the state of the witness cannot be stored", http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write(lines)
	}
}

// add verifies a request, stores the head, and returns the cosignature. The order
// of the checks is that of the specification.
func (s *Server) add(body []byte) ([]byte, error) {
	old, proof, note, err := parseRequest(body)
	if err != nil {
		return nil, err
	}
	origin, _, err := checkpoint.Unverified(note)
	if err != nil {
		return nil, bad("the checkpoint is malformed")
	}
	keys := s.logs[origin]
	if len(keys) == 0 {
		return nil, &failure{status: http.StatusNotFound, text: "this witness does not know the log"}
	}
	head, err := open(keys, note)
	if err != nil {
		return nil, &failure{status: http.StatusForbidden, text: "no signature is one of the log's key"}
	}
	if old > head.Size {
		return nil, bad("the old size is greater than that of the checkpoint")
	}
	known, err := s.c.State.Head(origin)
	if err != nil {
		return nil, fmt.Errorf("reading the last head of %s: %w", origin, err)
	}
	if err := follows(old, known, head, proof); err != nil {
		return nil, err
	}
	err = s.c.State.Advance(origin, known, head)
	if errors.Is(err, ErrConflict) {
		now, err := s.c.State.Head(origin)
		if err != nil {
			return nil, fmt.Errorf("reading the last head of %s: %w", origin, err)
		}
		return nil, &failure{status: http.StatusConflict, size: now.Size}
	}
	if err != nil {
		return nil, fmt.Errorf("storing the last head of %s: %w", origin, err)
	}
	return s.c.Cosigner.Cosign(note)
}

// follows checks that a head continues the known one.
func follows(old int64, known, head tree.Head, proof []tlog.Hash) error {
	switch {
	case old != known.Size:
		return &failure{status: http.StatusConflict, size: known.Size}
	case old > 0 && old == head.Size && head.Root != known.Root:
		return &failure{status: http.StatusConflict, size: known.Size}
	}
	if old == 0 { // nothing is known, so nothing is proved
		known = tree.Head{}
	}
	if err := checkpoint.Contains(head, known, proof); err != nil {
		return &failure{status: http.StatusUnprocessableEntity, text: "the proof does not verify"}
	}
	return nil
}

// open verifies a note with any of the keys of a log.
func open(keys []*checkpoint.Verifier, note []byte) (head tree.Head, err error) {
	for _, v := range keys {
		if head, err = v.Open(note); err == nil {
			return head, nil
		}
	}
	return head, err
}

// parseRequest parses the lines of a request: the old size, the proof, an empty
// line and the checkpoint.
func parseRequest(body []byte) (old int64, proof []tlog.Hash, note []byte, err error) {
	head, note, ok := bytes.Cut(body, []byte("\n\n"))
	if !ok {
		return 0, nil, nil, bad("the request has no empty line")
	}
	lines := strings.Split(string(head), "\n")
	size, ok := strings.CutPrefix(lines[0], "old ")
	old, err = strconv.ParseInt(size, 10, 64)
	if !ok || err != nil || old < 0 || strconv.FormatInt(old, 10) != size {
		return 0, nil, nil, bad("the first line is not an old size")
	}
	if len(lines)-1 > maxProof {
		return 0, nil, nil, bad("the proof has too many lines")
	}
	for _, line := range lines[1:] {
		h, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(h) != tlog.HashSize || base64.StdEncoding.EncodeToString(h) != line {
			return 0, nil, nil, bad("a line of the proof is not a hash")
		}
		proof = append(proof, tlog.Hash(h))
	}
	return old, proof, note, nil
}
