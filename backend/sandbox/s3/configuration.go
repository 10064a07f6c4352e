package s3

import "net/http"

// subresource is a part of a bucket or of an object that has its own requests.
// A method without an operation is refused with NotImplemented: no setting is
// accepted and then ignored.
type subresource struct {
	name string // of the query parameter
	log  string // name in the access log
	ops  map[string]operation
}

// find returns the subresource that a query names.
func find(all []subresource, q params) (subresource, bool) {
	for _, s := range all {
		if q.has(s.name) {
			return s, true
		}
	}
	return subresource{}, false
}

// operation returns the operation of a method and its name in the access log.
func (s subresource) operation(method string) (string, operation) {
	op := s.ops[method]
	if op == nil {
		op = refuseUnserved
	}
	return "REST." + methodWord(method) + "." + s.log, op
}

func get(op operation) map[string]operation { return map[string]operation{http.MethodGet: op} }

// absent returns the operations of a configuration that a bucket never had: a
// read returns an error, a removal succeeds.
func absent(code, message string) map[string]operation {
	return map[string]operation{
		http.MethodGet: func(q *request) error {
			if err := q.checkBucketExists(); err != nil {
				return err
			}
			return fail(code, message, field{"BucketName", q.target.bucket})
		},
		http.MethodDelete: func(q *request) error {
			if err := q.checkBucketExists(); err != nil {
				return err
			}
			q.w.WriteHeader(http.StatusNoContent)
			return nil
		},
	}
}

// fixed returns a read operation with a constant document.
func fixed(write func(x *xmlDoc)) map[string]operation {
	return get(func(q *request) error {
		if err := q.checkBucketExists(); err != nil {
			return err
		}
		var x xmlDoc
		write(&x)
		return q.sendXML(&x)
	})
}

func emptyDocument(root string) map[string]operation {
	return fixed(func(x *xmlDoc) {
		x.start(root, namespace)
		x.end(root)
	})
}

// listed returns the operations of a list of configurations, which is empty. A
// read of one by its id returns an error.
func listed(root string) map[string]operation {
	return get(func(q *request) error {
		if err := q.checkBucketExists(); err != nil {
			return err
		}
		if q.target.query.has("id") {
			return fail("NoSuchConfiguration", "The specified configuration does not exist.", field{"BucketName", q.target.bucket})
		}
		var x xmlDoc
		x.start(root, namespace)
		x.bool("IsTruncated", false)
		x.end(root)
		return q.sendXML(&x)
	})
}

// bucketSubresources returns the subresources of a bucket with S3's present
// defaults: private, encrypted by S3, objects owned by the bucket's owner, no
// versions.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
func bucketSubresources() []subresource {
	all := []subresource{
		{"accelerate", "ACCELERATE", emptyDocument("AccelerateConfiguration")},
		{"acl", "ACL", map[string]operation{http.MethodGet: (*request).getACL, http.MethodPut: (*request).putACL}},
		{"analytics", "ANALYTICS", listed("ListBucketAnalyticsConfigurationResult")},
		{"cors", "CORS", absent("NoSuchCORSConfiguration", "The CORS configuration does not exist")},
		{"encryption", "ENCRYPTION", map[string]operation{http.MethodGet: (*request).getEncryption,
			http.MethodPut: (*request).putEncryption, http.MethodDelete: (*request).deleteEncryption}},
		{"intelligent-tiering", "INTELLIGENT_TIERING", listed("ListBucketIntelligentTieringConfigurationsResult")},
		{"inventory", "INVENTORY", listed("ListInventoryConfigurationsResult")},
		{"lifecycle", "LIFECYCLE", absent("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")},
		{"location", "LOCATION", get((*request).bucketLocation)},
		{"logging", "LOGGING_STATUS", emptyDocument("BucketLoggingStatus")},
		{"metrics", "METRICS", listed("ListMetricsConfigurationsResult")},
		{"notification", "NOTIFICATION", emptyDocument("NotificationConfiguration")},
		{"object-lock", "OBJECT_LOCK", get((*request).getObjectLock)},
		{"ownershipControls", "OWNERSHIP_CONTROLS", fixed(writeOwnership)},
		{"policy", "BUCKETPOLICY", absent("NoSuchBucketPolicy", "The bucket policy does not exist")},
		{"policyStatus", "POLICY_STATUS", get(absent("NoSuchBucketPolicy", "The bucket policy does not exist")[http.MethodGet])},
		{"publicAccessBlock", "PUBLIC_ACCESS_BLOCK", fixed(writePublicAccessBlock)},
		{"replication", "REPLICATION", absent("ReplicationConfigurationNotFoundError", "The replication configuration was not found")},
		{"requestPayment", "REQUEST_PAYMENT", fixed(writePayment)},
		{"tagging", "TAGGING", map[string]operation{http.MethodGet: (*request).getBucketTagging,
			http.MethodPut: (*request).putBucketTagging, http.MethodDelete: (*request).deleteBucketTagging}},
		{"uploads", "UPLOADS", get((*request).listUploads)},
		{"versioning", "VERSIONING", map[string]operation{http.MethodGet: (*request).bucketVersioning, http.MethodPut: (*request).putVersioning}},
		{"versions", "BUCKETVERSIONS", get((*request).listVersions)},
		{"website", "WEBSITE", absent("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")},
	}
	return append(all, subresource{"delete", "MULTI_OBJECT_DELETE", map[string]operation{http.MethodPost: (*request).deleteObjects}})
}

