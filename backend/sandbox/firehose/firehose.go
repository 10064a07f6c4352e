// Package firehose is the part of Amazon Data Firehose that takes records and
// writes them to a folder, in the layout of a delivery to S3.
package firehose

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"usher/backend/sandbox/awsjson"
	"usher/backend/sandbox/sigv4"
)

// Config configures a Server. All fields but Refuse are required.
type Config struct {
	Region string
	Now    func() time.Time
	Secret func(keyID string) (secret string, known bool)
	Name   string // of the delivery stream
	Dir    string // gets raw/YEAR/MONTH/DAY/HOUR/…
	// Refuse reports whether Firehose refuses a record for now; nil: none.
	Refuse func(record []byte) bool
}

// Server is the http.Handler.
type Server struct {
	c    Config
	wire awsjson.Service

	mu    sync.Mutex
	files int
}

// New refuses a missing field.
func New(c Config) (*Server, error) {
	if c.Region == "" || c.Now == nil || c.Secret == nil || c.Name == "" || c.Dir == "" {
		return nil, errors.New("firehose: every field is required")
	}
	wire := awsjson.Service{Keys: sigv4.Config{Region: c.Region, Service: "firehose", Secret: c.Secret}, Now: c.Now, MaxBody: 8 << 20}
	return &Server{c: c, wire: wire}, nil
}

// SPEC: Amazon Data Firehose developer guide, "Quota".
const (
	maxRecords = 500
	maxRecord  = 1000 << 10
	maxCall    = 4 << 20
)

// entry is the result of one record.
type entry struct {
	RecordID     string `json:"RecordId,omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		DeliveryStreamName string
		Records            []struct{ Data []byte }
	}
	switch operation, ok := s.wire.Read(w, r, &in); {
	case !ok:
		return
	case operation != "Firehose_20150804.PutRecordBatch":
		awsjson.Refuse(w, "UnknownOperationException", "no such operation")
		return
	case in.DeliveryStreamName != s.c.Name:
		awsjson.Refuse(w, "ResourceNotFoundException", "Firehose "+in.DeliveryStreamName+" not found")
		return
	case len(in.Records) == 0 || len(in.Records) > maxRecords:
		awsjson.Refuse(w, "ValidationException", "a call has 1 to 500 records")
		return
	}
	size := 0
	for _, record := range in.Records {
		size += len(record.Data)
		if len(record.Data) > maxRecord || size > maxCall {
			awsjson.Refuse(w, "InvalidArgumentException", "a record or the call is too large")
			return
		}
	}
	var content []byte
	failed := 0
	results := make([]entry, len(in.Records))
	for i, record := range in.Records {
		if s.c.Refuse != nil && s.c.Refuse(record.Data) {
			failed++
			results[i] = entry{ErrorCode: "ServiceUnavailableException", ErrorMessage: "Slow down."}
			continue
		}
		content = append(content, record.Data...)
		results[i] = entry{RecordID: strconv.Itoa(i)}
	}
	if err := s.write(content); err != nil {
		awsjson.Refuse(w, "ServiceUnavailableException", "internal error")
		return
	}
	awsjson.Answer(w, map[string]any{"FailedPutCount": failed, "Encrypted": false, "RequestResponses": results})
}

// write delivers the records of one call as one file.
func (s *Server) write(content []byte) error {
	if len(content) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.c.Now().UTC()
	dir := filepath.Join(s.c.Dir, "raw", now.Format("2006/01/02/15"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	s.files++
	name := fmt.Sprintf("%s-1-%s-%06d", s.c.Name, now.Format("2006-01-02-15-04-05"), s.files)
	return os.WriteFile(filepath.Join(dir, name), content, 0o600)
}
