package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

func (r *rig) versioning(state types.BucketVersioningStatus) {
	r.t.Helper()
	_, err := r.client.PutBucketVersioning(context.Background(), &awss3.PutBucketVersioningInput{Bucket: aws.String("box"),
		VersioningConfiguration: &types.VersioningConfiguration{Status: state}})
	if err != nil {
		r.t.Fatal(err)
	}
}

// read returns the content of a version, or S3's error code.
func (r *rig) read(key, version string) string {
	in := &awss3.GetObjectInput{Bucket: aws.String("box"), Key: aws.String(key)}
	if version != "" {
		in.VersionId = aws.String(version)
	}
	out, err := r.client.GetObject(context.Background(), in)
	if err != nil {
		return code(err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

func code(err error) string {
	var named smithy.APIError
	if errors.As(err, &named) {
		return named.ErrorCode()
	}
	return fmt.Sprint(err)
}

// listed returns all rows of ListObjectVersions as "key version latest marker", by
// pages of this size.
func (r *rig) listed(prefix, delimiter string, size int32) (rows []string) {
	r.t.Helper()
	in := &awss3.ListObjectVersionsInput{Bucket: aws.String("box"), Prefix: aws.String(prefix), MaxKeys: aws.Int32(size), EncodingType: types.EncodingTypeUrl}
	if delimiter != "" {
		in.Delimiter = aws.String(delimiter)
	}
	for pages := 0; pages < 1000; pages++ {
		out, err := r.client.ListObjectVersions(context.Background(), in)
		if err != nil {
			r.t.Fatal(err)
		}
		if n := len(out.Versions) + len(out.DeleteMarkers) + len(out.CommonPrefixes); n > int(size) {
			r.t.Fatalf("a page of %d has %d rows", size, n)
		}
		for _, v := range out.Versions {
			rows = append(rows, fmt.Sprint(*v.Key, " ", *v.VersionId, " ", *v.IsLatest, " false"))
		}
		for _, v := range out.DeleteMarkers {
			rows = append(rows, fmt.Sprint(*v.Key, " ", *v.VersionId, " ", *v.IsLatest, " true"))
		}
		for _, p := range out.CommonPrefixes {
			rows = append(rows, *p.Prefix)
		}
		if !aws.ToBool(out.IsTruncated) {
			return rows
		}
		marker, err := url.QueryUnescape(aws.ToString(out.NextKeyMarker)) // encoding-type is url
		if err != nil {
			r.t.Fatal(err)
		}
		in.KeyMarker, in.VersionIdMarker = &marker, out.NextVersionIdMarker
	}
	r.t.Fatal("the listing has no end")
	return nil
}

// A bucket with versions answers a foreign client as S3 does: writes name their
// version, a delete adds a marker, and the deletion of a version is final.
func TestVersionsOfAnObject(t *testing.T) {
	r := newRig(t)
	ctx, box, key := t.Context(), aws.String("box"), aws.String("a/file")
	r.put("a/file", "before versions")
	r.versioning(types.BucketVersioningStatusEnabled)
	put := func(body string) string {
		t.Helper()
		out, err := r.client.PutObject(ctx, &awss3.PutObjectInput{Bucket: box, Key: key, Body: strings.NewReader(body)})
		if err != nil || len(aws.ToString(out.VersionId)) != 32 {
			t.Fatalf("%+v, %v", out, err)
		}
		return *out.VersionId
	}
	first, second := put("one"), put("two")
	gone, err := r.client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: box, Key: key})
	if err != nil || !aws.ToBool(gone.DeleteMarker) || aws.ToString(gone.VersionId) == "" {
		t.Fatalf("%+v, %v", gone, err)
	}
	for version, want := range map[string]string{"": "NoSuchKey", "null": "before versions", first: "one", second: "two",
		*gone.VersionId: "MethodNotAllowed", strings.Repeat("x", 32): "NoSuchVersion", "short": "InvalidArgument"} {
		if got := r.read("a/file", version); got != want {
			t.Errorf("version %q: %q, want %q", version, got, want)
		}
	}
	head, err := r.client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: box, Key: key, VersionId: &first})
	if err != nil || aws.ToString(head.VersionId) != first || aws.ToInt64(head.ContentLength) != 3 {
		t.Errorf("HEAD: %+v, %v", head, err)
	}
	copied, err := r.client.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: box, Key: aws.String("copy"), CopySource: aws.String("box/a/file?versionId=" + first)})
	if err != nil || aws.ToString(copied.CopySourceVersionId) != first || r.read("copy", "") != "one" {
		t.Errorf("copy: %+v, %v", copied, err)
	}
	want := []string{"a/file " + *gone.VersionId + " true true", "a/file " + second + " false false",
		"a/file " + first + " false false", "a/file null false false"}
	for size := int32(1); size <= 5; size++ {
		if got := r.listed("a/", "", size); !slices.Equal(sorted(got), sorted(want)) {
			t.Errorf("pages of %d: %q, want %q", size, got, want)
		}
	}
	if got := r.listed("", "/", 1); len(got) != 2 || got[0] != "a/" {
		t.Errorf("with a delimiter: %q", got)
	}
	// Without its marker, the object is there again.
	if out, err := r.client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: box, Key: key, VersionId: gone.VersionId}); err != nil || !aws.ToBool(out.DeleteMarker) {
		t.Errorf("%+v, %v", out, err)
	}
	if got := r.read("a/file", ""); got != "two" {
		t.Errorf("after the marker: %q", got)
	}
	if _, err := r.client.DeleteObjects(ctx, &awss3.DeleteObjectsInput{Bucket: box, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: key, VersionId: &second}}}}); err != nil {
		t.Error(err)
	}
	if got := r.read("a/file", "") + r.read("a/file", second); got != "oneNoSuchVersion" {
		t.Errorf("after the newest version: %q", got)
	}
	// A suspended bucket keeps its versions, and a write replaces "null".
	r.versioning(types.BucketVersioningStatusSuspended)
	r.put("a/file", "suspended")
	if got := r.read("a/file", "") + "," + r.read("a/file", "null") + "," + r.read("a/file", first); got != "suspended,suspended,one" {
		t.Errorf("suspended: %q", got)
	}
	if _, err := r.client.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: box}); code(err) != "BucketNotEmpty" {
		t.Errorf("a bucket with versions: %v", err)
	}
	// An earlier version becomes the current one by a copy to its own key.
	for _, c := range []struct{ source, code string }{{"box/copy", "InvalidRequest"}, {"box/a/file?versionId=" + first, ""}} {
		key, _, _ := strings.Cut(strings.TrimPrefix(c.source, "box/"), "?")
		_, err := r.client.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: box, Key: aws.String(key), CopySource: aws.String(c.source)})
		if codeOf(err) != c.code {
			t.Errorf("%s onto itself: %v", c.source, err)
		}
	}
	if got := r.read("a/file", ""); got != "one" {
		t.Errorf("the restored file: %q", got)
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// Random writes and deletes leave the versions of a model, on pages of every size.
func TestVersionsAgainstAModel(t *testing.T) {
	r := newRig(t)
	r.versioning(types.BucketVersioningStatusEnabled)
	type version struct {
		id, body string // body "": a delete marker
	}
	model := map[string][]version{} // newest first
	random := rand.New(rand.NewPCG(18, 1))
	keys := []string{"a", "a/b", "a/c", "b", "b//", "ü"}
	for i := range 150 {
		key := keys[random.IntN(len(keys))]
		in := &awss3.DeleteObjectInput{Bucket: aws.String("box"), Key: aws.String(key)}
		switch have := model[key]; random.IntN(4) {
		case 0, 1:
			body := fmt.Sprint("body ", i)
			out, err := r.client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("box"), Key: aws.String(key), Body: strings.NewReader(body)})
			if err != nil {
				t.Fatal(err)
			}
			model[key] = append([]version{{*out.VersionId, body}}, have...)
		case 2:
			out, err := r.client.DeleteObject(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			model[key] = append([]version{{*out.VersionId, ""}}, have...)
		default:
			if len(have) == 0 {
				continue
			}
			n := random.IntN(len(have))
			in.VersionId = aws.String(have[n].id)
			if _, err := r.client.DeleteObject(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			model[key] = slices.Delete(slices.Clone(have), n, n+1)
		}
	}
	var want []string
	for _, key := range keys {
		for i, v := range model[key] {
			want = append(want, fmt.Sprint(strings.ReplaceAll(key, "ü", "%C3%BC"), " ", v.id, " ", i == 0, " ", v.body == ""))
			body := v.body
			if body == "" {
				body = "MethodNotAllowed"
			}
			if got := r.read(key, v.id); got != body {
				t.Errorf("%s version %d: %q, want %q", key, i, got, body)
			}
		}
		current := "NoSuchKey"
		if all := model[key]; len(all) > 0 && all[0].body != "" {
			current = all[0].body
		}
		if got := r.read(key, ""); got != current {
			t.Errorf("%s: %q, want %q", key, got, current)
		}
	}
	for _, size := range []int32{1, 3, 7, 1000} {
		if got := r.listed("", "", size); !slices.Equal(sorted(got), sorted(want)) {
			t.Errorf("pages of %d have %d rows, want %d", size, len(got), len(want))
		}
	}
}
