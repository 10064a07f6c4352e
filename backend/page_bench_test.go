//go:build unix

package backend_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/audit/sqlite"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
	"usher/backend/object"
)

// manyObjects is a storage with one page of a thousand objects, in memory.
type manyObjects struct {
	backend.Objects
	rows []object.Row
}

func (m manyObjects) List(context.Context, object.ListQuery) (object.Page, error) {
	return object.Page{Rows: m.rows}, nil
}

// BenchmarkPage measures the handler for a page of 1,000 objects with URLs, and
// for the report of their downloads: verify, live check, decide, durable record
// in SQLite, sign, encode, compress. Sockets and the call to S3 are not
// included. "plain" is the same page without URLs.
func BenchmarkPage(b *testing.B) {
	const n = api.MaxPageURLs
	now := &clock{}
	w := demotest.Start(b, demo.Options{AccessTokenLife: 24 * time.Hour})
	store, err := sqlite.Open(sqlite.Config{Path: filepath.Join(b.TempDir(), "audit.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	log, err := audit.New(audit.Config{Store: store, Now: now.Now, NewID: event.IDs(rand.Reader)})
	if err != nil {
		b.Fatal(err)
	}
	rows := make([]object.Row, n)
	for i := range rows {
		rows[i] = object.Row{Name: fmt.Sprintf("quarterly/many/report-%06d.csv", i), Sized: true, Size: 4096,
			Modified: time.Now().UTC().Truncate(time.Second), ETag: fmt.Sprintf(`"%032x"`, i*7919)}
	}
	server, handler := rebuilt(b, w, now.Now, func(c *backend.Config) {
		c.Audit, c.Objects = log, manyObjects{c.Objects, rows}
	})
	token, err := w.SignIn(b, "ada").Session.Token(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	call := func(b *testing.B, verb api.Verb, body []byte) []byte {
		now.Pass(200 * time.Millisecond) // refills the budget of objects
		req := httptest.NewRequest(http.MethodPost, verb.Path(), bytes.NewReader(body))
		req.Host = strings.TrimPrefix(server, "http://")
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		if verb == api.VerbList {
			req.Header.Set("Accept-Encoding", "gzip")
		}
		res := httptest.NewRecorder()
		handler.ServeHTTP(res, req)
		if res.Code != http.StatusOK {
			b.Fatal(res.Code, res.Body)
		}
		return res.Body.Bytes()
	}
	page := []byte(`{"bucket":"company-reports","prefix":"quarterly/many/","recursive":true,"urls":1000}`)
	b.Run("plain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			call(b, api.VerbList, []byte(`{"bucket":"company-reports","prefix":"quarterly/many/","recursive":true}`))
		}
	})
	b.Run("urls", func(b *testing.B) {
		b.ReportAllocs()
		size, before := 0, cpu(b)
		for b.Loop() {
			size = len(call(b, api.VerbList, page))
		}
		b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N*n), "cpu-µs/url")
		b.ReportMetric(float64(size)/n, "bytes/url")
	})
	b.Run("reports", func(b *testing.B) {
		b.ReportAllocs()
		used := time.Duration(0)
		for b.Loop() {
			b.StopTimer()
			var in api.CompleteRequest
			call(b, api.VerbList, page)
			found, err := log.Query(b.Context(), event.Filter{}, audit.Page{Limit: api.MaxAuditPage})
			if err != nil {
				b.Fatal(err)
			}
			for _, e := range found.Events {
				if e.Action == event.Download {
					in.Items = append(in.Items, api.CompleteItem{Event: e.ID, Outcome: api.CompletedDone, Bytes: 4096, Seconds: 0.004, Verified: "CRC64NVME"})
				}
			}
			body, err := json.Marshal(in)
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			before := cpu(b)
			call(b, api.VerbComplete, body)
			used += cpu(b) - before
		}
		b.ReportMetric(float64(used.Microseconds())/float64(b.N*n), "cpu-µs/report")
	})
}
