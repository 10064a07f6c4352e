// Package s3 is an in-process S3 server over real HTTP, with path-style URLs. It
// is not a mock: it refuses the requests that S3 refuses, with S3's error codes.
//
// It promises:
//   - every request is verified by AWS Signature Version 4, in headers or in
//     the query: region, service, date, lifetime, method, host, path, every
//     query parameter, every signed header, every x-amz-* header, the payload
//     and the session token; anonymous requests are refused;
//   - keys are exact bytes, 1 to 1,024 of them, stored in an ordered index and
//     never joined to a path: "a//b", "a/../b", "/lead", "f" and "f/x" are five
//     objects;
//   - the pages of a listing contain each key or common prefix exactly once,
//     for every page size;
//   - an upload is committed only after its length, hash and checksums are
//     verified;
//   - a large body is never kept in memory as a whole.
//
// One account owns every bucket, except those of GiveBucket. A credential may be marked
// ReadOnly. Buckets have S3's present defaults: private, encrypted by S3, with
// no ACLs, no versions and no policy. Their configuration can be read as in S3,
// and changes of it are refused, except tags, encryption and versioning. A bucket
// with versions keeps all of them, and delete markers. Storage classes, tags, SSE-KMS and SSE-C are
// stored with an object. Archived objects must be restored, which takes seconds
// here. A property in a write is stored or refused, never ignored. ETags are
// opaque, as in S3: the ETag of an object from code (PutContent) is not an MD5.
//
// Listening, the allow-list of hosts and origins, and the data of the buckets
// (package seed) are outside of this package.
package s3
