package reconcile

import (
	"slices"
	"strings"
)

// class is the meaning of an operation for a comparison. An operation that is in no
// list is unknown, and is reported: it could send the bytes of an object.
type class int

const (
	unknown   class = iota
	download        // GET of an object, which a release can explain
	content         // another request for the bytes of an object, such as a copy: no release explains it
	noContent       // listings, settings, metadata and writes
)

// String returns the name of a class in reports.
func (c class) String() string {
	return [...]string{"unknown", "download", "content", "no content"}[c]
}

// The subresources of REST.GET that are not an object's bytes.
// SPEC: S3 user guide, "Amazon S3 server access log format": the operation is
// REST.HTTP_method.resource_type. No page lists all resource types; these are the
// subresources of the API reference in the spelling of published logs.
var getNoContent = strings.Fields(`
	ACCELERATE ACL ANALYTICS BUCKET BUCKETPOLICY BUCKETVERSIONS CORS ENCRYPTION INTELLIGENT_TIERING INVENTORY LEGAL_HOLD LIFECYCLE
	LOCATION LOGGING_STATUS METADATA_TABLE METRICS NOTIFICATION OBJECT_ACL OBJECT_ATTRIBUTES OBJECT_LEGAL_HOLD OBJECT_LOCK
	OBJECT_LOCK_CONFIGURATION OBJECT_LOCK_LEGALHOLD OBJECT_LOCK_RETENTION OBJECT_RETENTION OBJECT_TAGGING OWNERSHIP_CONTROLS
	POLICY_STATUS PUBLIC_ACCESS_BLOCK REPLICATION REQUEST_PAYMENT RETENTION SERVICE TAGGING UPLOAD UPLOADS VERSIONING WEBSITE`)

// The resources of REST.POST that send no bytes of an object.
var postNoContent = strings.Fields("BUCKET MULTI_OBJECT_DELETE OBJECT OBJECT_RESTORE RESTORE UPLOAD UPLOADS")

// accessClass returns the class of an operation of an access log.
func accessClass(operation string) class {
	prefix, rest, _ := strings.Cut(strings.ToUpper(operation), ".")
	method, resource, _ := strings.Cut(rest, ".")
	switch {
	case prefix == "REST" && method == "GET" && resource == "OBJECT":
		return download
	case strings.HasSuffix(resource, "_GET"), prefix == "COPY" && strings.HasSuffix(method, "_GET"): // the source of a copy
		return content
	case method == "GET" && (resource == "OBJECT" || strings.HasSuffix(resource, "TORRENT")), strings.Contains(operation, "SELECT"):
		return content
	case prefix == "S3": // work of S3 itself, such as the expiry of an object
		return noContent
	case prefix != "REST" && prefix != "WEBSITE" && prefix != "BATCH":
		return unknown
	case slices.Contains([]string{"PUT", "DELETE", "HEAD", "OPTIONS", "COPY", "BATCH"}, method):
		return noContent
	case method == "GET" && slices.Contains(getNoContent, resource), method == "POST" && slices.Contains(postNoContent, resource):
		return noContent
	}
	return unknown
}

// The names of the events of S3 in CloudTrail that are not an object's bytes: their
// beginnings, and the names that begin with Get.
// SPEC: S3 user guide, "Amazon S3 CloudTrail events".
var (
	trailWrites = strings.Fields(`
		Abort Associate Complete Create Delete Describe Dissociate Head List Put Rename Restore Submit Tag Untag Update UploadPart Write`)
	trailGets = strings.Fields(`
		GetAccess GetAccountPublicAccessBlock GetBucket GetDataAccess GetJobTagging GetMultiRegionAccessPoint GetObjectAcl
		GetObjectAttributes GetObjectLegalHold GetObjectLockConfiguration GetObjectRetention GetObjectTagging GetPublicAccessBlock
		GetStorageLens`)
)

// trailClass returns the class of an event of S3 in CloudTrail.
func trailClass(name string) class {
	begins := func(list []string) bool {
		return slices.ContainsFunc(list, func(start string) bool { return strings.HasPrefix(name, start) })
	}
	switch {
	case name == "GetObject":
		return download
	case slices.Contains([]string{"GetObjectTorrent", "SelectObjectContent", "CopyObject", "UploadPartCopy"}, name):
		return content
	case begins(trailWrites), begins(trailGets):
		return noContent
	}
	return unknown
}
