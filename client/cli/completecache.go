package cli

import (
	"context"
	"encoding/json"
	"time"

	"usher/session"
)

// Lives of cached lists. A list of names is also gone after a sign-out.
const (
	pathLife  = 30 * time.Second
	namesLife = 5 * time.Minute
	maxLists  = 32      // of one profile
	maxCache  = 1 << 20 // bytes
)

// lists are lists of names by their kind.
type lists map[string][]string

// remembered lists are the cache of one profile: names alone, for one person and
// server, in a private file.
type remembered struct {
	Server string          `json:"server"`
	Person string          `json:"person"`
	Lists  map[string]list `json:"lists"`
}

type list struct {
	At    time.Time `json:"at"`
	Names []string  `json:"names"`
}

func cacheFile(p session.Profile) string { return "completion-" + p.Name + ".json" }

// remembered returns a list of names from the cache, or by one call of fetch. Without
// a sign-in, and after a failure, the list is empty.
func (a *app) remembered(ctx context.Context, kind string, life time.Duration, fetch func(context.Context, connection) (lists, error)) []string {
	ctx, cancel := context.WithTimeout(ctx, completeTime)
	defer cancel()
	quiet := *a
	quiet.debug, quiet.note = false, nil
	p, err := a.Folders.Resolve(ctx, a.profile, a.server, a.Getenv)
	if err != nil {
		return nil
	}
	conn, err := quiet.connectTo(p, "", quiet.transport())
	if err != nil {
		return nil
	}
	person, _, signedIn := conn.session.Person()
	if !signedIn {
		return nil
	}
	now := a.Now()
	have := a.readCache(p, person.Sub, now)
	if l, ok := have.Lists[kind]; ok && now.Sub(l.At) < life {
		return l.Names
	}
	fresh, err := fetch(ctx, conn)
	if err != nil {
		return nil
	}
	for kind, names := range fresh {
		have.Lists[kind] = list{now, names}
	}
	a.writeCache(p, have)
	return fresh[kind]
}

// readCache returns the cache of a profile without the lists that are too old for
// any use, and without those of another person or server.
func (a *app) readCache(p session.Profile, person string, now time.Time) remembered {
	empty := remembered{Server: p.Server, Person: person, Lists: map[string]list{}}
	raw, err := a.Folders.LoadCache(cacheFile(p), maxCache)
	if err != nil {
		return empty
	}
	var have remembered
	if json.Unmarshal(raw, &have) != nil || have.Server != p.Server || have.Person != person || have.Lists == nil {
		return empty
	}
	for kind, l := range have.Lists {
		if age := now.Sub(l.At); age < 0 || age >= namesLife {
			delete(have.Lists, kind)
		}
	}
	return have
}

// writeCache keeps the newest lists. Without the cache, the next key press lists
// again.
func (a *app) writeCache(p session.Profile, have remembered) {
	for len(have.Lists) > maxLists {
		oldest := ""
		for kind, l := range have.Lists {
			if oldest == "" || l.At.Before(have.Lists[oldest].At) {
				oldest = kind
			}
		}
		delete(have.Lists, oldest)
	}
	raw, err := json.Marshal(have)
	if err == nil && len(raw) <= maxCache {
		_ = a.Folders.SaveCache(cacheFile(p), raw)
	}
}
