package s3

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Every read of a bucket's configuration returns S3's defaults for a new bucket.
func TestDefaultConfigurationOfABucket(t *testing.T) {
	r := newRig(t)
	box, ctx, c := aws.String("box"), t.Context(), r.client
	for _, q := range []struct {
		name string
		ask  func() error
		code string
	}{
		{"policy", func() error { _, err := c.GetBucketPolicy(ctx, &awss3.GetBucketPolicyInput{Bucket: box}); return err }, "NoSuchBucketPolicy"},
		{"policy status", func() error {
			_, err := c.GetBucketPolicyStatus(ctx, &awss3.GetBucketPolicyStatusInput{Bucket: box})
			return err
		}, "NoSuchBucketPolicy"},
		{"cors", func() error { _, err := c.GetBucketCors(ctx, &awss3.GetBucketCorsInput{Bucket: box}); return err }, "NoSuchCORSConfiguration"},
		{"lifecycle", func() error {
			_, err := c.GetBucketLifecycleConfiguration(ctx, &awss3.GetBucketLifecycleConfigurationInput{Bucket: box})
			return err
		}, "NoSuchLifecycleConfiguration"},
		{"website", func() error {
			_, err := c.GetBucketWebsite(ctx, &awss3.GetBucketWebsiteInput{Bucket: box})
			return err
		}, "NoSuchWebsiteConfiguration"},
		{"replication", func() error {
			_, err := c.GetBucketReplication(ctx, &awss3.GetBucketReplicationInput{Bucket: box})
			return err
		}, "ReplicationConfigurationNotFoundError"},
		{"object lock", func() error {
			_, err := c.GetObjectLockConfiguration(ctx, &awss3.GetObjectLockConfigurationInput{Bucket: box})
			return err
		}, "ObjectLockConfigurationNotFoundError"},
		{"tagging", func() error {
			_, err := c.GetBucketTagging(ctx, &awss3.GetBucketTaggingInput{Bucket: box})
			return err
		}, "NoSuchTagSet"},
		{"logging", func() error {
			_, err := c.GetBucketLogging(ctx, &awss3.GetBucketLoggingInput{Bucket: box})
			return err
		}, ""},
		{"notification", func() error {
			_, err := c.GetBucketNotificationConfiguration(ctx, &awss3.GetBucketNotificationConfigurationInput{Bucket: box})
			return err
		}, ""},
		{"accelerate", func() error {
			_, err := c.GetBucketAccelerateConfiguration(ctx, &awss3.GetBucketAccelerateConfigurationInput{Bucket: box})
			return err
		}, ""},
		{"inventory", func() error {
			_, err := c.ListBucketInventoryConfigurations(ctx, &awss3.ListBucketInventoryConfigurationsInput{Bucket: box})
			return err
		}, ""},
		{"one inventory", func() error {
			_, err := c.GetBucketInventoryConfiguration(ctx, &awss3.GetBucketInventoryConfigurationInput{Bucket: box, Id: aws.String("x")})
			return err
		}, "NoSuchConfiguration"},
		{"versioning without a state", func() error {
			_, err := c.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{Bucket: box, VersioningConfiguration: &types.VersioningConfiguration{}})
			return err
		}, "MalformedXML"},
		{"a policy is refused", func() error {
			_, err := c.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: box, Policy: aws.String("{}")})
			return err
		}, "NotImplemented"},
		{"another's bucket", func() error {
			_, err := c.GetBucketPolicy(ctx, &awss3.GetBucketPolicyInput{Bucket: aws.String("nobox")})
			return err
		}, "NoSuchBucket"},
	} {
		wantCode(t, q.name, q.ask(), q.code)
	}
	block, err := c.GetPublicAccessBlock(ctx, &awss3.GetPublicAccessBlockInput{Bucket: box})
	if err != nil || !aws.ToBool(block.PublicAccessBlockConfiguration.BlockPublicPolicy) || !aws.ToBool(block.PublicAccessBlockConfiguration.RestrictPublicBuckets) {
		t.Errorf("public access: %v, %v, want all of it blocked", block, err)
	}
	acl, err := c.GetBucketAcl(ctx, &awss3.GetBucketAclInput{Bucket: box})
	if err != nil || len(acl.Grants) != 1 || acl.Grants[0].Permission != types.PermissionFullControl || aws.ToString(acl.Grants[0].Grantee.ID) != ownerID {
		t.Errorf("acl: %v, %v, want full control for the owner", acl, err)
	}
	encrypted, err := c.GetBucketEncryption(ctx, &awss3.GetBucketEncryptionInput{Bucket: box})
	if err != nil || encrypted.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm != types.ServerSideEncryptionAes256 {
		t.Errorf("encryption: %v, %v, want AES256", encrypted, err)
	}
	owned, err := c.GetBucketOwnershipControls(ctx, &awss3.GetBucketOwnershipControlsInput{Bucket: box})
	if err != nil || owned.OwnershipControls.Rules[0].ObjectOwnership != types.ObjectOwnershipBucketOwnerEnforced {
		t.Errorf("ownership: %v, %v", owned, err)
	}
}

