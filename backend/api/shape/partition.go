package shape

import "strings"

// Suffix returns the domain of AWS's services in a region's partition, such as
// amazonaws.com.
//
// SPEC: dnsSuffix of the SDKs' partitions.json. A test compares it with the SDK.
func Suffix(region string) string {
	for _, p := range []struct{ prefix, suffix string }{
		{"cn-", "amazonaws.com.cn"}, {"eusc-", "amazonaws.eu"}, {"us-iso-", "c2s.ic.gov"}, {"us-isob-", "sc2s.sgov.gov"},
		{"us-isof-", "csp.hci.ic.gov"}, {"eu-isoe-", "cloud.adc-e.uk"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.suffix
		}
	}
	return "amazonaws.com"
}

// gov reports whether a region is one of GovCloud.
func gov(region string) bool { return strings.HasPrefix(region, "us-gov-") }

// PoolHost returns the host of the user pools' API in a region.
//
// SPEC: AWS GovCloud (US) user guide, "Amazon Cognito": FIPS endpoints only.
func PoolHost(region string) string {
	if gov(region) {
		return "cognito-idp-fips." + region + "." + Suffix(region)
	}
	return "cognito-idp." + region + "." + Suffix(region)
}

// PoolIssuers returns the two issuers that tokens of a pool can have. The second is
// that of a pool with its alternate issuer. In GovCloud they have no FIPS name.
//
// SPEC: Amazon Cognito developer guide, "Verifying JSON web tokens".
func PoolIssuers(region, id string) (issuer, alternate string) {
	rest := "cognito-idp." + region + "." + Suffix(region) + "/" + id
	return "https://" + rest, "https://issuer-" + rest
}

// SignInOrigin returns the origin of a pool's own domain, by the prefix of the domain.
//
// SPEC: Amazon Cognito developer guide, "Using the Amazon Cognito prefix domain", and
// that of GovCloud as above.
func SignInOrigin(prefix, region string) string {
	if gov(region) {
		return "https://" + prefix + ".auth-fips." + region + ".amazoncognito.com"
	}
	return "https://" + prefix + ".auth." + region + ".amazoncognito.com"
}

// AWSHost reports whether a host belongs to a service of AWS.
func AWSHost(host string) bool {
	for _, region := range []string{"", "cn-", "eusc-", "us-iso-", "us-isob-", "us-isof-", "eu-isoe-"} {
		if strings.HasSuffix(host, "."+Suffix(region)) {
			return true
		}
	}
	return false
}
