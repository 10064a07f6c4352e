// Package file keeps requests for access in one small file of a server with files.
//
// The rules are left to package accessrequest. Several processes must not share a
// file.
package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"usher/backend/accessrequest"
	"usher/backend/replace"
)

// maxBytes bounds the file: MaxKept requests with their longest texts in JSON.
const maxBytes = 64 << 20

// Store is the store. Safe for concurrent use.
type Store struct {
	path string
	now  func() time.Time
	mu   sync.Mutex
}

// New returns a store in a file, which the first request makes.
func New(path string, now func() time.Time) (*Store, error) {
	if path == "" || now == nil {
		return nil, errors.New("requests for access: a file and a clock are needed")
	}
	return &Store{path: path, now: now}, nil
}

// All returns the requests.
func (s *Store) All(context.Context) ([]accessrequest.Request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read()
}

// Update stores the change that edit makes of the requests. After an error of edit
// nothing is changed.
func (s *Store) Update(ctx context.Context, edit func([]accessrequest.Request) (accessrequest.Change, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, err := s.read()
	if err != nil {
		return err
	}
	change, err := edit(slices.Clone(all))
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("storing a request for access: %w", err)
	}
	next := slices.DeleteFunc(accessrequest.Live(all, s.now()), func(r accessrequest.Request) bool {
		return r.ID == change.Put.ID || r.ID == change.Drop
	})
	text, err := json.Marshal(content{append(next, change.Put)})
	if err == nil {
		err = replace.File(s.path, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("storing a request for access: %w", err)
	}
	return nil
}

// content is the form of the file.
type content struct {
	Requests []accessrequest.Request `json:"requests"`
}

func (s *Store) read() ([]accessrequest.Request, error) {
	info, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && info.Size() > maxBytes {
		err = fmt.Errorf("%s has more than %d bytes", s.path, maxBytes)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(s.path)
	}
	var c content
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the requests for access: %w", err)
	}
	return c.Requests, nil
}
