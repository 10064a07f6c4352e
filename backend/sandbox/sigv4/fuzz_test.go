package sigv4

import (
	"slices"
	"strings"
	"testing"
)

// A header that parses is equal to the header formatted from its parts.
func FuzzAuthorization(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AKID/20261123/eu-west-1/cognito-idp/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("a", 64))
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request,Credential=a/b/c/d/aws4_request,Signature=" + strings.Repeat("a", 64))
	f.Add("Bearer x")
	f.Add("AWS4-HMAC-SHA256 ,,,===")
	f.Fuzz(func(t *testing.T, header string) {
		a, ok := parseAuthorization(header)
		if !ok {
			return
		}
		again := "AWS4-HMAC-SHA256 Credential=" + a.keyID + "/" + a.scope() + ", SignedHeaders=" +
			strings.Join(a.signedHeaders, ";") + ", Signature=" + a.signature
		b, ok := parseAuthorization(again)
		if !ok || a.keyID != b.keyID || a.scope() != b.scope() || a.signature != b.signature || !slices.Equal(a.signedHeaders, b.signedHeaders) {
			t.Fatalf("%q reads %+v, written again %+v", header, a, b)
		}
	})
}
