package session

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend/api"
	"usher/backend/api/shape"
)

// Only a server on loopback may name its own endpoint, and only one on
// loopback. For other servers the endpoint follows from region and pool.
func TestCognitoEndpoint(t *testing.T) {
	for _, c := range []struct{ server, region, explicit, want string }{
		{"https://files.example.com", "eu-central-1", "", "https://cognito-idp.eu-central-1.amazonaws.com"},
		{"https://files.example.com", "us-gov-west-1", "", "https://cognito-idp-fips.us-gov-west-1.amazonaws.com"},
		{"https://files.example.com", "cn-north-1", "", "https://cognito-idp.cn-north-1.amazonaws.com.cn"},
		{"https://files.example.com", "eu-central-1", "http://127.0.0.1:9229", "https://cognito-idp.eu-central-1.amazonaws.com"},
		{"https://files.example.com", "eu-central-1", "https://cognito.example.com", "https://cognito-idp.eu-central-1.amazonaws.com"},
		{"http://127.0.0.1:8080", "eu-central-1", "", "https://cognito-idp.eu-central-1.amazonaws.com"},
		{"http://127.0.0.1:8080", "eu-central-1", "http://127.0.0.1:9229", "http://127.0.0.1:9229"},
		{"http://localhost:8080", "eu-central-1", "http://[::1]:9229", "http://[::1]:9229"},
		{"http://127.0.0.1:8080", "eu-central-1", "https://cognito.example.com", ""},
		{"http://127.0.0.1:8080", "eu-central-1", "http://127.0.0.1.example.com", ""},
		{"http://127.0.0.1:8080", "eu-central-1", "http://user@127.0.0.1:9229", ""},
	} {
		got, err := cognitoEndpoint(c.server, api.Config{Region: c.region, UserPoolID: c.region + "_a", CognitoEndpoint: c.explicit})
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}

// The table of partitions is the SDK's.
func TestPoolHostIsTheSDKs(t *testing.T) {
	for _, region := range []string{
		"us-east-1", "eu-central-1", "ap-southeast-7", "mx-central-1", "il-central-1", "cn-north-1", "cn-northwest-1", "us-gov-west-1", "us-gov-east-1",
		"eusc-de-east-1", "us-iso-east-1", "us-isob-east-1", "us-isof-south-1", "eu-isoe-west-1",
	} {
		fips := strings.HasPrefix(region, "us-gov-")
		found, err := cognito.NewDefaultEndpointResolverV2().ResolveEndpoint(t.Context(), cognito.EndpointParameters{Region: aws.String(region), UseFIPS: aws.Bool(fips)})
		if err != nil || found.URI.Host != shape.PoolHost(region) || !shape.AWSHost(found.URI.Host) || !shape.Region(region) {
			t.Errorf("%s: %s, the SDK has %s, %v", region, shape.PoolHost(region), found.URI.Host, err)
		}
	}
	gov := api.Config{Organisation: "Example", Region: "us-gov-west-1", UserPoolID: "us-gov-west-1_a", ClientID: "c", S3Hosts: []string{"s3.us-gov-west-1.amazonaws.com"}}
	for issuer, want := range map[string]bool{
		"https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_a":      true,
		"https://cognito-idp-fips.us-gov-west-1.amazonaws.com/us-gov-west-1_a": false,
	} {
		gov.Issuer = issuer
		if err := checkConfig("https://files.example.com", gov); (err == nil) != want {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}

// Away from loopback an issuer has one of the two forms that AWS uses.
func TestIssuerBelongsToThePool(t *testing.T) {
	for issuer, want := range map[string]bool{
		"https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_a":        true,
		"https://issuer-cognito-idp.eu-central-1.amazonaws.com/eu-central-1_a": true,
		"http://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_a":         false,
		"https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_b":        false,
		"https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_a/":       false,
		"https://cognito-idp.us-east-1.amazonaws.com/eu-central-1_a":           false,
		"https://evil.example.com/eu-central-1_a":                              false,
		"": false,
	} {
		c := api.Config{Organisation: "Example", Region: "eu-central-1", UserPoolID: "eu-central-1_a", ClientID: "c", Issuer: issuer, S3Hosts: []string{"s3.eu-central-1.amazonaws.com"}}
		if err := checkConfig("https://files.example.com", c); (err == nil) != want {
			t.Errorf("%q: %v", issuer, err)
		}
	}
}
