package s3

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// archive is a server with one archived object, "frozen".
type archive struct {
	*rig
	t   *testing.T
	key *string
}

func newArchive(t *testing.T, class types.StorageClass) archive {
	t.Helper()
	r := newRig(t)
	if _, err := r.client.PutObject(t.Context(), input("frozen", func(in *awss3.PutObjectInput) { in.StorageClass = class })); err != nil {
		t.Fatal(err)
	}
	return archive{r, t, aws.String("frozen")}
}

func (a archive) get() error {
	_, err := a.client.GetObject(a.t.Context(), &awss3.GetObjectInput{Bucket: aws.String("box"), Key: a.key})
	return err
}

func (a archive) restoreHeader() string {
	a.t.Helper()
	out, err := a.client.HeadObject(a.t.Context(), &awss3.HeadObjectInput{Bucket: aws.String("box"), Key: a.key})
	if err != nil {
		a.t.Fatal(err)
	}
	return aws.ToString(out.Restore)
}

func (a archive) restore(days int32, tier types.Tier) error {
	_, err := a.client.RestoreObject(a.t.Context(), &awss3.RestoreObjectInput{Bucket: aws.String("box"), Key: a.key,
		RestoreRequest: &types.RestoreRequest{Days: aws.Int32(days), GlacierJobParameters: &types.GlacierJobParameters{Tier: tier}}})
	return err
}

// listed returns the object's row in a listing.
func (a archive) listed(wanted ...types.OptionalObjectAttributes) types.Object {
	a.t.Helper()
	out, err := a.client.ListObjectsV2(a.t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String("box"), OptionalObjectAttributes: wanted})
	if err != nil || len(out.Contents) != 1 {
		a.t.Fatalf("%v, %v", out, err)
	}
	return out.Contents[0]
}

func TestArchivedObjectIsRestored(t *testing.T) {
	a := newArchive(t, types.StorageClassGlacier)
	status := types.OptionalObjectAttributesRestoreStatus
	var refused *types.InvalidObjectState
	if err := a.get(); !errors.As(err, &refused) || refused.StorageClass != types.StorageClassGlacier {
		t.Fatalf("GET: %v, want InvalidObjectState with the class", err)
	}
	if row := a.listed(status); row.StorageClass != types.ObjectStorageClassGlacier || row.RestoreStatus != nil {
		t.Errorf("listed as %v, %+v", row.StorageClass, row.RestoreStatus)
	}
	if err := a.restore(3, types.TierStandard); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "GET during the restoration", a.get(), "InvalidObjectState")
	wantCode(t, "a second restoration", a.restore(3, types.TierStandard), "RestoreAlreadyInProgress")
	if have := a.restoreHeader(); have != `ongoing-request="true"` {
		t.Errorf("x-amz-restore is %q", have)
	}
	if s := a.listed(status).RestoreStatus; s == nil || !aws.ToBool(s.IsRestoreInProgress) {
		t.Errorf("listed with %+v, want a restoration in progress", s)
	}
	a.clock.Add(2 * time.Second)
	wantCode(t, "GET after the restoration", a.get(), "")
	end := a.clock.Now().UTC().AddDate(0, 0, 4).Truncate(24 * time.Hour)
	if have, want := a.restoreHeader(), `ongoing-request="false", expiry-date="`+end.Format(http.TimeFormat)+`"`; have != want {
		t.Errorf("x-amz-restore is %q, want %q", have, want)
	}
	if s := a.listed(status).RestoreStatus; s == nil || aws.ToBool(s.IsRestoreInProgress) || !aws.ToTime(s.RestoreExpiryDate).Equal(end) {
		t.Errorf("listed with %+v, want the end %v", s, end)
	}
	if row := a.listed(); row.RestoreStatus != nil {
		t.Error("RestoreStatus is listed without a request for it")
	}
	a.clock.Add(5 * 24 * time.Hour)
	late := a.do(a.signed(raw{method: "GET", path: "/box/frozen"})) // signed by the moved clock
	if late.code() != "InvalidObjectState" {
		t.Errorf("GET after the copy's life: %s %s", late.Status, late.code())
	}
	if have := a.do(a.signed(raw{method: "HEAD", path: "/box/frozen"})).Header.Get("x-amz-restore"); have != "" {
		t.Errorf("x-amz-restore is %q after the copy's life", have)
	}
}

