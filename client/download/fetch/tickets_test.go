package fetch

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"usher/client/download/ticket"
)

// released is an Owner that releases tickets with numbers.
type released struct {
	Owner
	count int
	err   error
	etag  string
}

func (r *released) Ticket(context.Context, bool) (*ticket.Ticket, error) {
	r.count++
	return &ticket.Ticket{ETag: r.etag, Got: time.Now(), Life: time.Minute}, r.err
}

func newTickets(r *released) *tickets {
	return &tickets{source: r, now: time.Now, margin: time.Second, same: func(t *ticket.Ticket) bool { return t.ETag == "e" }}
}

// A ticket serves as many requests as start within its life.
func TestTickets(t *testing.T) {
	r := &released{etag: "e"}
	s := newTickets(r)
	for range 3 {
		if tk, err := s.current(t.Context()); tk == nil || err != nil || r.count != 1 {
			t.Fatalf("%v, %v, %d releases", tk, err, r.count)
		}
	}
	s.now = func() time.Time { return time.Now().Add(59*time.Second + 500*time.Millisecond) }
	if _, err := s.current(t.Context()); err != nil || r.count != 2 {
		t.Errorf("near its end: %v, %d releases", err, r.count)
	}
}

// A release that fails, and a ticket of another content, end the attempt. Such a
// ticket serves no request.
func TestTicketsOfAnotherContent(t *testing.T) {
	var permanent permanentError
	if _, err := newTickets(&released{err: errors.New("denied")}).current(t.Context()); !errors.As(err, &permanent) {
		t.Errorf("a failed release: %v", err)
	}
	s := newTickets(&released{etag: "other"})
	if tk, err := s.current(t.Context()); !errors.Is(err, ErrChanged) || tk != nil || s.ticket != nil {
		t.Errorf("another content: %v, %v", tk, err)
	}
}

// The storage's refusal of a ticket leads to another one, once in a row.
func TestTicketsRefused(t *testing.T) {
	refusal := &s3Error{status: http.StatusForbidden}
	for _, row := range []struct {
		name   string
		worked bool
		err    error
		want   []error
	}{
		{"fresh tickets", false, refusal, []error{errSpent, refusal}},
		{"tickets that worked", true, refusal, []error{errSpent, errSpent, errSpent}},
		{"an expired token", false, &s3Error{status: http.StatusBadRequest, code: "ExpiredToken"}, []error{errSpent}},
		{"another failure", false, ErrStalled, []error{ErrStalled, ErrStalled}},
	} {
		s := newTickets(&released{etag: "e"})
		for n, want := range row.want {
			tk, err := s.current(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if row.worked {
				s.works(tk)
			}
			if got := s.refusal(tk, row.err); !errors.Is(got, want) {
				t.Errorf("%s, refusal %d: %v, want %v", row.name, n+1, got, want)
			}
		}
	}
}
