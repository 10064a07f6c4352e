package awsjson

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"usher/backend/sandbox/sigv4"
)

// Only a signed call with a body in JSON reaches the operation.
func TestRead(t *testing.T) {
	now := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	service := Service{
		Keys: sigv4.Config{Region: "eu-west-1", Service: "kms", Secret: func(id string) (string, bool) { return "secret", id == "AKIAONE" }},
		Now:  func() time.Time { return now }, MaxBody: 20,
	}
	tests := []struct {
		name, key, secret, body string
		change                  func(*http.Request)
		want                    string // in the answer; "": the call is read
	}{
		{"signed", "AKIAONE", "secret", `{"A":"b"}`, nil, ""},
		{"not signed", "", "", `{"A":"b"}`, nil, "MissingAuthenticationToken"},
		{"another key", "AKIATWO", "secret", `{"A":"b"}`, nil, "UnrecognizedClient"},
		{"another secret", "AKIAONE", "other", `{"A":"b"}`, nil, "InvalidSignature"},
		{"another operation", "AKIAONE", "secret", `{"A":"b"}`, func(r *http.Request) { r.Header.Set("X-Amz-Target", "Other") }, "InvalidSignature"},
		{"not JSON", "AKIAONE", "secret", `{"A":`, nil, "Serialization"},
		{"too long", "AKIAONE", "secret", `{"A":"` + strings.Repeat("x", 20) + `"}`, nil, "Serialization"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "http://kms.eu-west-1.amazonaws.com/", strings.NewReader(tt.body))
			r.Header.Set("X-Amz-Target", "TrentService.Sign")
			if tt.key != "" {
				hash := sha256.Sum256([]byte(tt.body))
				creds := aws.Credentials{AccessKeyID: tt.key, SecretAccessKey: tt.secret}
				if err := v4.NewSigner().SignHTTP(context.Background(), creds, r, hex.EncodeToString(hash[:]), "kms", "eu-west-1", now); err != nil {
					t.Fatal(err)
				}
			}
			if tt.change != nil {
				tt.change(r)
			}
			w := httptest.NewRecorder()
			var in struct{ A string }
			operation, ok := service.Read(w, r, &in)
			switch answer := w.Body.String(); {
			case ok != (tt.want == ""), !strings.Contains(answer, tt.want), ok && answer != "":
				t.Errorf("read %v, answer %s; want %q", ok, answer, tt.want)
			case ok && (operation != "TrentService.Sign" || in.A != "b"):
				t.Errorf("operation %q, body %+v", operation, in)
			case !ok && w.Code != http.StatusBadRequest:
				t.Errorf("status %d", w.Code)
			}
		})
	}
}