func TestTagsAreStored(t *testing.T) {
	r := newRig(t)
	ctx, box, k := t.Context(), aws.String("box"), aws.String("k")
	if _, err := r.client.PutObject(ctx, input("k", func(in *awss3.PutObjectInput) { in.Tagging = aws.String("a=1&b=two%20words") })); err != nil {
		t.Fatal(err)
	}
	wantTags(t, r, "k", "a=1", "b=two words")
	head, err := r.client.GetObject(ctx, &awss3.GetObjectInput{Bucket: box, Key: k})
	if err != nil || aws.ToInt32(head.TagCount) != 2 {
		t.Errorf("the count of tags: %v, %v, want 2", head, err)
	}
	set := []types.Tag{{Key: aws.String("c"), Value: aws.String("+-=._:/@")}}
	if _, err := r.client.PutObjectTagging(ctx, &awss3.PutObjectTaggingInput{Bucket: box, Key: k, Tagging: &types.Tagging{TagSet: set}}); err != nil {
		t.Fatal(err)
	}
	wantTags(t, r, "k", "c=+-=._:/@")
	_, err = r.client.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: box, Key: aws.String("copy"), CopySource: aws.String("box/k")})
	wantCode(t, "copy", err, "")
	wantTags(t, r, "copy", "c=+-=._:/@")
	_, err = r.client.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: box, Key: aws.String("copy"), CopySource: aws.String("box/k"),
		TaggingDirective: types.TaggingDirectiveReplace, Tagging: aws.String("d=4")})
	wantCode(t, "copy", err, "")
	wantTags(t, r, "copy", "d=4")
	_, err = r.client.DeleteObjectTagging(ctx, &awss3.DeleteObjectTaggingInput{Bucket: box, Key: k})
	wantCode(t, "removal", err, "")
	wantTags(t, r, "k")
	_, err = r.client.PutObjectTagging(ctx, &awss3.PutObjectTaggingInput{Bucket: box, Key: aws.String("no"), Tagging: &types.Tagging{TagSet: set}})
	wantCode(t, "tags of an absent object", err, "NoSuchKey")
	many := make([]types.Tag, 11)
	for i := range many {
		many[i] = types.Tag{Key: aws.String(strings.Repeat("k", i+1)), Value: aws.String("")}
	}
	_, err = r.client.PutObjectTagging(ctx, &awss3.PutObjectTaggingInput{Bucket: box, Key: k, Tagging: &types.Tagging{TagSet: many}})
	wantCode(t, "eleven tags", err, "BadRequest")
	_, err = r.client.PutBucketTagging(ctx, &awss3.PutBucketTaggingInput{Bucket: box, Tagging: &types.Tagging{TagSet: many}})
	wantCode(t, "eleven tags of a bucket", err, "")
	of, err := r.client.GetBucketTagging(ctx, &awss3.GetBucketTaggingInput{Bucket: box})
	if err != nil || len(of.TagSet) != 11 {
		t.Errorf("the bucket's tags: %v, %v", of, err)
	}
}

