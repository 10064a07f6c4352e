// Package shape checks the forms of texts: regions, user pools, buckets, amounts,
// paths and loopback hosts. It is pure, and every package may import it, including the
// sandbox.
package shape

import (
	"net/netip"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPoolID is in characters. SPEC: Cognito API reference, UserPoolId: 1 to 55
// characters of [\w-]+_[0-9a-zA-Z]+.
const maxPoolID = 55

var (
	regionShape = regexp.MustCompile(`^([a-z]{2}|eusc)(-[a-z]+)+-[0-9]{1,2}$`)
	poolShape   = regexp.MustCompile(`^[0-9A-Za-z]+$`)
)

// Region reports whether a text has the form of the name of an AWS region.
func Region(s string) bool { return len(s) <= 30 && regionShape.MatchString(s) }

// PoolID reports whether a text has the form of a user pool ID of a region.
func PoolID(id, region string) bool {
	name, ok := strings.CutPrefix(id, region+"_")
	return ok && Region(region) && len(id) <= maxPoolID && poolShape.MatchString(name)
}

// maxName is in characters.
const maxName = 128

// CognitoName reports whether a text is a username or a group's name.
//
// SPEC: Cognito API reference, UsernameType and GroupNameType: 1 to 128
// characters of [\p{L}\p{M}\p{S}\p{N}\p{P}]+. A regular expression of this form
// takes 10 ms to compile, at each start of a command.
func CognitoName(s string) bool {
	if s == "" || len(s) > maxName*utf8.UTFMax || !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxName {
		return false
	}
	for _, r := range s {
		if !unicode.In(r, unicode.L, unicode.M, unicode.S, unicode.N, unicode.P) {
			return false
		}
	}
	return true
}

// Loopback reports whether a host, without a port, is this machine and nothing
// else: localhost, or an address of 127.0.0.0/8 or ::1. Nothing is resolved.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// MaxKey is in bytes. SPEC: S3 user guide, "Naming Amazon S3 objects" (object-keys).
const MaxKey = 1024

// KeyProblem returns the reason that no request can contain a key, or "": a key has up
// to MaxKey bytes of UTF-8. A NUL is refused too, because many programs end a name at a
// NUL. S3 can list such keys all the same.
func KeyProblem(key string) string {
	switch {
	case len(key) > MaxKey:
		return "keys have at most 1024 bytes"
	case !utf8.ValidString(key):
		return "it is not UTF-8 text"
	case strings.IndexByte(key, 0) >= 0:
		return "it holds a NUL character"
	}
	return ""
}

// BucketProblem returns the rule of Amazon S3 that a bucket name breaks, or "".
// Aliases of access points are refused too, so that no grant reaches data by a
// second name. SPEC: S3 user guide, "General purpose bucket naming rules".
func BucketProblem(name string) string {
	switch {
	case len(name) == 0:
		return "it has no bucket"
	case strings.ContainsFunc(name, func(r rune) bool { return !letterOrDigit(r) && r != '.' && r != '-' }):
		return "a bucket's name has only lowercase letters, digits, dots and hyphens"
	case len(name) < 3 || len(name) > 63:
		return "a bucket's name has 3 to 63 characters"
	case !letterOrDigit(rune(name[0])) || !letterOrDigit(rune(name[len(name)-1])):
		return "a bucket's name begins and ends with a letter or a digit"
	case strings.Contains(name, ".."):
		return "a bucket's name has no two dots in a row"
	case strings.Trim(name, "0123456789.") == "" && strings.Count(name, ".") == 3:
		return "a bucket's name is not an IP address"
	}
	for _, prefix := range [...]string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(name, prefix) {
			return "Amazon S3 reserves bucket names that begin with " + prefix
		}
	}
	for _, suffix := range [...]string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, suffix) {
			return "Amazon S3 reserves bucket names that end in " + suffix
		}
	}
	return ""
}

func letterOrDigit(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' }

// arn is an S3 ARN, up to its resource. SPEC: Service Authorization Reference,
// "Resource types defined by Amazon S3", bucket and object.
var arn = regexp.MustCompile(`^arn:aws[a-z-]*:s3:([^:]*):([^:]*):`)

// TrimScheme returns bucket/key without the prefixes s3://, arn:aws:s3::: and /
// that other tools write, or the reason why a text is no path in a bucket.
func TrimScheme(s string) (rest, problem string) {
	const scheme = "s3://"
	switch found := arn.FindStringSubmatch(s); {
	case len(s) >= len(scheme) && strings.EqualFold(s[:len(scheme)], scheme):
		rest = s[len(scheme):]
		if strings.HasPrefix(rest, "/") {
			return "", "it has no bucket"
		}
		return rest, ""
	case found != nil && found[1]+found[2] != "":
		return "", "it is the ARN of another kind of resource"
	case found != nil:
		if rest = s[len(found[0]):]; rest == "" || rest[0] == '/' {
			return "", "it has no bucket"
		}
		return rest, ""
	case strings.HasPrefix(s, "arn:"):
		return "", "it is not the ARN of a bucket or an object"
	}
	if scheme, _, ok := strings.Cut(s, "://"); ok && scheme != "" && !strings.Contains(scheme, "/") {
		return "", "it is an address"
	}
	return strings.TrimPrefix(s, "/"), ""
}
