package s3

import "net/http"

type operation func(*request) error

// route picks the operation by method, target and subresource. Parameters it
// does not know are ignored, as S3 does (x-id, x-anything), but subresources
// of S3 that are not served here are refused rather than misunderstood.
func (q *request) route() (operation, error) {
	t, m := q.target, q.r.Method
	var name string
	var op operation
	switch {
	case t.bucket == "" && m == http.MethodGet:
		name, op = "REST.GET.SERVICE", (*request).listBuckets
	case t.bucket == "":
	case t.key == "":
		name, op = bucketOperation(m, t.query)
	default:
		name, op = objectOperation(m, t.query, q.r.Header.Get("x-amz-copy-source") != "")
	}
	if name == "" {
		q.operation = "REST." + methodWord(m) + ".UNKNOWN"
	} else {
		q.operation = name
	}
	if op == nil {
		return nil, fail("MethodNotAllowed", "The specified method is not allowed against this resource.",
			field{"Method", methodWord(m)}, field{"ResourceType", "OBJECT"})
	}
	if t.key != "" {
		if err := checkKey(t.key); err != nil {
			return nil, err
		}
	}
	return op, nil
}

// methodWord is a method for the log; anything else could be a line of its own.
func methodWord(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "OTHER"
}

// unserved are subresources of S3 that would change what a request means.
func unserved(q params) bool {
	for _, name := range []string{"accelerate", "acl", "analytics", "cors", "encryption", "intelligent-tiering",
		"inventory", "legal-hold", "lifecycle", "logging", "metrics", "notification", "object-lock",
		"ownershipControls", "policy", "policyStatus", "publicAccessBlock", "replication", "requestPayment",
		"restore", "retention", "select", "tagging", "torrent", "versions", "website"} {
		if q.has(name) {
			return true
		}
	}
	return false
}

func refuseUnserved(*request) error { return notImplemented() }

func bucketOperation(m string, q params) (string, operation) {
	if unserved(q) {
		return "REST." + methodWord(m) + ".SUBRESOURCE", refuseUnserved
	}
	switch m {
	case http.MethodGet:
		switch {
		case q.has("location"):
			return "REST.GET.LOCATION", (*request).bucketLocation
		case q.has("versioning"):
			return "REST.GET.VERSIONING", (*request).bucketVersioning
		case q.has("uploads"):
			return "REST.GET.UPLOADS", (*request).listUploads
		}
		return "REST.GET.BUCKET", (*request).listObjects
	case http.MethodHead:
		return "REST.HEAD.BUCKET", (*request).headBucket
	case http.MethodPut:
		if q.has("versioning") {
			return "REST.PUT.VERSIONING", refuseUnserved
		}
		return "REST.PUT.BUCKET", (*request).createBucket
	case http.MethodDelete:
		return "REST.DELETE.BUCKET", (*request).deleteBucket
	case http.MethodPost:
		if q.has("delete") {
			return "REST.POST.MULTI_OBJECT_DELETE", (*request).deleteObjects
		}
	}
	return "", nil
}

func objectOperation(m string, q params, copies bool) (string, operation) {
	if unserved(q) {
		return "REST." + methodWord(m) + ".SUBRESOURCE", refuseUnserved
	}
	switch m {
	case http.MethodGet:
		switch {
		case q.has("uploadId"):
			return "REST.GET.UPLOAD", (*request).listParts
		case q.has("attributes"):
			return "REST.GET.OBJECT_ATTRIBUTES", (*request).getAttributes
		}
		return "REST.GET.OBJECT", (*request).getObject
	case http.MethodHead:
		return "REST.HEAD.OBJECT", (*request).getObject
	case http.MethodPut:
		switch {
		case q.has("uploadId") && copies:
			return "REST.COPY.PART", refuseUnserved
		case q.has("uploadId"):
			return "REST.PUT.PART", (*request).uploadPart
		case copies:
			return "REST.COPY.OBJECT", (*request).copyObject
		}
		return "REST.PUT.OBJECT", (*request).putObject
	case http.MethodDelete:
		if q.has("uploadId") {
			return "REST.DELETE.UPLOAD", (*request).abortUpload
		}
		return "REST.DELETE.OBJECT", (*request).deleteObject
	case http.MethodPost:
		switch {
		case q.has("uploads"):
			return "REST.POST.UPLOADS", (*request).createUpload
		case q.has("uploadId"):
			return "REST.POST.UPLOAD", (*request).completeUpload
		}
	}
	return "", nil
}
