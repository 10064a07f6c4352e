// Package awsjson is the wire of AWS's services with JSON bodies: a signed POST
// with the operation in X-Amz-Target, and errors with a __type.
//
// The operations are left to the services. The tables and the user pool have
// answers of their own forms, and do not use the package.
package awsjson

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"usher/backend/sandbox/sigv4"
)

// Service is the part of a service that its wire needs. All fields are required.
type Service struct {
	Keys    sigv4.Config
	Now     func() time.Time
	MaxBody int64 // bytes
}

// Read checks the signature of a call and decodes its body into in. It returns the
// operation. A call that it refuses has its answer, and ok is false.
func (s Service) Read(w http.ResponseWriter, r *http.Request, in any) (operation string, ok bool) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.MaxBody))
	if err != nil {
		Refuse(w, "SerializationException", "the body cannot be read")
		return "", false
	}
	if refused := s.Keys.Check(s.Now(), r, raw); refused != nil {
		Refuse(w, refused.Code, refused.Message)
		return "", false
	}
	if err := json.Unmarshal(raw, in); err != nil {
		Refuse(w, "SerializationException", "the body is not JSON")
		return "", false
	}
	return r.Header.Get("X-Amz-Target"), true
}

// Answer writes the result of an operation.
func Answer(w http.ResponseWriter, body any) { write(w, http.StatusOK, body) }

// Refuse writes an error.
func Refuse(w http.ResponseWriter, code, message string) {
	write(w, http.StatusBadRequest, map[string]string{"__type": code, "message": message})
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
