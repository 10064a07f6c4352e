// Package kms is the part of AWS KMS that signs: one Ed25519 key, GetPublicKey and
// Sign, over KMS's own protocol.
package kms

import (
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"time"

	"usher/backend/sandbox/awsjson"
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
	c    Config
	wire awsjson.Service
	key  ed25519.PrivateKey
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
	wire := awsjson.Service{Keys: sigv4.Config{Region: c.Region, Service: "kms", Secret: c.Secret}, Now: c.Now, MaxBody: 1 << 20}
	return &Server{c, wire, key}, nil
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
	var in request
	operation, ok := s.wire.Read(w, r, &in)
	if !ok {
		return
	}
	if in.KeyId != s.c.KeyARN {
		awsjson.Refuse(w, "NotFoundException", "Key '"+in.KeyId+"' does not exist")
		return
	}
	switch operation {
	case "TrentService.GetPublicKey":
		s.publicKey(w)
	case "TrentService.Sign":
		s.sign(w, in)
	default:
		awsjson.Refuse(w, "UnknownOperationException", "no such operation")
	}
}

func (s *Server) publicKey(w http.ResponseWriter) {
	der, err := x509.MarshalPKIXPublicKey(s.key.Public())
	if err != nil {
		awsjson.Refuse(w, "KMSInternalException", "internal error")
		return
	}
	awsjson.Answer(w, map[string]any{
		"KeyId": s.c.KeyARN, "KeySpec": spec, "CustomerMasterKeySpec": spec, "KeyUsage": "SIGN_VERIFY", "PublicKey": der,
		"SigningAlgorithms": []string{algorithm, "ED25519_PH_SHA_512"},
	})
}

func (s *Server) sign(w http.ResponseWriter, in request) {
	switch {
	case in.SigningAlgorithm != algorithm || in.MessageType != "RAW":
		awsjson.Refuse(w, "ValidationException", "ED25519_SHA_512 requires MessageType RAW")
	case len(in.Message) == 0 || len(in.Message) > maxMessage:
		awsjson.Refuse(w, "ValidationException", "the message must have 1 to 4096 bytes")
	default:
		awsjson.Answer(w, map[string]any{"KeyId": s.c.KeyARN, "Signature": ed25519.Sign(s.key, in.Message), "SigningAlgorithm": algorithm})
	}
}
