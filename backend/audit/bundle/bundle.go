// Package bundle is the form of exported evidence: one tar file with events of an
// audit log, their proof against a signed checkpoint of the log, and everything that
// an auditor needs for a check without usher and without a network.
//
//	README.txt          the form, and a check with Python and openssl
//	manifest.json       query, range, counts, person and time
//	log.pub             public key of the log (NAME+HASH+KEY)
//	checkpoint.txt      signed checkpoint of the log
//	cosigned.txt        the last checkpoint that witnesses cosigned, if there is one
//	witnesses.txt       public keys of these witnesses
//	cosigned-proof.txt  proof that checkpoint.txt contains the events of cosigned.txt
//	policies/V.txt      the grants of version V; V is the start of its SHA-256
//	groups.txt          hash and names of the groups of each decision
//	events.jsonl        canonical bytes of the events, one a line, in the order of the log
//	index.txt           number and leaf hash of each event
//	proof.txt           hashes of the subtrees without any of these events
//	events.csv          the events that match the query, for a spreadsheet
//
// A complete range whose deleted events have a younger event of the retention is
// followed by that event. The last event is the record of the export itself. The
// manifest repeats its content, so the log proves query, range and counts too. Each
// byte of a bundle depends on the log: a Verify of a bundle with another byte has a
// fault. An exporter chooses three things: FormatV1, the names of groups that it
// withholds as expired, and the cosignatures of witnesses.
//
// The package leaves connections, files and the screen to its callers.
package bundle

import (
	"encoding/json"
	"fmt"
	"time"

	"usher/backend/audit/tree"
	"usher/backend/event"
)

// Late is the longest time between an event and its record that a complete range
// allows for.
const Late = 10 * time.Minute

// The forms of bundles. Write writes Format, and Verify accepts all of them. FormatV1
// has no groups.txt.
const (
	Format   = "usher-audit-export/v2"
	FormatV1 = "usher-audit-export/v1"
)

// WithRange is the reason of the event of a complete export.
const WithRange = "with all events of the range"

// The names of the entries, in their order.
const (
	nameReadme        = "README.txt"
	nameManifest      = "manifest.json"
	nameKey           = "log.pub"
	nameCheckpoint    = "checkpoint.txt"
	nameCosigned      = "cosigned.txt"
	nameWitnesses     = "witnesses.txt"
	nameCosignedProof = "cosigned-proof.txt"
	policyFolder      = "policies/"
	policySuffix      = ".txt"
	nameGroups        = "groups.txt"
	nameEvents        = "events.jsonl"
	nameIndex         = "index.txt"
	nameProof         = "proof.txt"
	nameCSV           = "events.csv"
)

// Manifest describes a bundle. All its values are those of the event of the export,
// of the key and of the checkpoint.
type Manifest struct {
	Format      string    `json:"format"`
	Log         string    `json:"log"` // name of the log
	Key         string    `json:"key"` // public key of the log
	Query       string    `json:"query"`
	Complete    bool      `json:"complete"`     // all events of the range are in the bundle
	Matches     int       `json:"matches"`      // number of events that match the query
	FirstRecord int64     `json:"first_record"` // of the range, from 1 on; 0 for an empty range
	LastRecord  int64     `json:"last_record"`  // inclusive
	Records     int64     `json:"records"`      // number of events in the log at the export
	By          string    `json:"by"`
	Sub         string    `json:"sub"`
	At          time.Time `json:"at"`
	Event       string    `json:"event"` // id of the event of the export
	Checkpoint  int64     `json:"checkpoint"`
}

// manifestOf returns the manifest of an export.
func manifestOf(format string, e event.Event, name, key string, head tree.Head) Manifest {
	return Manifest{
		Format: format, Log: name, Key: key, Query: e.Query, Complete: e.Reason == WithRange, Matches: e.Count,
		FirstRecord: e.FirstRecord, LastRecord: e.LastRecord, Records: e.Records,
		By: e.User.Username, Sub: e.User.Sub, At: e.Time, Event: e.ID, Checkpoint: head.Size,
	}
}

func (m Manifest) text() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the manifest: %w", err)
	}
	return append(b, '\n'), nil
}

// Range returns the range as indexes from 0 on; last is exclusive.
func (m Manifest) Range() (first, last int64) {
	if m.FirstRecord == 0 {
		return 0, 0
	}
	return m.FirstRecord - 1, m.LastRecord
}

// Span returns the times of a filter: events before since or from until on cannot
// match. A zero time is no bound.
func Span(f event.Filter) (since, until time.Time) {
	for _, t := range f.Terms {
		switch {
		case t.Not:
		case t.Field == event.BySince && t.Time.After(since):
			since = t.Time
		case t.Field == event.ByUntil && (until.IsZero() || t.Time.Before(until)):
			until = t.Time
		}
	}
	return since, until
}
