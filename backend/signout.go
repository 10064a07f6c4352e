package backend

import (
	"usher/backend/api"
	"usher/backend/event"
)

// signout records the end of a session once. A repetition returns the event of
// the first sign-out.
func (b *Backend) signout(r *request) (any, error) {
	if err := r.decode(&struct{}{}); err != nil {
		return nil, err
	}
	session := event.SessionName(r.claims.Session)
	id, err, _ := b.signouts.Do(session, func() (any, error) {
		if id := b.sessions.signedOut(r.claims.Session); id != "" {
			return id, nil
		}
		id, err := r.signOut()
		if err != nil {
			return "", err
		}
		b.sessions.end(r.claims.Session, id)
		b.c.Directory.Drop(r.claims)
		return id, nil
	})
	if err != nil {
		return nil, err
	}
	return api.SignoutResponse{Event: id.(string)}, nil
}
