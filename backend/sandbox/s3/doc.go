// Package s3 is an S3 server in the same process, spoken to over real HTTP in
// path style. It is a faithful adversary and not a mock: what S3 refuses, it
// refuses with S3's error codes, and what S3 keeps exact, it keeps exact.
//
// It promises:
//   - every request is verified by AWS Signature Version 4, in headers or in
//     the query: region, service, date, lifetime, method, host, path, every
//     query parameter, every signed header, every x-amz-* header, the payload
//     and the session token; nothing is served anonymously;
//   - keys are exact bytes, 1 to 1,024 of them, held in an ordered index and
//     never joined to a path: "a//b", "a/../b", "/lead", "f" and "f/x" are five
//     objects;
//   - a listing has each key or common prefix exactly once, however it is cut
//     into pages;
//   - bytes of an upload are stored only after length, hash and checksums held;
//   - a large body is neither held in memory to be stored nor to be sent.
//
// There is one account, which owns every bucket. A credential may be marked
// ReadOnly. Buckets are as S3 makes them today: private, encrypted by S3, with
// no ACLs, no versions and no policy; reads of their configuration are answered
// as S3 answers them, and changes of it are refused. Storage classes, tags,
// SSE-KMS and SSE-C are kept with an object, and archived objects must be
// restored, which takes seconds here. Nothing that a write names is dropped
// without an error. ETags are opaque, as S3's are: an object from code
// (PutContent) has one that is no MD5.
//
// It leaves to others: listening, the allow-list of hosts and origins, and what
// the buckets hold (package seed).
//
//	keys := new(s3.Keyring)
//	keys.Put("AKIA...", s3.Credential{Secret: secret})
//	srv, err := s3.New(s3.Config{Region: "eu-central-1", Keys: keys, Now: time.Now, Dir: dir})
//	http.Serve(listener, srv)
package s3
