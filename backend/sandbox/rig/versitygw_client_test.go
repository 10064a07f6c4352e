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

// suites are the groups of versitygw's client tests that are set on the
// sandbox, with how many tests each must have: a version that renames them
// would else test nothing, unnoticed.
var suites = []struct {
	prefix string
	count  int
	// reported is true where a failure is only shown. The Authentication tests
	// compare whole error texts, which AWS does not document.
	reported bool
}{
	{prefix: "PresignedAuth_", count: 27},
	{prefix: "ListObjectsV2_", count: 19},
	{prefix: "GetObject_", count: 27},
	{prefix: "HeadObject_", count: 25},
	{prefix: "Authentication_", count: 25, reported: true},
}

// chosen are tests of other groups, most of which are about what the sandbox
// leaves out (versions, locks) or about files. Each must pass.
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

// clientTestLimit is for one test; most take a third of a second.
const clientTestLimit = 2 * time.Minute

// Each of versitygw's client tests runs alone, against a store of its own that
// is empty. What fails must be recorded, with the reason; what is recorded must
// fail, for that reason.
func TestVersitygwClient(t *testing.T) {
	program := tool(t, "USHER_RIG_VERSITYGW")
	names := clientTests(t, program)
	for name := range recorded {
		if !slices.Contains(names, name) {
			t.Errorf("a difference is recorded for %s, which is no test", name)
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
				// A failure that is known ends as a skip, not as a pass, so that
				// no claim in the README can rest on it.
				if suite.reported {
					if failure != "" {
						t.Skipf("reported only: %s", failure)
					}
					return
				}
				if complaint := hold(name, failure, recorded); complaint != "" {
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
			t.Errorf("%s is no test", name)
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

// hold compares a test's failure ("" if it passed) with what is recorded, and
// complains about any difference.
func hold(name, failure string, recorded map[string]difference) string {
	known, is := recorded[name]
	switch {
	case failure == "" && is:
		return "it passes now, but a difference is recorded for it: remove the record"
	case failure != "" && !is:
		return "it fails and nothing is recorded about it: " + failure
	case failure != "" && !strings.Contains(failure, known.says):
		return "it fails, but not as recorded (" + known.says + "): " + failure
	}
	return ""
}

// clientTests are the names of all client tests.
func clientTests(t *testing.T, program string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, "test", "--help").Output()
	if err != nil {
		t.Fatalf("asking versitygw for its tests: %v", err)
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

var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

// runClientTest gives the failure in the test's own words, "" if it passed. A
// test that neither passes nor fails ends the rig's.
func runClientTest(t *testing.T, program, name string) string {
	t.Helper()
	who := newOwner()
	endpoint := emptyS3(t, who, nil)
	ctx, cancel := context.WithTimeout(t.Context(), clientTestLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "test", "--endpoint", endpoint, name)
	// The keys go in as environment, where no process listing shows them.
	cmd.Env = []string{"AWS_ACCESS_KEY_ID=" + who.key, "AWS_SECRET_ACCESS_KEY=" + who.secret, "HOME=" + t.TempDir()}
	cmd.Dir = t.TempDir()
	raw, err := cmd.CombinedOutput()
	out := colour.ReplaceAllString(string(raw), "")
	for line := range strings.Lines(out) {
		if text, failed := strings.CutPrefix(line, "FAIL "); failed {
			return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), name+":"))
		}
	}
	if err != nil || !strings.Contains(out, "PASS "+name) {
		t.Fatalf("it did not say how it ended (%v):\n%s", err, out)
	}
	return ""
}

// The comparison itself must be able to fail.
func TestHoldComplains(t *testing.T) {
	known := map[string]difference{"A": {says: "expected red", reason: "it is blue"}}
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
		if got := hold(c.name, c.failure, known); (got != "") != c.complains {
			t.Errorf("%s with %q: %q", c.name, c.failure, got)
		}
	}
}

// Whoever reads the record learns why, and where AWS says so.
func TestEachRecordHasItsPage(t *testing.T) {
	for name, d := range recorded {
		if d.says == "" || d.reason == "" || !strings.HasPrefix(d.page, "https://docs.aws.amazon.com/") {
			t.Errorf("%s: the record lacks the failure, the reason or the AWS page", name)
		}
	}
}
