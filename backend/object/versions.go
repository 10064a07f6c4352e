package object

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"usher/backend/api"
)

// VersionsQuery selects one page of the versions of one object.
type VersionsQuery struct {
	Bucket, Key string
	After       string // the Next of the previous page; "" for the first page
	Limit       int    // 1..1000
	Event       string // id of the audit event for the S3 access log
}

// VersionPage is one page of versions, the newest first.
type VersionPage struct {
	Versions []Version
	Next     string // "": the last page
}

// Version is one version of an object, or a delete marker.
type Version struct {
	ID       string // "null": stored without versions
	Latest   bool
	Deleted  bool // a delete marker
	Size     int64
	Modified time.Time // UTC; zero: absent or invalid
	ETag     string    // normalized by api.ETag
	Class    string    // storage class; "": STANDARD
	Archived bool
}

// versionsBody is the XML of a page. Rows keep the order of versions and delete
// markers.
// SPEC: S3 API reference, ListObjectVersions, "Response Syntax".
type versionsBody struct {
	XMLName     xml.Name     `xml:"ListVersionsResult"`
	Encoding    string       `xml:"EncodingType"`
	Truncated   string       `xml:"IsTruncated"`
	NextKey     string       `xml:"NextKeyMarker"`
	NextVersion string       `xml:"NextVersionIdMarker"`
	Rows        []versionRow `xml:",any"`
}

type versionRow struct {
	XMLName xml.Name
	listObject
	VersionID string `xml:"VersionId"`
	Latest    string `xml:"IsLatest"`
}

const listingVersions = "listing versions"

// Versions makes one S3 call, of the versions whose key is exactly this one. It
// drops and logs rows without a usable id. An object without a version is
// ErrAbsent.
func (s *Store) Versions(ctx context.Context, q VersionsQuery) (VersionPage, error) {
	calling, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	in := &s3.ListObjectVersionsInput{
		Bucket: aws.String(q.Bucket), Prefix: aws.String(q.Key), MaxKeys: aws.Int32(int32(q.Limit)),
		EncodingType:             types.EncodingTypeUrl,
		OptionalObjectAttributes: []types.OptionalObjectAttributes{types.OptionalObjectAttributesRestoreStatus},
	}
	if q.After != "" {
		in.KeyMarker, in.VersionIdMarker = aws.String(q.Key), aws.String(q.After)
	}
	var body versionsBody
	_, err := s.s3.ListObjectVersions(calling, in, joined(q.Event), reading(&s3.ListObjectVersionsOutput{}, func(r *smithyhttp.Response) error {
		raw, err := io.ReadAll(io.LimitReader(r.Body, maxListBody+1))
		if err != nil {
			return fmt.Errorf("reading a page: %w", err)
		}
		if len(raw) > maxListBody {
			return fmt.Errorf("a page is longer than %d bytes", maxListBody)
		}
		if err := xml.Unmarshal(raw, &body); err != nil {
			return fmt.Errorf("the response is not a listing of versions: %w", err)
		}
		return nil
	}))
	if err != nil {
		f := failed(listingVersions, err)
		s.causes.failure(ctx, q.Bucket, f)
		return VersionPage{}, f
	}
	page, cause := s.versionPage(ctx, q, body)
	if cause != "" {
		f := &Failure{Kind: ErrUnavailable, Doing: listingVersions, Code: cause}
		s.causes.failure(ctx, q.Bucket, f)
		return VersionPage{}, f
	}
	if len(page.Versions) == 0 && page.Next == "" && q.After == "" {
		return VersionPage{}, &Failure{Kind: ErrAbsent, Doing: listingVersions, Status: http.StatusOK, Code: "no version"}
	}
	return page, nil
}

// versionPage makes a page from the response, or returns the cause for which the
// response is refused.
func (s *Store) versionPage(ctx context.Context, q VersionsQuery, body versionsBody) (VersionPage, string) {
	list := listBody{Encoding: body.Encoding, Truncated: body.Truncated, Next: body.NextVersion}
	var page VersionPage
	for i := range body.Rows {
		row := &body.Rows[i]
		deleted := row.XMLName.Local == "DeleteMarker"
		if !deleted && row.XMLName.Local != "Version" {
			continue
		}
		if key, ok := list.decode(row.Key); !ok || key != q.Key {
			continue // a longer name with this prefix
		}
		if !api.ValidVersion(row.VersionID) {
			s.causes.badListing(ctx, q.Bucket, "a version id that is not usable", q.Key)
			continue
		}
		page.Versions = append(page.Versions, row.version(deleted))
	}
	truncated, ok := list.truncated()
	next, decoded := list.decode(body.NextKey)
	switch {
	case !ok:
		return page, "neither truncated nor complete"
	case !truncated, decoded && next != q.Key: // the other rows are of longer names
	case !decoded || !api.ValidVersion(body.NextVersion):
		return page, "truncated without a marker"
	case body.NextVersion == q.After:
		return page, "the same marker again"
	default:
		page.Next = body.NextVersion
	}
	return page, ""
}

// version returns the facts of a row. It leaves out invalid facts.
func (r *versionRow) version(deleted bool) Version {
	v := Version{ID: r.VersionID, Latest: strings.EqualFold(strings.TrimSpace(r.Latest), "true"), Deleted: deleted}
	v.Modified, _ = instant(time.RFC3339, r.Modified)
	if deleted {
		return v
	}
	if n, err := strconv.ParseInt(strings.TrimSpace(r.Size), 10, 64); err == nil && n >= 0 {
		v.Size, v.ETag = n, api.ETag(r.ETag)
	}
	v.Archived = archivedClass(r.StorageClass) && !r.restored()
	if class := strings.TrimSpace(r.StorageClass); class != string(types.StorageClassStandard) && printable(class) {
		v.Class = class
	}
	return v
}
