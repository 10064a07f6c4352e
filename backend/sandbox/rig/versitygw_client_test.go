package rig

import (
	"context"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// suites lists the groups of versitygw's client tests for the sandbox, with the
// expected number of tests. The number detects a version of versitygw that renamed
// its tests.
var suites = []struct {
	prefix string
	count  int
	// reported is true if a failure is only printed. The Authentication tests
	// compare whole error messages, which AWS does not document.
	reported bool
}{
	{prefix: "PresignedAuth_", count: 27},
	{prefix: "ListObjectsV2_", count: 19},
	{prefix: "GetObject_", count: 27},
	{prefix: "HeadObject_", count: 25},
	{prefix: "Authentication_", count: 25, reported: true},
}

// chosen lists tests of other groups. Most tests of those groups concern files, or
// features that the sandbox lacks (versions, locks). Each chosen test must pass.
var chosen = []string{
	"CopyObject_copy_to_itself",
	"CopyObject_create_checksum_on_copy",
	"CopyObject_default_content_type_with_replace_metadata",
	"CopyObject_invalid_website_redirect_location",
	"CopyObject_long_metadata",
	"CopyObject_non_existing_dir_object",
	"CopyObject_should_copy_tagging",
	"CopyObject_should_copy_the_existing_checksum",
	"CopyObject_should_not_copy_website_redirect_without_user_metadata",
	"CopyObject_should_replace_tagging",
	"CopyObject_should_replace_the_existing_checksum",
	"CopyObject_success",
	"CopyObject_to_itself_by_replacing_the_checksum",
	"CopyObject_to_itself_with_new_metadata",
	"CopyObject_with_metadata",
	"CopyObject_with_special_characters",
	"CreateMultipartUpload_invalid_website_redirect_location",
	"CreateMultipartUpload_long_metadata",
	"CreateMultipartUpload_success",
	"CreateMultipartUpload_with_metadata",
	"CreateMultipartUpload_with_tagging",
	"DeleteObjectTagging_non_existing_object",
	"DeleteObjectTagging_success",
	"DeleteObjectTagging_success_status",
	"GetBucketTagging_success",
	"GetObjectAttributes_existing_object",
	"GetObjectAttributes_invalid_attrs",
	"GetObjectAttributes_invalid_parent",
	"GetObjectAttributes_invalid_single_attribute",
	"GetObjectAttributes_non_existing_object",
	"GetObjectTagging_invalid_parent",
	"GetObjectTagging_non_existing_object",
	"GetObjectTagging_unset_tags",
	"ListObjectVersions_VD_success",
	"PutBucketTagging_duplicate_keys",
	"PutBucketTagging_invalid_tags",
	"PutBucketTagging_long_tags",
	"PutBucketTagging_success",
	"PutBucketTagging_success_status",
	"PutBucketTagging_tag_count_limit",
	"PutObjectTagging_duplicate_keys",
	"PutObjectTagging_invalid_tags",
	"PutObjectTagging_long_tags",
	"PutObjectTagging_non_existing_object",
	"PutObjectTagging_success",
	"PutObjectTagging_tag_count_limit",
	"PutObject_checksum_algorithm_and_header_mismatch",
	"PutObject_invalid_website_redirect_location",
	"PutObject_tagging",
	"PutObject_with_metadata",
	"UploadPartCopy_by_range_invalid_ranges",
	"UploadPartCopy_by_range_success",
	"UploadPartCopy_exceeding_copy_source_range",
	"UploadPartCopy_greater_range_than_obj_size",
	"UploadPartCopy_non_existing_source_object_key",
	"UploadPartCopy_should_not_copy_the_checksum",
	"UploadPartCopy_success",
}

// clientTestLimit is the timeout of one test. Most take a third of a second.
const clientTestLimit = 2 * time.Minute

// Each of versitygw's client tests runs alone, against its own empty store. Each
// failure must be recorded with a reason, and each recorded test must fail with
// the recorded message.
func TestVersitygwClient(t *testing.T) {
	program := tool(t, "USHER_RIG_VERSITYGW")
	names := clientTests(t, program)
	for name := range recorded {
		if !slices.Contains(names, name) {
			t.Errorf("a difference is recorded for %s, which does not exist", name)
		}
	}
	for _, suite := range suites {
		found := 0
		for _, name := range names {
			if !strings.HasPrefix(name, suite.prefix) {
				continue
			}
			found++
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				failure := runClientTest(t, program, name)
				// A known failure is a skip, not a pass, so it cannot prove a claim
				// of the README.
				if suite.reported {
					if failure != "" {
						t.Skipf("reported only: %s", failure)
					}
					return
				}
				if complaint := compare(name, failure, recorded); complaint != "" {
					t.Error(complaint)
				} else if failure != "" {
					t.Skipf("recorded: %s\n%s", recorded[name].reason, recorded[name].page)
				}
			})
		}
		if found != suite.count {
			t.Errorf("%d tests begin with %s, %d were expected", found, suite.prefix, suite.count)
		}
	}
	for _, name := range chosen {
		if !slices.Contains(names, name) {
			t.Errorf("%s does not exist", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if failure := runClientTest(t, program, name); failure != "" {
				t.Error(failure)
			}
		})
	}
}

