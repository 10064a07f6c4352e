package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// record is an event of CloudTrail, with the fields of S3's data events and of
// Cognito's sign-ins.
// SPEC: CloudTrail user guide, "CloudTrail record contents".
type record struct {
	Source    string `json:"eventSource"`
	Name      string `json:"eventName"`
	Time      string `json:"eventTime"`
	Address   string `json:"sourceIPAddress"`
	Agent     string `json:"userAgent"`
	ErrorCode string `json:"errorCode"`
	Message   string `json:"errorMessage"`
	RequestID string `json:"requestID"`
	Identity  struct {
		ARN       string `json:"arn"`
		Principal string `json:"principalId"`
		Account   string `json:"accountId"`
	} `json:"userIdentity"`
	Parameters map[string]json.RawMessage `json:"requestParameters"`
	Additional struct {
		BytesOut float64 `json:"bytesTransferredOut"`
		Sub      string  `json:"sub"`
		Response struct {
			Status float64 `json:"status"`
		} `json:"responseParameters"`
	} `json:"additionalEventData"`
}

const (
	s3Source      = "s3.amazonaws.com"
	cognitoSource = "cognito-idp.amazonaws.com"
)

// s3Sources are the sources of S3's own events: of directory buckets, of Object
// Lambda and of Outposts too.
var s3Sources = []string{s3Source, "s3express.amazonaws.com", "s3-object-lambda.amazonaws.com", "s3-outposts.amazonaws.com"}

// trail parses an event of CloudTrail.
func trail(raw []byte) (Line, error) {
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return Line{}, err
	}
	if r.Source == "" {
		return Line{}, errors.New("an object without eventSource or schema_version_id")
	}
	at, err := time.Parse(time.RFC3339, r.Time)
	if err != nil {
		return Line{}, fmt.Errorf("the time is not one: %w", err)
	}
	l := Line{
		Kind: CloudTrail, Time: at.UTC(), Operation: r.Name, Error: r.ErrorCode, Address: r.Address, Requester: r.Identity.ARN,
		RequestID: r.RequestID, Agent: r.Agent,
	}
	switch {
	case slices.Contains(s3Sources, r.Source):
	case r.Source == cognitoSource:
		l.Kind, l.Status, l.User = SignIn, int(r.Additional.Response.Status), r.Additional.Sub
		if l.Error == "" && l.Status >= 400 {
			l.Error = fmt.Sprint(l.Status)
		}
		return l, nil
	default:
		l.Kind, l.Operation = Foreign, r.Source
		return l, nil
	}
	if l.Requester == "" {
		// An event of another account's requester has its account, and no ARN.
		l.Requester, l.Account = r.Identity.Principal, r.Identity.Account
	}
	l.Bucket, l.Version = r.parameter("bucketName"), r.parameter("versionId")
	l.Bytes = int64(max(0, min(r.Additional.BytesOut, 1<<53)))
	l.Event = eventOf([]string{r.parameter(eventParameter)})
	key := r.parameter("key")
	if r.Name == "CopyObject" || r.Name == "UploadPartCopy" {
		// The object that was read is the source of the copy.
		// SPEC: S3 API reference, CopyObject, x-amz-copy-source: encoded, with the version behind a question mark.
		from, query, _ := strings.Cut(strings.TrimPrefix(r.parameter("x-amz-copy-source"), "/"), "?")
		l.Bucket, key, _ = strings.Cut(from, "/")
		l.Version = strings.TrimPrefix(query, "versionId=")
		if plain, err := url.PathUnescape(key); err == nil {
			key = plain
		}
		l.keys, l.Key = []string{key}, key
	} else if key != "" {
		l.keys, l.Key = []string{key}, key
	}
	return l, nil
}

// parameter returns a request parameter: a string, or a list with one string.
func (r record) parameter(name string) string {
	var one string
	if json.Unmarshal(r.Parameters[name], &one) == nil {
		return one
	}
	var list []string
	if json.Unmarshal(r.Parameters[name], &list) == nil && len(list) == 1 {
		return list[0]
	}
	return ""
}
