package s3

import (
	"net/http"
	"strings"

	"usher/backend/sandbox/iam"
)

// action returns the action and the resource of a request. An operation that no
// policy of a reader allows has an action of its own.
//
// SPEC: S3 user guide, "Required permissions for Amazon S3 API operations".
func (q *request) action() iam.Request {
	reading := q.r.Method == http.MethodGet || q.r.Method == http.MethodHead
	object := "arn:aws:s3:::" + q.target.bucket + "/" + q.target.key
	switch {
	case reading && q.target.bucket == "":
		return iam.Request{Action: "s3:ListAllMyBuckets", Resource: "arn:aws:s3:::*"}
	case q.operation == "REST.GET.BUCKET" || q.operation == "REST.HEAD.BUCKET":
		return q.listing()
	case q.operation == "REST.GET.BUCKETVERSIONS":
		in := q.listing()
		in.Action = "s3:ListBucketVersions"
		return in
	case q.operation == "REST.GET.OBJECT" || q.operation == "REST.HEAD.OBJECT":
		name := "s3:GetObject"
		if q.target.query.get("versionId") != "" {
			name = "s3:GetObjectVersion"
		}
		return iam.Request{Action: name, Resource: object}
	case q.operation == "REST.PUT.OBJECT":
		return iam.Request{Action: "s3:PutObject", Resource: object}
	case q.target.key == "":
		object = "arn:aws:s3:::" + q.target.bucket
	}
	return iam.Request{Action: "s3:" + q.operation, Resource: object}
}

// listing returns the listing of the bucket with the parameters of the request.
func (q *request) listing() iam.Request {
	in := iam.Request{Action: "s3:ListBucket", Resource: "arn:aws:s3:::" + q.target.bucket, Context: map[string]string{}}
	for _, name := range []string{"prefix", "delimiter", "max-keys"} {
		if q.target.query.has(name) {
			in.Context["s3:"+name] = q.target.query.get(name)
		}
	}
	return in
}

// permitted reports whether all policies of the signer allow a request, and for a
// bucket of another account its policy too.
func (q *request) permitted(in iam.Request) bool {
	for _, p := range q.id4.policies {
		if !p.Allows(in) {
			return false
		}
	}
	if _, shared := q.owner(); shared != nil && len(q.id4.policies) > 0 && strings.HasPrefix(in.Action, "s3:") {
		return shared.Allows(in)
	}
	return true
}