func TestRestoreIsRefused(t *testing.T) {
	a := newArchive(t, types.StorageClassDeepArchive)
	wantCode(t, "expedited from the deep archive", a.restore(1, types.TierExpedited), "InvalidArgument")
	wantCode(t, "for no days", a.restore(0, types.TierBulk), "InvalidArgument")
	a.put("frozen", "warm again")
	wantCode(t, "an object that is not archived", a.restore(1, types.TierStandard), "InvalidObjectState")
	a.key = aws.String("absent")
	wantCode(t, "an absent object", a.restore(1, types.TierStandard), "NoSuchKey")
	q := a.signed(raw{method: "POST", path: "/box/frozen", query: "restore", body: "<x/>"})
	if have := a.do(q).code(); have != "MalformedXML" {
		t.Errorf("an invalid body: %s", have)
	}
	b := newArchive(t, types.StorageClassGlacierIr)
	wantCode(t, "GET of instant retrieval", b.get(), "")
}

// Another restoration of a restored object changes its end, with status 200.
func TestRestorationIsExtended(t *testing.T) {
	a := newArchive(t, types.StorageClassGlacier)
	if err := a.restore(1, types.TierExpedited); err != nil {
		t.Fatal(err)
	}
	first := a.restoreHeader()
	out, err := a.client.RestoreObject(t.Context(), &awss3.RestoreObjectInput{Bucket: aws.String("box"), Key: a.key,
		RestoreRequest: &types.RestoreRequest{Days: aws.Int32(9)}})
	if err != nil {
		t.Fatal(err)
	}
	if r, ok := smithyResponse(out); !ok || r.StatusCode != http.StatusOK {
		t.Errorf("returned %v, want 200", r)
	}
	if later := a.restoreHeader(); later == first || strings.Contains(later, "true") {
		t.Errorf("x-amz-restore is %q after %q", later, first)
	}
}

func smithyResponse(out *awss3.RestoreObjectOutput) (*smithyhttp.Response, bool) {
	r, ok := awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response)
	return r, ok
}

// Parts and copies have their requested storage class. A copy of an archived
// object is refused.
func TestClassOfCopiesAndParts(t *testing.T) {
	a := newArchive(t, types.StorageClassGlacier)
	copied := func(key string, class types.StorageClass) error {
		_, err := a.client.CopyObject(t.Context(), &awss3.CopyObjectInput{Bucket: aws.String("box"), Key: aws.String(key),
			CopySource: aws.String("box/frozen"), StorageClass: class})
		return err
	}
	wantCode(t, "a copy of an archive", copied("c", ""), "InvalidObjectState")
	a.put("frozen", "warm")
	wantCode(t, "a copy", copied("c", types.StorageClassDeepArchive), "")
	wantCode(t, "a copy to itself that changes its class", copied("frozen", types.StorageClassStandardIa), "")
	up, err := a.client.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: aws.String("box"), Key: aws.String("m"),
		StorageClass: types.StorageClassGlacier, Tagging: aws.String("a=b")})
	if err != nil {
		t.Fatal(err)
	}
	part, err := a.client.UploadPart(t.Context(), &awss3.UploadPartInput{Bucket: aws.String("box"), Key: aws.String("m"), UploadId: up.UploadId,
		PartNumber: aws.Int32(1), Body: strings.NewReader("part")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.client.CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{Bucket: aws.String("box"), Key: aws.String("m"),
		UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: part.ETag, PartNumber: aws.Int32(1)}}}}); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]types.StorageClass{"c": types.StorageClassDeepArchive, "frozen": types.StorageClassStandardIa, "m": types.StorageClassGlacier} {
		head, err := a.client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: aws.String("box"), Key: aws.String(key)})
		if err != nil || head.StorageClass != want {
			t.Errorf("%s: %v, %v, want %v", key, head, err, want)
		}
	}
	tags, err := a.client.GetObjectTagging(t.Context(), &awss3.GetObjectTaggingInput{Bucket: aws.String("box"), Key: aws.String("m")})
	if err != nil || len(tags.TagSet) != 1 {
		t.Errorf("tags of the upload: %v, %v", tags, err)
	}
}
