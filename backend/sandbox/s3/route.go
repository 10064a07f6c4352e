package s3

import "net/http"

type operation func(*request) error

// route returns the operation of method, target and subresource. Unknown
// parameters are ignored, as in S3 (x-id, x-anything). An S3 subresource that
// this server does not implement is refused.
func (q *request) route() (operation, error) {
	t, m := q.target, q.r.Method
	var name string
	var op operation
	switch {
	case t.bucket == "" && m == http.MethodGet:
		name, op = "REST.GET.SERVICE", (*request).listBuckets
	case t.bucket == "":
	case t.key == "":
		name, op = q.bucketOperation()
	default:
		name, op = q.objectOperation()
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

// methodWord returns a method for the log. It replaces unknown methods, which
// could contain line breaks.
func methodWord(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "OTHER"
}

func refuseUnserved(*request) error { return notImplemented() }

func (q *request) bucketOperation() (string, operation) {
	if s, ok := find(q.srv.ofBuckets, q.target.query); ok {
		return s.operation(q.r.Method)
	}
	switch q.r.Method {
	case http.MethodGet:
		return "REST.GET.BUCKET", (*request).listObjects
	case http.MethodHead:
		return "REST.HEAD.BUCKET", (*request).headBucket
	case http.MethodPut:
		return "REST.PUT.BUCKET", (*request).createBucket
	case http.MethodDelete:
		return "REST.DELETE.BUCKET", (*request).deleteBucket
	}
	return "", nil
}

func (q *request) objectOperation() (string, operation) {
	p, copies := q.target.query, q.r.Header.Get("x-amz-copy-source") != ""
	if s, ok := find(q.srv.ofObjects, p); ok {
		return s.operation(q.r.Method)
	}
	switch q.r.Method {
	case http.MethodGet:
		if p.has("uploadId") {
			return "REST.GET.UPLOAD", (*request).listParts
		}
		return "REST.GET.OBJECT", (*request).getObject
	case http.MethodHead:
		return "REST.HEAD.OBJECT", (*request).getObject
	case http.MethodPut:
		switch {
		case p.has("uploadId") && copies:
			return "REST.COPY.PART", (*request).copyPart
		case p.has("uploadId"):
			return "REST.PUT.PART", (*request).uploadPart
		case copies:
			return "REST.COPY.OBJECT", (*request).copyObject
		}
		return "REST.PUT.OBJECT", (*request).putObject
	case http.MethodDelete:
		if p.has("uploadId") {
			return "REST.DELETE.UPLOAD", (*request).abortUpload
		}
		return "REST.DELETE.OBJECT", (*request).deleteObject
	case http.MethodPost:
		switch {
		case p.has("uploads"):
			return "REST.POST.UPLOADS", (*request).createUpload
		case p.has("uploadId"):
			return "REST.POST.UPLOAD", (*request).completeUpload
		}
	}
	return "", nil
}
