package backend

import (
	"log/slog"
	"maps"
	"slices"
	"time"

	"usher/backend/api"
	"usher/backend/budget"
	"usher/backend/event"
)

// ProofOf is the answer of the verb checkpoint.
var ProofOf = proofOf

// Verbs returns all paths that need a token.
func Verbs() []string { return slices.Sorted(maps.Keys(withoutParts().routes)) }

// Routes returns the audit actions of all verbs.
func Routes() map[api.Verb]string { return withoutParts().Actions() }

// withoutParts returns a backend that has routes and can serve none.
func withoutParts() *Backend {
	b, err := New(Config{
		Public: api.Config{Region: "none", AuditorsGroup: "none", AdminsGroup: "none"}, Verifier: struct{ Verifier }{}, Directory: struct{ Directory }{}, Ender: struct{ Ender }{}, Grants: struct{ Grants }{}, Objects: struct{ Objects }{},
		Signer: struct{ Signer }{}, Clock: struct{ Clock }{}, Audit: struct{ Log }{}, Access: struct{ Access }{}, Requests: struct{ Requests }{}, Health: struct{ Health }{}, Cursors: struct{ Cursors }{}, URLLife: time.Minute,
		Hosts: []string{"none"}, Now: time.Now, NewID: func(time.Time) string { return "" }, Log: slog.Default(),
	})
	if err != nil {
		panic(err)
	}
	return b
}

// Actions returns the audit actions of the verbs.
func (b *Backend) Actions() map[api.Verb]string {
	actions := map[api.Verb]string{}
	for _, w := range b.routes {
		actions[w.verb] = w.action
	}
	return actions
}

// InUse returns the number of bodies being read and of requests in handlers.
func (b *Backend) InUse() (bodies, work int) { return b.bodies.InUse(), b.work.InUse() }

// WithoutShares removes the limits for each person and each address, for the
// negative controls of the slots.
func (b *Backend) WithoutShares() {
	all := func(l budget.SlotLimits) *budget.Slots {
		for i := range l.Each {
			l.Each[i] = l.Total
		}
		return budget.NewSlots(l)
	}
	b.bodies, b.work, b.queries = all(bodySlots()), all(workSlots()), all(querySlots())
}

// ForgetSessions clears the cache of sessions, as a restart does.
func (b *Backend) ForgetSessions() { b.sessions = newSessions() }

// WithoutPart returns the error for a route with a missing part, by part.
func (b *Backend) WithoutPart() map[string]error {
	whole := b.table()[0]
	errs := map[string]error{}
	for part, spoil := range map[string]func(w *route){
		"nothing":      func(*route) {},
		"name":         func(w *route) { w.verb = "" },
		"body limit":   func(w *route) { w.limit = 0 },
		"budget":       func(w *route) { w.spends = budget.None },
		"live check":   func(w *route) { w.check = unchecked },
		"audit action": func(w *route) { w.action = "" },
		"handler":      func(w *route) { w.serve = nil },
	} {
		w := whole
		spoil(&w)
		_, errs[part] = index([]route{w})
	}
	_, errs["path of its own"] = index([]route{whole, whole})
	return errs
}

// Hold adds refusals over the budget, which the next Flush records.
func (b *Backend) Hold(events []event.Event) { b.denials.Restore(events) }
