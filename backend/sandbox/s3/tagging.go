package s3

import (
	"encoding/xml"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tag is one label of an object or a bucket.
type tag struct {
	Key   string
	Value string
}

// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
// and https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html
const (
	maxObjectTags = 10
	maxBucketTags = 50
	maxTagKey     = 128 // characters
	maxTagValue   = 256
)

func checkTags(tags []tag, most int) error {
	if len(tags) > most {
		if most == maxObjectTags {
			return fail("BadRequest", "Object tags cannot be greater than 10")
		}
		return fail("BadRequest", "Bucket tag count cannot be greater than 50")
	}
	seen := map[string]bool{}
	for _, t := range tags {
		switch {
		case t.Key == "" || utf8.RuneCountInString(t.Key) > maxTagKey || strings.ContainsFunc(t.Key, notInTag):
			return fail("InvalidTag", "The TagKey you have provided is invalid", field{"TagKey", t.Key})
		case utf8.RuneCountInString(t.Value) > maxTagValue || strings.ContainsFunc(t.Value, notInTag):
			return fail("InvalidTag", "The TagValue you have provided is invalid", field{"TagKey", t.Key}, field{"TagValue", t.Value})
		case seen[t.Key]:
			return fail("InvalidTag", "Cannot provide multiple Tags with the same key", field{"TagKey", t.Key})
		}
		seen[t.Key] = true
	}
	return nil
}

// notInTag reports whether r is invalid in a tag: neither a letter, a digit, a
// space nor one of these symbols.
func notInTag(r rune) bool {
	return !unicode.In(r, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r)
}

// headerTags parses x-amz-tagging, which is a query string.
func headerTags(h http.Header) ([]tag, error) {
	text := h.Get("x-amz-tagging")
	if text == "" {
		return nil, nil
	}
	values, ok := parseQuery(text)
	var tags []tag
	for _, v := range values {
		ok = ok && v.name != "" && values.count(v.name) == 1
		tags = append(tags, tag{v.name, v.value})
	}
	if !ok {
		return nil, invalidArgument("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
			"x-amz-tagging", text)
	}
	return tags, checkTags(tags, maxObjectTags)
}

// tagDocument parses the body of a tagging request.
func (q *request) tagDocument(most int) ([]tag, error) {
	doc, err := q.document(64 << 10)
	if err != nil {
		return nil, err
	}
	var t struct {
		XMLName xml.Name `xml:"Tagging"`
		TagSet  *struct {
			Tag []tag
		}
	}
	if err := xml.Unmarshal(doc, &t); err != nil || t.TagSet == nil {
		return nil, malformedXML()
	}
	return t.TagSet.Tag, checkTags(t.TagSet.Tag, most)
}

func (q *request) sendTags(tags []tag) error {
	var x xmlDoc
	x.start("Tagging", namespace)
	x.open("TagSet")
	for _, t := range tags {
		x.open("Tag")
		x.el("Key", t.Key)
		x.el("Value", t.Value)
		x.end("Tag")
	}
	x.end("TagSet")
	x.end("Tagging")
	return q.sendXML(&x)
}

func (q *request) getObjectTagging() error {
	o, err := q.open()
	if err != nil {
		return err
	}
	defer release(o.content)
	return q.sendTags(o.state().tags)
}

func (q *request) putObjectTagging() error {
	tags, err := q.tagDocument(maxObjectTags)
	if err != nil {
		return err
	}
	return q.changeState(func(_ *object, s *objectState) (int, error) {
		s.tags = tags
		return http.StatusOK, nil
	})
}

func (q *request) deleteObjectTagging() error {
	return q.changeState(func(_ *object, s *objectState) (int, error) {
		s.tags = nil
		return http.StatusNoContent, nil
	})
}

func (q *request) getBucketTagging() error {
	q.srv.mu.RLock()
	b, err := q.bucket()
	var tags []tag
	if err == nil {
		tags = b.tags
	}
	q.srv.mu.RUnlock()
	if err != nil {
		return err
	}
	if len(tags) == 0 {
		return fail("NoSuchTagSet", "The TagSet does not exist", field{"BucketName", b.name})
	}
	return q.sendTags(tags)
}

func (q *request) putBucketTagging() error {
	tags, err := q.tagDocument(maxBucketTags)
	if err != nil {
		return err
	}
	return q.setBucketTags(tags)
}

func (q *request) deleteBucketTagging() error { return q.setBucketTags(nil) }

func (q *request) setBucketTags(tags []tag) error {
	q.srv.mu.Lock()
	b, err := q.bucket()
	if err == nil {
		b.tags = tags
	}
	q.srv.mu.Unlock()
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}
