package s3

import (
	"crypto/md5" //nolint:gosec // the fingerprint of a customer's key, as in S3
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

// account owns every bucket that was not given away.
const account = "000000000000"

// storageClasses returns the storage classes of general purpose buckets.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html, x-amz-storage-class
func storageClasses() []string {
	return []string{storageDefault, "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING",
		classGlacier, classDeepArchive, "GLACIER_IR"}
}

// encryption is an object's server-side encryption. The zero value is SSE-S3,
// S3's default. This server does not encrypt bytes; it only enforces keys and
// returns S3's headers.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html
type encryption struct {
	kms       string // "", "aws:kms" or "aws:kms:dsse"
	keyID     string // of kms
	bucketKey bool   // of kms
	customer  customerKey
}

// customerKey is the key of SSE-C; the zero value is none.
type customerKey struct {
	fingerprint string // MD5 in base64, as clients send it
	sum         [sha256.Size]byte
}

const (
	sseHeader         = "x-amz-server-side-encryption"
	customerPrefix    = "x-amz-server-side-encryption-customer-"
	copySourcePrefix  = "x-amz-copy-source-server-side-encryption-customer-"
	sseS3             = "AES256"
	objectWasSSEC     = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."
	objectWasNotSSEC  = "The encryption parameters are not applicable to this object."
	customerKeyWrong  = "The calculated MD5 hash of the key did not match the hash that was provided."
	customerKeyAbsent = "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key."
)

// writeProperties reads storage class and encryption of a write. It refuses ACLs
// and object locks, which new buckets do not support.
func (q *request) writeProperties() (class string, e encryption, err error) {
	h := q.r.Header
	if err = refuseACL(h); err != nil {
		return "", e, err
	}
	for _, name := range []string{"x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", legalHold} {
		if h.Get(name) != "" && !(name == legalHold && q.locked() != nil) {
			return "", e, missingObjectLock()
		}
	}
	if h.Get("x-amz-write-offset-bytes") != "" { // SPEC: API_PutObject.html: directory buckets only
		return "", e, notImplemented()
	}
	class = h.Get("x-amz-storage-class")
	if class != "" && !slices.Contains(storageClasses(), class) {
		return "", e, fail("InvalidStorageClass", "The storage class you specified is not valid", field{"StorageClassRequested", class})
	}
	if class == storageDefault {
		class = ""
	}
	e, err = q.writeEncryption()
	return class, e, err
}

// refuseACL refuses every ACL except the owner's. Buckets created since April
// 2023 have no ACLs.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
func refuseACL(h http.Header) error {
	acl := h.Get("x-amz-acl")
	grants := false
	for name := range h {
		grants = grants || strings.HasPrefix(strings.ToLower(name), "x-amz-grant-")
	}
	if grants || acl != "" && acl != "bucket-owner-full-control" {
		return aclNotSupported()
	}
	return nil
}

func aclNotSupported() error {
	return fail("AccessControlListNotSupported", "The bucket does not allow ACLs")
}

func missingObjectLock() error {
	return fail("InvalidRequest", "Bucket is missing Object Lock Configuration")
}

func (q *request) writeEncryption() (encryption, error) {
	h := q.r.Header
	var e encryption
	var err error
	if e.customer, err = readCustomerKey(h, customerPrefix); err != nil {
		return e, err
	}
	method, keyID := h.Get(sseHeader), h.Get(sseHeader+"-aws-kms-key-id")
	if method == "" && e.customer.fingerprint == "" {
		return q.defaultEncryption(keyID)
	}
	switch method {
	case "", sseS3:
		if keyID != "" {
			return e, invalidArgument(keyWithoutHeader, sseHeader, method)
		}
	case "aws:kms", "aws:kms:dsse":
		e.kms, e.keyID = method, q.keyARN(keyID)
		e.bucketKey = strings.EqualFold(h.Get(sseHeader+"-bucket-key-enabled"), "true")
	default:
		return e, invalidArgument("The encryption method specified is not supported", sseHeader, method)
	}
	if method != "" && e.customer.fingerprint != "" {
		return e, invalidArgument("Server Side Encryption with Customer provided key is incompatible with the encryption method specified", sseHeader, method)
	}
	return e, nil
}

// readCustomerKey reads the three headers of SSE-C.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html
func readCustomerKey(h http.Header, prefix string) (customerKey, error) {
	algorithm, key, sum := h.Get(prefix+"algorithm"), h.Get(prefix+"key"), h.Get(prefix+"key-md5")
	if algorithm+key+sum == "" {
		return customerKey{}, nil
	}
	if algorithm != sseS3 {
		return customerKey{}, fail("InvalidEncryptionAlgorithmError", "The encryption request that you specified is not valid. The valid value is AES256.")
	}
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(raw) != 32 {
		return customerKey{}, invalidArgument(customerKeyAbsent, prefix+"key", "null")
	}
	have := md5.Sum(raw) //nolint:gosec // see above
	if base64.StdEncoding.EncodeToString(have[:]) != sum {
		return customerKey{}, invalidArgument(customerKeyWrong, prefix+"key-MD5", "null")
	}
	return customerKey{sum, sha256.Sum256(raw)}, nil
}

// checkCustomerKey checks the customer key in the headers with this prefix.
func (e encryption) checkCustomerKey(h http.Header, prefix string) error {
	k, err := readCustomerKey(h, prefix)
	switch {
	case err != nil:
		return err
	case e.customer.fingerprint == "" && k.fingerprint != "":
		return fail("InvalidRequest", objectWasNotSSEC)
	case e.customer.fingerprint != "" && k.fingerprint == "":
		return fail("InvalidRequest", objectWasSSEC)
	case subtle.ConstantTimeCompare(e.customer.sum[:], k.sum[:]) != 1:
		return fail("AccessDenied", "Access Denied")
	}
	return nil
}

// setHeaders sets the response headers of a write or a read.
func (e encryption) setHeaders(h http.Header) {
	switch {
	case e.customer.fingerprint != "":
		h.Set(customerPrefix+"algorithm", sseS3)
		h.Set(customerPrefix+"key-MD5", e.customer.fingerprint)
	case e.kms != "":
		h.Set(sseHeader, e.kms)
		h.Set(sseHeader+"-aws-kms-key-id", e.keyID)
		if e.bucketKey {
			h.Set(sseHeader+"-bucket-key-enabled", "true")
		}
	default:
		h.Set(sseHeader, sseS3)
	}
}

// setWriteHeaders sets the response headers of a write, which include the context
// of the KMS key.
func (q *request) setWriteHeaders(e encryption) {
	e.setHeaders(q.w.Header())
	if v := q.r.Header.Get(sseHeader + "-context"); v != "" && e.kms != "" {
		q.w.Header().Set(sseHeader+"-context", v)
	}
}

// etag returns the ETag of bytes with this MD5. Only with SSE-S3 is the ETag the
// MD5.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html, ETag
func (e encryption) etag(sum []byte) string {
	if e.kms != "" || e.customer.fingerprint != "" {
		h := sha256.Sum256(append([]byte(e.kms+e.keyID+e.customer.fingerprint+"\x00"), sum...))
		return hex.EncodeToString(h[:md5.Size])
	}
	return hex.EncodeToString(sum)
}

// class returns the object's storage class.
func (o *object) class() string { return o.details.classOrDefault() }

func (d *details) classOrDefault() string {
	if d == nil || d.class == "" {
		return storageDefault
	}
	return d.class
}

func (o *object) encryption() encryption {
	if o.details == nil {
		return encryption{}
	}
	return o.details.encryption
}

// expectedOwner refuses a request that expects another owner of the bucket.
func (q *request) expectedOwner() error {
	owner, _ := q.owner()
	for _, name := range []string{"x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"} {
		if v := q.r.Header.Get(name); v != "" && v != owner {
			return fail("AccessDenied", "Access Denied")
		}
	}
	return nil
}