// compare compares a test's failure ("" if it passed) with the recorded
// differences. It returns the mismatch, or "".
func compare(name, failure string, recorded map[string]difference) string {
	known, found := recorded[name]
	switch {
	case failure == "" && found:
		return "the test passes now: remove its recorded difference"
	case failure != "" && !found:
		return "the test fails and no difference is recorded for it: " + failure
	case failure != "" && !strings.Contains(failure, known.failure):
		return "the test fails, but not as recorded (" + known.failure + "): " + failure
	}
	return ""
}

// clientTests returns the names of all client tests.
func clientTests(t *testing.T, program string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, "test", "--help").Output()
	if err != nil {
		t.Fatalf("listing versitygw's tests: %v", err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 1 && strings.Contains(f[0], "_") {
			names = append(names, f[0])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var color = regexp.MustCompile("\x1b\\[[0-9;]*m")

// runClientTest returns the message of a failed test, "" if it passed. It ends the
// calling test if there is no result.
func runClientTest(t *testing.T, program, name string) string {
	t.Helper()
	keys := newOwner()
	endpoint := emptyS3(t, keys, nil)
	ctx, cancel := context.WithTimeout(t.Context(), clientTestLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "test", "--endpoint", endpoint, name)
	// The keys are environment variables: a process listing does not show them.
	cmd.Env = []string{"AWS_ACCESS_KEY_ID=" + keys.key, "AWS_SECRET_ACCESS_KEY=" + keys.secret, "HOME=" + t.TempDir()}
	cmd.Dir = t.TempDir()
	raw, err := cmd.CombinedOutput()
	out := color.ReplaceAllString(string(raw), "")
	for line := range strings.Lines(out) {
		if text, failed := strings.CutPrefix(line, "FAIL "); failed {
			return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), name+":"))
		}
	}
	if err != nil || !strings.Contains(out, "PASS "+name) {
		t.Fatalf("the test printed no result (%v):\n%s", err, out)
	}
	return ""
}

// Negative control: compare returns each mismatch.
func TestCompareReturnsMismatches(t *testing.T) {
	known := map[string]difference{"A": {failure: "expected red", reason: "it is blue"}}
	for _, c := range []struct {
		name, failure string
		complains     bool
	}{
		{"A", "expected red, instead got blue", false},
		{"A", "", true},
		{"A", "expected something else", true},
		{"B", "", false},
		{"B", "expected red", true},
	} {
		if got := compare(c.name, c.failure, known); (got != "") != c.complains {
			t.Errorf("%s with %q: %q", c.name, c.failure, got)
		}
	}
}

// Each recorded difference has a message, a reason and an AWS page.
func TestEachRecordHasItsPage(t *testing.T) {
	for name, d := range recorded {
		if d.failure == "" || d.reason == "" || !strings.HasPrefix(d.page, "https://docs.aws.amazon.com/") {
			t.Errorf("%s: the record lacks the failure, the reason or the AWS page", name)
		}
	}
}
