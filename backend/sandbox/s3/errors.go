package s3

import (
	"errors"
	"net/http"
	"strconv"
)

// apiError is a refusal in S3's words. The response contains code and message as
// XML, followed by extra elements.
type apiError struct {
	code    string
	message string
	extra   []field
}

type field struct{ name, value string }

func (e *apiError) Error() string { return e.code + ": " + e.message }

func fail(code, message string, extra ...field) *apiError {
	return &apiError{code: code, message: message, extra: extra}
}

// status returns the HTTP status of an error code.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func status(code string) int {
	switch code {
	case "PermanentRedirect":
		return http.StatusMovedPermanently
	case "NotModified":
		return http.StatusNotModified
	case "AccessDenied", "InvalidObjectState", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "AccessForbidden",
		"InvalidChunkSizeError":
		return http.StatusForbidden
	case "NoSuchKey", "NoSuchBucket", "NoSuchUpload", "NoSuchVersion", "NoSuchTagSet", "NoSuchBucketPolicy",
		"NoSuchLifecycleConfiguration", "NoSuchCORSConfiguration", "NoSuchWebsiteConfiguration", "NoSuchConfiguration",
		"ReplicationConfigurationNotFoundError", "ObjectLockConfigurationNotFoundError":
		return http.StatusNotFound
	case "MethodNotAllowed":
		return http.StatusMethodNotAllowed
	case "BucketNotEmpty", "BucketAlreadyOwnedByYou", "OperationAborted", "RestoreAlreadyInProgress", "InvalidBucketState":
		return http.StatusConflict
	case "MissingContentLength":
		return http.StatusLengthRequired
	case "PreconditionFailed":
		return http.StatusPreconditionFailed
	case "InvalidRange", "InvalidPartNumber":
		return http.StatusRequestedRangeNotSatisfiable
	case "InternalError":
		return http.StatusInternalServerError
	case "NotImplemented":
		return http.StatusNotImplemented
	}
	return http.StatusBadRequest
}

func noSuchKey(key string) error {
	return fail("NoSuchKey", "The specified key does not exist.", field{"Key", key})
}

func noSuchBucket(name string) error {
	return fail("NoSuchBucket", "The specified bucket does not exist", field{"BucketName", name})
}

func invalidArgument(message, name, value string) error {
	return fail("InvalidArgument", message, field{"ArgumentName", name}, field{"ArgumentValue", value})
}

func notImplemented() error {
	return fail("NotImplemented", "A header you provided implies functionality that is not implemented.")
}

func malformedXML() error {
	return fail("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema.")
}

func preconditionFailed(condition string) *apiError {
	return fail("PreconditionFailed", "At least one of the pre-conditions you specified did not hold",
		field{"Condition", condition})
}

// refuse writes err in S3's form. An error of another type than apiError is
// internal: the response does not contain its text.
func (q *request) refuse(err error) {
	var e *apiError
	if !errors.As(err, &e) {
		e = fail("InternalError", "We encountered an internal error. Please try again.")
	}
	q.errorCode = e.code
	h := q.w.Header()
	st := status(e.code)
	if st == http.StatusNotModified {
		q.w.WriteHeader(st)
		return
	}
	// The rest of an unread body must not be parsed as the next request.
	if q.r.ContentLength != 0 && !q.bodyRead {
		h.Set("Connection", "close")
	}
	h.Set("Content-Type", "application/xml")
	if q.r.Method == http.MethodHead {
		q.w.WriteHeader(st)
		return
	}
	var x xmlDoc
	x.start("Error", "")
	x.el("Code", e.code)
	x.el("Message", e.message)
	for _, f := range e.extra {
		x.el(f.name, f.value)
	}
	x.el("Resource", q.target.path)
	x.el("RequestId", q.id)
	x.el("HostId", hostID(q.id))
	x.end("Error")
	h.Set("Content-Length", strconv.Itoa(x.Len()))
	q.w.WriteHeader(st)
	_, _ = q.w.Write(x.Bytes())
}
