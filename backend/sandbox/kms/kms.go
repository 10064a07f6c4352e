// Package kms is the part of AWS KMS that signs: one Ed25519 key, GetPublicKey and
// Sign, over KMS's own protocol.
package kms

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"usher/backend/sandbox/sigv4"
)

// Config configures a Server. All fields are required.
type Config struct {
	Region string
	Now    func() time.Time
	Secret func(keyID string) (secret string, known bool)
	KeyARN string
	Rand   io.Reader
}

// Server is the http.Handler.
type Server struct {
	c   Config
	key ed25519.PrivateKey
}

// New returns a server with a new key.
func New(c Config) (*Server, error) {
	if c.Region == "" || c.Now == nil || c.Secret == nil || c.KeyARN == "" || c.Rand == nil {
		return nil, errors.New("kms: every field is required")
	}
	_, key, err := ed25519.GenerateKey(c.Rand)
	if err != nil {
		return nil, err
	}
	return &Server{c, key}, nil
}

// request has the fields of both operations.
type request struct {
	KeyId            string
	Message          []byte
	MessageType      string
	SigningAlgorithm string
}

// algorithm is the one for messages as they are.
// SPEC: AWS KMS developer guide, "Asymmetric key specs", ECC_NIST_EDWARDS25519.
const (
	spec       = "ECC_NIST_EDWARDS25519"
	algorithm  = "ED25519_SHA_512"
	maxMessage = 4096
)

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		return
	}
	if err := (sigv4.Config{Region: s.c.Region, Service: "kms", Secret: s.c.Secret}).Check(s.c.Now(), r, raw); err != nil {
		var refused *sigv4.Error
		if errors.As(err, &refused) {
			refuse(w, refused.Code, refused.Message)
			return
		}
	}
	var in request
	if err := json.Unmarshal(raw, &in); err != nil {
		refuse(w, "SerializationException", "the body is not JSON")
		return
	}
	if in.KeyId != s.c.KeyARN {
		refuse(w, "NotFoundException", "Key '"+in.KeyId+"' does not exist")
		return
	}
	switch r.Header.Get("X-Amz-Target") {
	case "TrentService.GetPublicKey":
		s.publicKey(w)
	case "TrentService.Sign":
		s.sign(w, in)
	default:
		refuse(w, "UnknownOperationException", "no such operation")
	}
}

func (s *Server) publicKey(w http.ResponseWriter) {
	der, err := x509.MarshalPKIXPublicKey(s.key.Public())
	if err != nil {
		refuse(w, "KMSInternalException", "internal error")
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"KeyId": s.c.KeyARN, "KeySpec": spec, "CustomerMasterKeySpec": spec, "KeyUsage": "SIGN_VERIFY", "PublicKey": der,
		"SigningAlgorithms": []string{algorithm, "ED25519_PH_SHA_512"},
	})
}

func (s *Server) sign(w http.ResponseWriter, in request) {
	switch {
	case in.SigningAlgorithm != algorithm || in.MessageType != "RAW":
		refuse(w, "ValidationException", "ED25519_SHA_512 requires MessageType RAW")
	case len(in.Message) == 0 || len(in.Message) > maxMessage:
		refuse(w, "ValidationException", "the message must have 1 to 4096 bytes")
	default:
		answer(w, http.StatusOK, map[string]any{"KeyId": s.c.KeyARN, "Signature": ed25519.Sign(s.key, in.Message), "SigningAlgorithm": algorithm})
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, code, message string) {
	answer(w, http.StatusBadRequest, map[string]string{"__type": code, "message": message})
}
