package s3

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
)

const maxKeys = 1000 // per page; SPEC: API_ListObjectsV2.html

// listObjects is ListObjectsV2 with list-type=2, ListObjects without.
func (q *request) listObjects() error {
	p := q.target.query
	v2 := p.get("list-type") == "2"
	limit, err := limitParam(p, "max-keys", maxKeys)
	if err != nil {
		return err
	}
	enc := p.get("encoding-type")
	if enc != "" && enc != "url" {
		return invalidArgument("Invalid Encoding Method specified in Request", "encoding-type", enc)
	}
	prefix, delimiter := p.get("prefix"), p.get("delimiter")
	after := p.get("marker")
	if v2 {
		after = p.get("start-after")
		if p.has("continuation-token") {
			if after, err = q.openToken(p.get("continuation-token")); err != nil {
				return err
			}
		}
	}
	restores, err := q.wantsRestoreStatus()
	if err != nil {
		return err
	}
	q.srv.mu.RLock()
	b, err := q.bucket()
	var rows []entry
	var more bool
	if err == nil && limit > 0 {
		rows, more = b.objects.list(prefix, delimiter, after, limit)
	}
	q.srv.mu.RUnlock()
	if err != nil {
		return err
	}
	l := listing{q: q, v2: v2, restores: restores, rows: rows, more: more, limit: limit, encode: func(s string) string { return s }}
	if enc == "url" {
		l.encode = listEncode
	}
	return l.write()
}

func limitParam(p params, name string, most int) (int, error) {
	s := p.get(name)
	if s == "" {
		return most, nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, invalidArgument("Provided "+name+" not an integer or within integer range", name, s)
	}
	if n < 0 {
		return 0, invalidArgument("Argument "+name+" must be an integer between 0 and 2147483647", name, s)
	}
	return min(int(n), most), nil
}

// listing writes one page.
type listing struct {
	q        *request
	v2       bool
	restores bool // the request includes RestoreStatus
	rows     []entry
	more     bool
	limit    int
	encode   func(string) string
}

func (l listing) write() error {
	p := l.q.target.query
	var x xmlDoc
	x.Grow(400 + 300*len(l.rows))
	x.start("ListBucketResult", namespace)
	x.el("Name", l.q.target.bucket)
	x.el("Prefix", l.encode(p.get("prefix")))
	if d := p.get("delimiter"); d != "" {
		x.el("Delimiter", l.encode(d))
	}
	x.num("MaxKeys", int64(l.limit))
	x.optional("EncodingType", p.get("encoding-type"))
	if l.v2 {
		x.num("KeyCount", int64(len(l.rows)))
		if p.get("start-after") != "" {
			x.el("StartAfter", l.encode(p.get("start-after")))
		}
		x.optional("ContinuationToken", p.get("continuation-token"))
	} else {
		x.el("Marker", l.encode(p.get("marker")))
	}
	x.bool("IsTruncated", l.more)
	if l.more {
		last := l.rows[len(l.rows)-1].name()
		switch {
		case l.v2:
			x.el("NextContinuationToken", l.q.sealToken(last))
		case p.get("delimiter") != "": // SPEC: API_ListObjects.html, NextMarker
			x.el("NextMarker", l.encode(last))
		}
	}
	owner := !l.v2 || p.get("fetch-owner") == "true"
	for _, e := range l.rows {
		if e.object != nil {
			l.writeRow(&x, e.object, owner)
		}
	}
	l.writePrefixes(&x)
	x.end("ListBucketResult")
	return l.q.sendXML(&x)
}

func (l listing) writePrefixes(x *xmlDoc) {
	for _, e := range l.rows {
		if e.object == nil {
			x.open("CommonPrefixes")
			x.el("Prefix", l.encode(e.prefix))
			x.end("CommonPrefixes")
		}
	}
}

func (l listing) writeRow(x *xmlDoc, o *object, owner bool) {
	x.open("Contents")
	x.el("Key", l.encode(o.key))
	l.writeCommon(x, o)
	if owner {
		writeOwner(x)
	}
	x.end("Contents")
}

// writeCommon writes the elements that objects and versions have in common.
func (l listing) writeCommon(x *xmlDoc, o *object) {
	x.time("LastModified", o.modified)
	x.el("ETag", `"`+o.etag()+`"`)
	switch {
	case o.given.algorithm != nil:
		x.el("ChecksumAlgorithm", o.given.algorithm.name)
		x.el("ChecksumType", o.given.kind)
	case !o.noSum:
		x.el("ChecksumAlgorithm", crc64NVME.name)
		x.el("ChecksumType", fullObject)
	}
	x.num("Size", o.content.Size())
	x.el("StorageClass", o.class())
	if l.restores {
		if r, ok := o.restored(l.q.now); ok {
			r.xml(x, l.q.now)
		}
	}
}

// wantsRestoreStatus reports whether x-amz-optional-object-attributes contains
// RestoreStatus.
// SPEC: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
func (q *request) wantsRestoreStatus() (wanted bool, err error) {
	for _, v := range q.r.Header.Values("x-amz-optional-object-attributes") {
		for s := range strings.SplitSeq(v, ",") {
			switch strings.TrimSpace(s) {
			case "":
			case "RestoreStatus":
				wanted = true
			default:
				return false, invalidArgument("Invalid attribute name specified", "x-amz-optional-object-attributes", v)
			}
		}
	}
	return wanted, nil
}

// sealToken returns a continuation token: the last listed name, with a MAC over
// the name, bucket and prefix. openToken refuses an invented token, and a token
// of another listing.
func (q *request) sealToken(last string) string {
	return base64.URLEncoding.EncodeToString(append(q.tokenMAC(last), last...))
}

func (q *request) openToken(s string) (string, error) {
	b, err := base64.URLEncoding.DecodeString(s)
	if err == nil && len(b) > sha256.Size {
		last := string(b[sha256.Size:])
		if hmac.Equal(b[:sha256.Size], q.tokenMAC(last)) {
			return last, nil
		}
	}
	return "", invalidArgument("The continuation token provided is incorrect", "continuation-token", s)
}

func (q *request) tokenMAC(last string) []byte {
	h := hmac.New(sha256.New, q.srv.tokenKey[:])
	for _, s := range []string{q.target.bucket, q.target.query.get("prefix"), last} {
		h.Write([]byte(strconv.Itoa(len(s)) + ":" + s))
	}
	return h.Sum(nil)
}
