package download

import (
	"strings"
	"time"

	"usher/client/download/part"
	"usher/client/quantity"
)

// adopt takes over the chain of audit events that an earlier run began, so
// that the auditor sees one row for one file, under mu.
func (e *Engine) adopt(t *transfer, s part.Sidecar) {
	if age := e.cfg.Now().Sub(s.EventAt); t.chain.first != "" || !eventID(s.Event) || age < 0 || age > chainAge {
		return
	}
	t.chain.first, t.chain.at = s.Event, s.EventAt
	t.event = "Going on from " + quantity.Size(s.Have()) + "."
}

// chainAge is how long a chain goes on; complete takes events of the last 24 h.
const chainAge = 23 * time.Hour

// eventID reports whether a sidecar's event has the form of an id: the file may have been
// touched, and the backend refuses a whole release for one odd id.
func eventID(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-')
	})
}
