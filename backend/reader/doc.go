// Package reader gets the credentials of one person's reads of S3. Each session
// is an AssumeRole of the reader role under a session policy of that person's own
// grants, denials included. S3 itself then refuses an object outside of them: a
// fault in usher's own check cannot sign a URL for it.
//
// A policy that is too large for STS is split: first by grants, then by the
// objects of the request. An object without a session has no credentials.
//
//	reading := sessions.Reading(sub, set, groups, now)
//	left, err := reading.Prepare(ctx, objects) // the objects without a session
//	signed, err := presigner.Sign(reading.Object(ctx, bucket, key), receipt)
//
// The package leaves decisions to grant, and the calls of S3 to object. A policy
// is no replacement for a decision: for names beyond U+00FF it is wider than the
// grants (see docs/serve.md).
package reader
