package rig

// difference is the intended failure of one of versitygw's client tests on the
// sandbox.
type difference struct {
	failure string // part of the test's failure message
	reason  string
	page    string // AWS page that contradicts the test or describes the omitted feature
}

const (
	apiPage  = "https://docs.aws.amazon.com/AmazonS3/latest/API/"
	userPage = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/"

	// wording is the reason of each failure that concerns the error message alone:
	// status and code are as the test expects.
	wording = "only the message differs. AWS: the code is for programs, the message is for people, and " +
		"programs are \"more likely to ignore\" it; its wording is not documented"
	wordingPage = apiPage + "ErrorResponses.html#RESTErrorResponses"

	fewerSums = "the sandbox computes CRC64NVME, CRC32, CRC32C, SHA1 and SHA256, the algorithms of the page's table for " +
		"multipart uploads. It refuses an upload with another algorithm (the test has SHA512, MD5 and XXHASH too) rather than store an unverified checksum"
	fewerSumsSay  = "InvalidRequest: x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-*"
	integrityPage = userPage + "checking-object-integrity-upload.html"

	partSum = "AWS: GetObject or HeadObject with a part number returns that part's checksum, " +
		"and S3 adds CRC64NVME if the client chose none. The test expects no checksum"

	noClass     = "the test expects x-amz-storage-class: STANDARD. AWS: S3 sends the header for all other classes only"
	noClassSays = "expected the storage class to be STANDARD, instead got"

	noPolicy = "the test makes a bucket public by a policy. The sandbox has no policies and refuses every request without a " +
		"signature. The tested refusal of response-* for anonymous callers therefore includes every parameter"
	overridePage = apiPage + "API_GetObject.html"
)

// recorded contains every failing test of the suites with reported false.
var recorded = map[string]difference{
	"PresignedAuth_creds_incorrect_region": {`instead got Error parsing the X-Amz-Credential parameter; the region 'us-west-1' is wrong`, wording, wordingPage},
	"PresignedAuth_expired_request":        {"instead got Request has expired", wording, wordingPage},
	"PresignedAuth_unsupported_algorithm": {`instead got X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"`,
		wording + "; and the sandbox does not name SigV4A, which it does not support", wordingPage},
	"GetObject_conditional_reads":                  {"instead got At least one of the pre-conditions you specified did not hold", wording, wordingPage},
	"GetObject_invalid_part_number":                {"instead got Part number must be an integer between 1 and 10000, inclusive", wording, wordingPage},
	"GetObject_mp_part_number_exceeds_parts_count": {"instead got The requested partnumber is not satisfiable", wording, wordingPage},

	"ListObjectsV2_list_all_objs": {"expected the Prefix to be nil",
		"AWS's sample responses without a prefix contain an empty Prefix element; the test expects none", apiPage + "API_ListObjectsV2.html#API_ListObjectsV2_Examples"},
	"ListObjectsV2_both_start_after_and_continuation_token": {"expected next-marker to be baz",
		"AWS: NextContinuationToken \"is obfuscated and is not a real key\"; the test expects the last key itself", apiPage + "API_ListObjectsV2.html"},
	"ListObjectsV2_with_checksum": {fewerSumsSay, fewerSums, integrityPage},

	"GetObject_checksums":                  {fewerSumsSay, fewerSums, integrityPage},
	"GetObject_dir_object_checksum":        {fewerSumsSay, fewerSums, integrityPage},
	"GetObject_ranged_with_checksum_mode":  {"partNumber GET on MP object: expected nil CRC64NVME checksum", partSum, integrityPage},
	"GetObject_success":                    {noClassSays, noClass, apiPage + "API_HeadObject.html"},
	"GetObject_overrides_fail_public":      {"PutBucketPolicy", noPolicy, overridePage},
	"HeadObject_checksums":                 {fewerSumsSay, fewerSums, integrityPage},
	"HeadObject_ranged_with_checksum_mode": {"partNumber HEAD on MP object: expected nil CRC64NVME checksum", partSum, integrityPage},
	"HeadObject_success":                   {noClassSays, noClass, apiPage + "API_HeadObject.html"},
	"HeadObject_overrides_fail_public":     {"PutBucketPolicy", noPolicy, overridePage},

	"GetObject_directory_success": {"expected content type application/x-directory",
		"AWS: an object whose key ends in a slash \"behaves like any other object\" outside the console; versitygw makes it a directory with its own content type",
		userPage + "using-folders.html"},
	"HeadObject_name_too_long": {"expected BadRequest, instead got NotFound",
		"AWS: a key has up to 1,024 bytes. The test's 300 are too many for a file name, and versitygw stores objects as files",
		userPage + "object-keys.html"},
}
