package kms_test

import (
	"context"
	"crypto/rand"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"usher/backend/audit/tree"
	"usher/backend/kms"
	sandbox "usher/backend/sandbox/kms"
)

const arn = "arn:aws:kms:eu-central-1:111122223333:key/1"

func client(t *testing.T) *awskms.Client {
	t.Helper()
	server, err := sandbox.New(sandbox.Config{
		Region: "eu-central-1", Now: time.Now, KeyARN: arn, Rand: rand.Reader,
		Secret: func(id string) (string, bool) { return "secret", id == "AKIAUSHERKMS00000001" },
	})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return awskms.New(awskms.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(web.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAUSHERKMS00000001", "secret", ""),
	})
}

// A checkpoint of KMS verifies with the public key alone, and two signatures of one
// head are equal: two sealers show the same checkpoint.
func TestSign(t *testing.T) {
	s, err := kms.Open(t.Context(), client(t), arn, "files.example.com/audit")
	if err != nil {
		t.Fatal(err)
	}
	head := tree.Head{Size: 7, Root: tree.Hash{1, 2}}
	one, err := s.Sign(t.Context(), head)
	if err != nil {
		t.Fatal(err)
	}
	two, err := s.Sign(t.Context(), head)
	if err != nil || string(one) != string(two) {
		t.Errorf("%q, %q, %v", one, two, err)
	}
	if got, err := s.Open(one); err != nil || got != head || !strings.HasPrefix(s.Key(), "files.example.com/audit+") {
		t.Errorf("%v, %v, key %s", got, err, s.Key())
	}
}

// other replaces the signature of KMS.
type other struct{ *awskms.Client }

func (o other) Sign(ctx context.Context, in *awskms.SignInput, f ...func(*awskms.Options)) (*awskms.SignOutput, error) {
	in.Message = append(in.Message, 'x')
	return o.Client.Sign(ctx, in, f...)
}

// A wrong signature never leaves, and refusals of KMS are errors.
func TestRefusals(t *testing.T) {
	c := client(t)
	if _, err := kms.Open(t.Context(), c, arn+"2", "a"); err == nil {
		t.Error("an unknown key was opened")
	}
	s, err := kms.Open(t.Context(), other{c}, arn, "files.example.com/audit")
	if err != nil {
		t.Fatal(err)
	}
	if note, err := s.Sign(t.Context(), tree.Head{Size: 1}); err == nil {
		t.Errorf("a wrong signature was returned: %q", note)
	}
	for _, in := range []awskms.SignInput{
		{KeyId: aws.String(arn), Message: []byte("x"), MessageType: types.MessageTypeDigest, SigningAlgorithm: types.SigningAlgorithmSpecEd25519Sha512},
		{KeyId: aws.String(arn), Message: make([]byte, 5000), MessageType: types.MessageTypeRaw, SigningAlgorithm: types.SigningAlgorithmSpecEd25519Sha512},
	} {
		if _, err := c.Sign(t.Context(), &in); err == nil {
			t.Errorf("KMS signed %v of %d bytes", in.MessageType, len(in.Message))
		}
	}
}
