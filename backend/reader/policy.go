package reader

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"usher/backend/grant"
)

// MaxPolicy is the greatest size of a session policy in characters.
//
// SPEC: STS API reference, AssumeRole, Policy: 1 to 2,048 characters from U+0020
// to U+00FF, and tab, line feed and carriage return.
const MaxPolicy = 2048

// maxCharacter is the last character of a policy. STS accepts no other, and a
// JSON escape of one is not known to work.
const maxCharacter = 0xFF

// Policy is a session policy.
type Policy struct {
	Text string
	// Unproven reports that the policy is wider than the grants: it ends at the
	// last prefix before a character beyond U+00FF, and omits a denial with one.
	Unproven bool
}

// Fits reports whether STS accepts the length of the policy.
func (p Policy) Fits() bool { return utf8.RuneCountInString(p.Text) <= MaxPolicy }

// PolicyOf returns the policy that allows the reads and listings of the roots of
// grant.Set.Tree, and nothing else. partition is that of ARNs, such as aws.
func PolicyOf(partition string, roots []grant.Root) (Policy, error) {
	b := builder{partition: partition}
	for _, root := range roots {
		b.allow(root.Grant)
		for _, d := range root.Except {
			b.deny(d)
		}
	}
	return b.policy()
}

// objectsPolicy returns the policy for single objects, without listings.
func objectsPolicy(partition string, objects []Object) (Policy, error) {
	b := builder{partition: partition}
	for _, o := range objects {
		b.allowed.read = append(b.allowed.read, b.arn(o.Bucket, b.pattern(o.Key, true)))
	}
	return b.policy()
}

// builder collects the resources of a policy.
type builder struct {
	partition       string
	allowed, denied access
	unproven        bool
}

// access is the read of objects and the listing of prefixes.
type access struct {
	read    []string            // ARNs
	buckets []string            // with listings, in the order of the grants
	lists   map[string][]string // patterns of s3:prefix by bucket
}

func (a *access) list(bucket, pattern string) {
	if a.lists == nil {
		a.lists = map[string][]string{}
	}
	if a.lists[bucket] == nil {
		a.buckets = append(a.buckets, bucket)
	}
	a.lists[bucket] = append(a.lists[bucket], pattern)
}

func (b *builder) arn(bucket, key string) string {
	return "arn:" + b.partition + ":s3:::" + bucket + "/" + key
}

func (b *builder) allow(g *grant.Grant) {
	pattern := b.pattern(g.Prefix+g.Object, g.Object != "")
	b.allowed.read = append(b.allowed.read, b.arn(g.Bucket, pattern))
	b.allowed.list(g.Bucket, pattern)
}

// deny omits a denial with a character that a policy cannot contain: a shorter
// prefix would deny granted objects.
func (b *builder) deny(g *grant.Grant) {
	path := g.Prefix + g.Object
	if beyond(path) >= 0 {
		b.unproven = true
		return
	}
	pattern := b.pattern(path, g.Object != "")
	b.denied.read = append(b.denied.read, b.arn(g.Bucket, pattern))
	if g.Object == "" { // a folder's marker is an object too, and the folder can be listed
		b.denied.list(g.Bucket, pattern)
	}
}

// beyond returns the index of the first character that a policy cannot contain,
// or -1.
func beyond(path string) int {
	return strings.IndexFunc(path, func(r rune) bool { return r > maxCharacter })
}

// pattern returns the pattern that matches one key, or the keys below a prefix.
func (b *builder) pattern(path string, object bool) string {
	if i := beyond(path); i >= 0 {
		path, object, b.unproven = path[:strings.LastIndexByte(path[:i], '/')+1], false, true
	}
	pattern := escape.Replace(path)
	if !object {
		pattern += "*"
	}
	return pattern
}

// escape writes the characters that have a meaning in policies.
//
// SPEC: IAM user guide, "IAM policy elements: variables and tags", special
// characters: ${*}, ${?} and ${$}.
var escape = strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}")

type document struct {
	Version   string
	Statement []statement
}

type statement struct {
	Effect    string
	Action    any
	Resource  any
	Condition any `json:",omitempty"`
}

type condition struct {
	StringLike map[string]any
}

// policy encodes the document.
func (b *builder) policy() (Policy, error) {
	doc := document{Version: "2012-10-17"}
	// HeadObject and GetObject need s3:GetObject, with a version
	// s3:GetObjectVersion.
	doc.add("Allow", []string{"s3:GetObject", "s3:GetObjectVersion"}, b.allowed, b.partition)
	doc.add("Deny", []string{"s3:GetObject", "s3:GetObjectVersion"}, b.denied, b.partition)
	// Objects under SSE-KMS. The role's own policy names the keys.
	doc.Statement = append(doc.Statement, statement{
		Effect: "Allow", Action: "kms:Decrypt", Resource: "*", Condition: condition{map[string]any{"kms:ViaService": "s3.*"}},
	})
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // shorter
	if err := encoder.Encode(doc); err != nil {
		return Policy{}, fmt.Errorf("encoding a session policy: %w", err)
	}
	return Policy{Text: strings.TrimSuffix(text.String(), "\n"), Unproven: b.unproven}, nil
}

// listing covers s3:ListBucket and s3:ListBucketVersions. The pattern is shorter than
// the two names, and a policy is limited to 2,048 characters. The role's own policy
// excludes the third action that it matches, s3:ListBucketMultipartUploads.
const listing = "s3:ListBucket*"

func (d *document) add(effect string, read []string, a access, partition string) {
	if len(a.read) > 0 {
		d.Statement = append(d.Statement, statement{Effect: effect, Action: read, Resource: a.read})
	}
	for _, bucket := range a.buckets {
		s := statement{Effect: effect, Action: listing, Resource: "arn:" + partition + ":s3:::" + bucket}
		if patterns := a.lists[bucket]; patterns[0] != "*" { // else the whole bucket
			s.Condition = condition{map[string]any{"s3:prefix": patterns}}
		}
		d.Statement = append(d.Statement, s)
	}
}
