package fetch

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"usher/client/download/ticket"
)

// tickets has the current ticket of an attempt, and requests the next one from its
// source. Its methods may be called from any goroutine.
type tickets struct {
	source Owner
	named  bool // see Owner
	now    func() time.Time
	margin time.Duration
	same   func(*ticket.Ticket) bool // reports whether a ticket is of the attempt's content

	mu      sync.Mutex
	ticket  *ticket.Ticket // nil: the storage refused the last one
	worked  bool           // the storage accepted it at least once
	refused int            // fresh tickets in a row that the storage refused
}

// current returns a ticket that may start a request: another one when little of
// the life of the last one is left.
func (s *tickets) current(ctx context.Context) (*ticket.Ticket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ticket != nil && s.ticket.Fresh(s.now(), s.margin) {
		return s.ticket, nil
	}
	t, err := s.source.Ticket(ctx, s.named)
	if err != nil {
		return nil, permanentError{err}
	}
	if !s.same(t) {
		return nil, &Error{Kind: ErrChanged}
	}
	s.ticket, s.worked = t, false
	return t, nil
}

// works notes that the storage accepted a ticket.
func (s *tickets) works(t *ticket.Ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ticket == t {
		s.worked = true
	}
}

// refusal turns the storage's "not with this URL" into errSpent: the next request
// gets another ticket. The second fresh ticket in a row that the storage refuses
// is the storage's answer.
func (s *tickets) refusal(t *ticket.Ticket, err error) error {
	var s3 *s3Error
	if !errors.As(err, &s3) {
		return err
	}
	switch s3.status {
	case http.StatusForbidden, http.StatusUnauthorized, http.StatusRequestedRangeNotSatisfiable:
	default:
		if s3.code != "ExpiredToken" {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ticket == t {
		s.ticket = nil
		if s.worked {
			s.refused = 0
		} else {
			s.refused++
		}
	}
	if s.refused >= 2 {
		return err
	}
	return errSpent
}
