// Package kms signs checkpoints of the audit log with a key of AWS KMS. The
// private key never leaves KMS.
package kms

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"usher/backend/audit/checkpoint"
)

// API is the part of AWS KMS that a signer uses. *kms.Client implements it.
type API interface {
	GetPublicKey(ctx context.Context, in *kms.GetPublicKeyInput, o ...func(*kms.Options)) (*kms.GetPublicKeyOutput, error)
	Sign(ctx context.Context, in *kms.SignInput, o ...func(*kms.Options)) (*kms.SignOutput, error)
}

// Open returns the signer of a log with a name. It reads the public key, and
// refuses a key of another kind.
//
// SPEC: AWS KMS developer guide, "Asymmetric key specs": keys of
// ECC_NIST_EDWARDS25519 sign with ED25519_SHA_512, which takes MessageType RAW
// only, up to 4,096 bytes.
func Open(ctx context.Context, api API, key, name string) (*checkpoint.Remote, error) {
	out, err := api.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: aws.String(key)})
	if err != nil {
		return nil, fmt.Errorf("reading the public key of the audit log from KMS: %w", err)
	}
	parsed, err := x509.ParsePKIXPublicKey(out.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("reading the public key of the audit log from KMS: %w", err)
	}
	public, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("the KMS key of the audit log is no Ed25519 key: create it with the key spec ECC_NIST_EDWARDS25519")
	}
	return checkpoint.NewRemote(name, public, func(ctx context.Context, message []byte) ([]byte, error) {
		out, err := api.Sign(ctx, &kms.SignInput{
			KeyId: aws.String(key), Message: message, MessageType: types.MessageTypeRaw,
			SigningAlgorithm: types.SigningAlgorithmSpecEd25519Sha512,
		})
		if err != nil {
			return nil, fmt.Errorf("KMS did not sign: %w", err)
		}
		return out.Signature, nil
	})
}
