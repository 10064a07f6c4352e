package witness

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/audit/checkpoint"
)

const (
	callLimit = 10 * time.Second
	maxAnswer = 64 << 10
)

// Keeper stores the cosignatures of a checkpoint with it. note is the whole signed
// note, with the cosignatures.
type Keeper interface {
	KeepCosigned(ctx context.Context, size int64, note []byte) error
}

// SubmitConfig holds the parts of a Submitter. All are required.
type SubmitConfig struct {
	Source checkpoint.Source
	Key    *checkpoint.Verifier
	Policy *checkpoint.Policy
	HTTP   *http.Client
	Keeper Keeper
}

// Submitter submits the checkpoints of one log to the witnesses of its policy. It
// is apart from the log: a witness that does not answer delays nothing.
type Submitter struct {
	c     SubmitConfig
	sizes map[string]int64 // last cosigned size by witness key, as far as it is known

	mu       sync.Mutex
	cosigned []byte // last checkpoint that satisfies the policy
	latest   []byte // the checkpoint that was submitted last, with its cosignatures
	failing  map[string]error
}

// NewSubmitter returns a Submitter.
func NewSubmitter(c SubmitConfig) (*Submitter, error) {
	if c.Source == nil || c.Key == nil || c.Policy == nil || c.HTTP == nil || c.Keeper == nil {
		return nil, errors.New("witness: the log, its key, the policy, the HTTP client or the storage of cosignatures is missing")
	}
	return &Submitter{c: c, sizes: map[string]int64{}, failing: map[string]error{}}, nil
}

// Resume sets the last checkpoint that satisfies the policy, from before a restart.
func (s *Submitter) Resume(cosigned []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cosigned = cosigned
}

// ErrRefused: a witness has cosigned a log that this one does not continue. It is a
// finding about the log.
var ErrRefused = errors.New("the witness has cosigned another log")

// Cosigned returns the last checkpoint that satisfies the policy, or nil.
func (s *Submitter) Cosigned() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cosigned
}

// Failing returns the error of each witness whose last submission failed, by name.
func (s *Submitter) Failing() map[string]error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]error, len(s.failing))
	for name, err := range s.failing {
		all[name] = err
	}
	return all
}

// Submit submits the latest checkpoint to all witnesses at the same time, and waits
// for their answers. The error has those of all failed witnesses.
func (s *Submitter) Submit(ctx context.Context) error {
	note, err := s.c.Source.Latest(ctx)
	if err != nil || note == nil {
		return err
	}
	head, err := s.c.Key.Open(note)
	if err != nil {
		return fmt.Errorf("opening the last checkpoint: %w", err)
	}
	type result struct {
		witness checkpoint.PolicyWitness
		size    int64
		lines   []byte
		err     error
	}
	witnesses := s.c.Policy.Witnesses()
	results := make(chan result, len(witnesses))
	n := 0
	for _, w := range witnesses {
		old, known := s.sizes[w.Key()]
		if w.URL == "" || known && old == head.Size && s.Failing()[w.Name()] == nil {
			continue // it has no address, or cosigned this checkpoint
		}
		n++
		go func() {
			size, lines, err := s.submitTo(ctx, w, old, head.Size, note)
			results <- result{w, size, lines, err}
		}()
	}
	before := s.earlier(note)
	signed, errs := before, []error(nil)
	for range n {
		r := <-results
		s.sizes[r.witness.Key()] = r.size
		s.mu.Lock()
		delete(s.failing, r.witness.Name())
		if r.err != nil {
			r.err = fmt.Errorf("witness %s: %w", r.witness.Name(), r.err)
			s.failing[r.witness.Name()] = r.err
			errs = append(errs, r.err)
		}
		s.mu.Unlock()
		signed = append(signed[:len(signed):len(signed)], r.lines...)
	}
	if err := s.keep(ctx, head.Size, before, signed); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// earlier returns a checkpoint with the cosignatures of earlier submissions: the
// witnesses of a quorum can answer one after the other.
func (s *Submitter) earlier(note []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes.HasPrefix(s.latest, note) {
		return s.latest
	}
	return note
}

// keep stores the cosigned note.
func (s *Submitter) keep(ctx context.Context, size int64, before, signed []byte) error {
	if len(s.c.Policy.Cosignatures(signed)) <= len(s.c.Policy.Cosignatures(before)) {
		return nil
	}
	if err := s.c.Keeper.KeepCosigned(ctx, size, signed); err != nil {
		return fmt.Errorf("storing the cosignatures: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = signed
	if s.c.Policy.Satisfied(signed) {
		s.cosigned = signed
	}
	return nil
}

// submitTo submits a checkpoint to one witness. It returns the last size that the
// witness cosigned, and the valid lines of cosignatures.
func (s *Submitter) submitTo(ctx context.Context, w checkpoint.PolicyWitness, old, size int64, note []byte) (int64, []byte, error) {
	for range 2 { // the second time with the size of a 409
		if old > size {
			break
		}
		status, answer, err := s.post(ctx, w.URL, old, size, note)
		if err != nil {
			return old, nil, err
		}
		switch status {
		case http.StatusOK:
			found := checkpoint.Cosignatures(note, answer, w.Witness)
			if len(found) == 0 {
				return old, nil, errors.New("its answer has no valid cosignature")
			}
			return size, found[0].Line, nil
		case http.StatusConflict:
			known, err := strconv.ParseInt(strings.TrimSpace(string(answer)), 10, 64)
			if err != nil || known < 0 {
				return old, nil, errors.New("its answer is no size")
			}
			if known == old { // the same size with another root
				return old, nil, fmt.Errorf("%w: its root of %d events differs", ErrRefused, known)
			}
			old = known
		case http.StatusUnprocessableEntity:
			return old, nil, fmt.Errorf("%w: it does not accept the proof from %d to %d events", ErrRefused, old, size)
		default:
			return old, nil, fmt.Errorf("it answered with status %d", status)
		}
	}
	if old > size {
		return old, nil, fmt.Errorf("%w: it has cosigned %d events, and the log has %d", ErrRefused, old, size)
	}
	return old, nil, errors.New("its last size changes all the time")
}

// post makes one call.
func (s *Submitter) post(ctx context.Context, url string, old, size int64, note []byte) (status int, answer []byte, err error) {
	var body bytes.Buffer
	fmt.Fprintf(&body, "old %d\n", old)
	if old > 0 && old < size {
		proof, err := tlog.ProveTree(size, old, s.c.Source.Hashes(ctx))
		if err != nil {
			return 0, nil, fmt.Errorf("proving that %d events contain the first %d: %w", size, old, err)
		}
		for _, h := range proof {
			body.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
		}
	}
	body.WriteString("\n")
	body.Write(note)
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(url, "/")+Path, &body)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	res, err := s.c.HTTP.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return res.StatusCode, answer, err
}
