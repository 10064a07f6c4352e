package s3

import (
	"encoding/xml"
	"net/http"
	"strings"

	"usher/backend/sandbox/iam"
)

// keyWithoutHeader is the refusal of a KMS key without its method.
const keyWithoutHeader = "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms"

// keyARN returns the ARN of a KMS key. Without a name it is the account's own key
// for S3.
func (q *request) keyARN(id string) string {
	switch {
	case id == "":
		id = "alias/aws/s3"
	case strings.HasPrefix(id, "arn:"):
		return id
	}
	if !strings.HasPrefix(id, "alias/") {
		id = "key/" + id
	}
	return "arn:aws:kms:" + q.srv.verifier.region + ":" + account + ":" + id
}

// defaultEncryption returns the encryption of a write that names no method: that
// of the bucket.
func (q *request) defaultEncryption(keyID string) (encryption, error) {
	if keyID != "" {
		return encryption{}, invalidArgument(keyWithoutHeader, sseHeader, "")
	}
	return q.bucketRule()
}

// checkKMS checks that the signer may decrypt with the object's KMS key. S3 calls
// KMS for the bytes and for a checksum, not for the other metadata.
//
// SPEC: S3 API reference, HeadObject, x-amz-checksum-mode; S3 user guide, "Using
// server-side encryption with AWS KMS keys", permissions.
func (q *request) checkKMS(e encryption) error {
	metadata := q.r.Method == http.MethodHead && !strings.EqualFold(q.r.Header.Get("x-amz-checksum-mode"), "ENABLED")
	if e.kms == "" || metadata {
		return nil
	}
	decrypt := iam.Request{Action: "kms:Decrypt", Resource: e.keyID, Context: map[string]string{
		"kms:viaservice": "s3." + q.srv.verifier.region + ".amazonaws.com",
	}}
	if q.permitted(decrypt) {
		return nil
	}
	return fail("AccessDenied", "User is not authorized to perform: kms:Decrypt on resource: "+e.keyID+" because no identity-based policy allows the kms:Decrypt action")
}

// encryptionRule is the document of a bucket's encryption.
//
// SPEC: S3 API reference, PutBucketEncryption.
type encryptionRule struct {
	XMLName xml.Name `xml:"ServerSideEncryptionConfiguration"`
	Rule    []struct {
		Default struct {
			Algorithm string `xml:"SSEAlgorithm"`
			Key       string `xml:"KMSMasterKeyID"`
		} `xml:"ApplyServerSideEncryptionByDefault"`
		BucketKey bool `xml:"BucketKeyEnabled"`
	}
}

func (q *request) putEncryption() error {
	doc, err := q.document(64 << 10)
	if err != nil {
		return err
	}
	var in encryptionRule
	if xml.Unmarshal(doc, &in) != nil || len(in.Rule) != 1 {
		return malformedXML()
	}
	var e encryption
	switch rule := in.Rule[0]; rule.Default.Algorithm {
	case sseS3:
		if rule.Default.Key != "" {
			return invalidArgument("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse", "KMSMasterKeyID", rule.Default.Key)
		}
	case "aws:kms", "aws:kms:dsse":
		e = encryption{kms: rule.Default.Algorithm, keyID: q.keyARN(rule.Default.Key), bucketKey: rule.BucketKey}
	default:
		return malformedXML()
	}
	return q.setRule(e, http.StatusOK)
}

// deleteEncryption restores SSE-S3.
func (q *request) deleteEncryption() error { return q.setRule(encryption{}, http.StatusNoContent) }

func (q *request) setRule(e encryption, status int) error {
	q.srv.mu.Lock()
	defer q.srv.mu.Unlock()
	b, err := q.bucket()
	if err != nil {
		return err
	}
	b.rule = e
	q.w.WriteHeader(status)
	return nil
}

func (q *request) getEncryption() error {
	rule, err := q.bucketRule()
	if err != nil {
		return err
	}
	var x xmlDoc
	x.start("ServerSideEncryptionConfiguration", namespace)
	x.open("Rule")
	x.open("ApplyServerSideEncryptionByDefault")
	if rule.kms == "" {
		x.el("SSEAlgorithm", sseS3)
	} else {
		x.el("SSEAlgorithm", rule.kms)
		x.el("KMSMasterKeyID", rule.keyID)
	}
	x.end("ApplyServerSideEncryptionByDefault")
	x.bool("BucketKeyEnabled", rule.bucketKey)
	x.end("Rule")
	x.end("ServerSideEncryptionConfiguration")
	return q.sendXML(&x)
}

// bucketRule returns the encryption of writes that name none.
func (q *request) bucketRule() (encryption, error) {
	q.srv.mu.RLock()
	defer q.srv.mu.RUnlock()
	b, err := q.bucket()
	if err != nil {
		return encryption{}, err
	}
	return b.rule, nil
}