func wantTags(t *testing.T, r *rig, key string, want ...string) {
	t.Helper()
	out, err := r.client.GetObjectTagging(context.Background(), &awss3.GetObjectTaggingInput{Bucket: aws.String("box"), Key: aws.String(key)})
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, tag := range out.TagSet {
		have = append(have, aws.ToString(tag.Key)+"="+aws.ToString(tag.Value))
	}
	if strings.Join(have, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s has the tags %q, want %q", key, have, want)
	}
}

func TestVersionsOfAnUnversionedBucket(t *testing.T) {
	r := newRig(t)
	for _, key := range []string{"a/1", "a/2", "b"} {
		r.put(key, "x")
	}
	out, err := r.client.ListObjectVersions(t.Context(), &awss3.ListObjectVersionsInput{Bucket: aws.String("box"), Delimiter: aws.String("/"), MaxKeys: aws.Int32(1)})
	if err != nil || len(out.CommonPrefixes) != 1 || !aws.ToBool(out.IsTruncated) {
		t.Fatalf("%+v, %v", out, err)
	}
	out, err = r.client.ListObjectVersions(t.Context(), &awss3.ListObjectVersionsInput{Bucket: aws.String("box"), Delimiter: aws.String("/"), KeyMarker: out.NextKeyMarker})
	if err != nil || len(out.Versions) != 1 || aws.ToString(out.Versions[0].Key) != "b" || aws.ToString(out.Versions[0].VersionId) != "null" || !aws.ToBool(out.Versions[0].IsLatest) {
		t.Errorf("%+v, %v", out, err)
	}
}

// A copied part has the same bytes, ETag and checksum as an uploaded part.
func TestPartsAreCopied(t *testing.T) {
	r := newRig(t)
	ctx, box, key := t.Context(), aws.String("box"), aws.String("whole")
	body := pseudoRandom(minPart+100, 7)
	r.put("source", string(body))
	up, err := r.client.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: box, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	var parts []types.CompletedPart
	copyPart := func(n int32, span string) error {
		in := &awss3.UploadPartCopyInput{Bucket: box, Key: key, UploadId: up.UploadId, PartNumber: aws.Int32(n), CopySource: aws.String("box/source")}
		if span != "" {
			in.CopySourceRange = aws.String("bytes=" + span)
		}
		out, err := r.client.UploadPartCopy(ctx, in)
		if err == nil {
			parts = append(parts, types.CompletedPart{ETag: out.CopyPartResult.ETag, PartNumber: aws.Int32(n)})
		}
		return err
	}
	for _, span := range []string{"5-4", "0-", "-5", "0-5242981", "5242980-99999999", "x"} {
		wantCode(t, "bytes="+span, copyPart(9, span), "InvalidArgument")
	}
	wantCode(t, "the whole", copyPart(1, ""), "")
	wantCode(t, "a range", copyPart(2, "10-5242979"), "")
	wantCode(t, "one byte", copyPart(3, "0-0"), "")
	_, err = r.client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: box, Key: aws.String("source")})
	wantCode(t, "removal of the source", err, "")
	if _, err = r.client.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{Bucket: box, Key: key, UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}); err != nil {
		t.Fatal(err)
	}
	got := new(bytes.Buffer)
	out, err := r.client.GetObject(ctx, &awss3.GetObjectInput{Bucket: box, Key: key, ChecksumMode: types.ChecksumModeEnabled})
	if err == nil {
		_, err = got.ReadFrom(out.Body) // the SDK verifies the checksum
	}
	want := append(append(append([]byte(nil), body...), body[10:5242980]...), body[0])
	if err != nil || !bytes.Equal(got.Bytes(), want) || aws.ToString(out.ChecksumCRC64NVME) == "" {
		t.Errorf("%v: %d bytes, want %d with a checksum", err, got.Len(), len(want))
	}
	wantCode(t, "a part of an absent upload", copyPart(4, ""), "NoSuchUpload")
}