// objectSubresources returns the subresources of an object. Uploads are in
// objectOperation.
func objectSubresources() []subresource {
	locked := map[string]operation{http.MethodGet: (*request).noObjectLock, http.MethodPut: (*request).noObjectLock}
	return []subresource{
		{"acl", "ACL", map[string]operation{http.MethodGet: (*request).getACL, http.MethodPut: (*request).putACL}},
		{"attributes", "OBJECT_ATTRIBUTES", get((*request).getAttributes)},
		{"legal-hold", "LEGAL_HOLD", locked},
		{"restore", "RESTORE", map[string]operation{http.MethodPost: (*request).restoreObject}},
		{"retention", "RETENTION", locked},
		{"select", "SELECT", nil},
		{"tagging", "OBJECT_TAGGING", map[string]operation{http.MethodGet: (*request).getObjectTagging,
			http.MethodPut: (*request).putObjectTagging, http.MethodDelete: (*request).deleteObjectTagging}},
		{"torrent", "OBJECT_TORRENT", nil},
	}
}

func (q *request) noObjectLock() error {
	if err := q.checkBucketExists(); err != nil {
		return err
	}
	return missingObjectLock()
}

// getACL returns the ACL of a bucket or an object: its owner has all rights.
func (q *request) getACL() error {
	if q.target.key != "" {
		o, err := q.open()
		if err != nil {
			return err
		}
		release(o.content)
	} else if err := q.checkBucketExists(); err != nil {
		return err
	}
	var x xmlDoc
	x.start("AccessControlPolicy", namespace)
	writeOwner(&x)
	x.open("AccessControlList")
	x.open("Grant")
	x.WriteString(`<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">`)
	x.el("ID", ownerID)
	x.el("DisplayName", ownerName)
	x.end("Grantee")
	x.el("Permission", "FULL_CONTROL")
	x.end("Grant")
	x.end("AccessControlList")
	x.end("AccessControlPolicy")
	return q.sendXML(&x)
}

func (q *request) putACL() error {
	if err := q.checkBucketExists(); err != nil {
		return err
	}
	return aclNotSupported()
}

func writeOwnership(x *xmlDoc) {
	x.start("OwnershipControls", namespace)
	x.open("Rule")
	x.el("ObjectOwnership", "BucketOwnerEnforced")
	x.end("Rule")
	x.end("OwnershipControls")
}

func writePublicAccessBlock(x *xmlDoc) {
	x.start("PublicAccessBlockConfiguration", namespace)
	for _, name := range []string{"BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"} {
		x.bool(name, true)
	}
	x.end("PublicAccessBlockConfiguration")
}

func writePayment(x *xmlDoc) {
	x.start("RequestPaymentConfiguration", namespace)
	x.el("Payer", "BucketOwner")
	x.end("RequestPaymentConfiguration")
}
