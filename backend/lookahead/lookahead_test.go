package lookahead_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/backend/lookahead"
	"usher/backend/object"
)

// storage counts its calls. hold, if set, runs in each of them.
type storage struct {
	mu    sync.Mutex
	calls []string
	hold  func(call int) error
}

func (s *storage) List(_ context.Context, q object.ListQuery) (object.Page, error) {
	s.mu.Lock()
	s.calls = append(s.calls, q.Resume.Token)
	n := len(s.calls)
	s.mu.Unlock()
	if s.hold != nil {
		if err := s.hold(n); err != nil {
			return object.Page{}, err
		}
	}
	return object.Page{Rows: []object.Row{{Name: q.Prefix + q.Resume.Token}}}, nil
}

func (s *storage) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

func pages(t testing.TB, s *storage) *lookahead.Pages {
	t.Helper()
	p, err := lookahead.New(lookahead.Config{Source: s, Keep: 5 * time.Second, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func query(token string) object.ListQuery {
	return object.ListQuery{Bucket: "b", Prefix: "f/", Limit: 1000, Resume: object.Resume{Token: token}}
}

func Example() {
	p, err := lookahead.New(lookahead.Config{Source: &storage{}, Keep: 5 * time.Second, Now: time.Now})
	if err != nil {
		fmt.Println(err)
		return
	}
	p.Begin(context.Background(), "ada", query("2")) // while page 1 is decided and recorded
	page, err := p.List(context.Background(), "ada", query("2"))
	fmt.Println(page.Rows[0].Name, err)
	// Output: f/2 <nil>
}

// A page serves one request of the same person and the same query, and only while
// it is fresh.
func TestPages(t *testing.T) {
	for _, row := range []struct {
		name   string
		person string
		query  object.ListQuery
		after  time.Duration
		calls  int // of the storage, with that of Begin
	}{
		{"the same", "ada", query("2"), time.Second, 1},
		{"another person", "eve", query("2"), time.Second, 2},
		{"another page", "ada", query("3"), time.Second, 2},
		{"another prefix", "ada", object.ListQuery{Bucket: "b", Prefix: "g/", Limit: 1000, Resume: object.Resume{Token: "2"}}, time.Second, 2},
		{"another limit", "ada", object.ListQuery{Bucket: "b", Prefix: "f/", Limit: 10, Resume: object.Resume{Token: "2"}}, time.Second, 2},
		{"too late", "ada", query("2"), 6 * time.Second, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &storage{}
				p := pages(t, s)
				p.Begin(t.Context(), "ada", query("2"))
				p.Begin(t.Context(), "ada", query("2")) // begun already
				time.Sleep(row.after)
				got, err := p.List(t.Context(), row.person, row.query)
				if err != nil || got.Rows[0].Name != row.query.Prefix+row.query.Resume.Token || s.count() != row.calls {
					t.Errorf("%v, %v, %d calls", got, err, s.count())
				}
				if _, err := p.List(t.Context(), row.person, row.query); err != nil || s.count() != row.calls+1 {
					t.Errorf("a second time: %v, %d calls", err, s.count())
				}
			})
		})
	}
}

// A page that failed, or that panicked, is requested again. Its error reaches nobody.
func TestPagesFail(t *testing.T) {
	for name, fault := range map[string]func(int) error{
		"error": func(call int) error { return map[int]error{1: errors.New("slow down")}[call] },
		"panic": func(call int) error {
			if call == 1 {
				panic("a bug")
			}
			return nil
		},
	} {
		s := &storage{hold: fault}
		p := pages(t, s)
		p.Begin(t.Context(), "ada", query("2"))
		if got, err := p.List(t.Context(), "ada", query("2")); err != nil || len(got.Rows) != 1 || s.count() != 2 {
			t.Errorf("%s: %v, %v, %d calls", name, got, err, s.count())
		}
	}
}

// A request ahead outlives the request that began it, and a caller waits for it as
// long as its own context lasts.
func TestPagesOutliveTheirRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &storage{hold: func(call int) error {
			if call == 1 {
				time.Sleep(3 * time.Second)
			}
			return nil
		}}
		p := pages(t, s)
		first, end := context.WithCancel(t.Context())
		p.Begin(first, "ada", query("2"))
		end()
		if _, err := p.List(t.Context(), "ada", query("2")); err != nil || s.count() != 1 {
			t.Errorf("%v, %d calls", err, s.count())
		}
	})
}

// One person has two pages ahead, all together 32. Old ones make room.
func TestPagesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &storage{}
		p := pages(t, s)
		for n := range 5 {
			p.Begin(t.Context(), "ada", query(fmt.Sprint(n)))
		}
		synctest.Wait()
		if s.count() != 2 {
			t.Errorf("%d pages of one person", s.count())
		}
		for n := range 50 {
			p.Begin(t.Context(), fmt.Sprint(n), query("2"))
		}
		synctest.Wait()
		if s.count() != 32 {
			t.Errorf("%d pages", s.count())
		}
		time.Sleep(6 * time.Second)
		p.Begin(t.Context(), "ada", query("2"))
		synctest.Wait()
		if s.count() != 33 {
			t.Errorf("%d pages after the old ones", s.count())
		}
	})
}
