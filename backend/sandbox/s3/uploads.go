package s3

import (
	"cmp"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
)

func (q *request) listParts() error {
	limit, err := limitParam(q.target.query, "max-parts", maxKeys)
	if err != nil {
		return err
	}
	marker, _ := strconv.Atoi(q.target.query.get("part-number-marker"))
	q.srv.mu.RLock()
	u, err := q.upload()
	var have map[int]*uploaded
	if err == nil {
		have = maps.Clone(u.parts)
	}
	q.srv.mu.RUnlock()
	if err != nil {
		return err
	}
	numbers := slices.DeleteFunc(slices.Sorted(maps.Keys(have)), func(n int) bool { return n <= marker })
	more := len(numbers) > limit
	numbers = numbers[:min(limit, len(numbers))]
	var x xmlDoc
	x.start("ListPartsResult", namespace)
	x.el("Bucket", u.bucket)
	x.el("Key", u.key)
	x.el("UploadId", u.id)
	x.num("PartNumberMarker", int64(marker))
	if len(numbers) > 0 {
		x.num("NextPartNumberMarker", int64(numbers[len(numbers)-1]))
	}
	x.num("MaxParts", int64(limit))
	x.bool("IsTruncated", more)
	for _, n := range numbers {
		p := have[n]
		x.open("Part")
		x.num("PartNumber", int64(n))
		x.time("LastModified", p.at)
		x.el("ETag", `"`+hex.EncodeToString(p.md5)+`"`)
		x.num("Size", p.content.Size())
		p.sum.xml(&x)
		x.end("Part")
	}
	x.el("StorageClass", u.class())
	if u.named {
		x.el("ChecksumAlgorithm", u.algorithm.name)
		x.el("ChecksumType", u.kind)
	}
	x.end("ListPartsResult")
	return q.sendXML(&x)
}

// listUploads is ListMultipartUploads, without a delimiter.
func (q *request) listUploads() error {
	p := q.target.query
	limit, err := limitParam(p, "max-uploads", maxKeys)
	if err != nil {
		return err
	}
	if p.get("delimiter") != "" {
		return notImplemented()
	}
	if err := q.checkBucketExists(); err != nil {
		return err
	}
	encode := func(s string) string { return s }
	if p.get("encoding-type") == "url" {
		encode = listEncode
	}
	key, id := p.get("key-marker"), p.get("upload-id-marker")
	var all []*upload
	q.srv.mu.RLock()
	for _, u := range q.srv.uploads {
		after := u.key > key || u.key == key && id != "" && u.id > id
		if u.bucket == q.target.bucket && strings.HasPrefix(u.key, p.get("prefix")) && (after || key == "") {
			all = append(all, u)
		}
	}
	q.srv.mu.RUnlock()
	slices.SortFunc(all, func(a, b *upload) int { return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.id, b.id)) })
	more := len(all) > limit
	all = all[:min(limit, len(all))]
	var x xmlDoc
	x.start("ListMultipartUploadsResult", namespace)
	x.el("Bucket", q.target.bucket)
	x.el("KeyMarker", encode(key))
	x.el("UploadIdMarker", id)
	x.el("Prefix", encode(p.get("prefix")))
	x.optional("EncodingType", p.get("encoding-type"))
	if more && len(all) > 0 {
		x.el("NextKeyMarker", encode(all[len(all)-1].key))
		x.el("NextUploadIdMarker", all[len(all)-1].id)
	}
	x.num("MaxUploads", int64(limit))
	x.bool("IsTruncated", more)
	for _, u := range all {
		x.open("Upload")
		x.el("Key", encode(u.key))
		x.el("UploadId", u.id)
		x.el("StorageClass", u.class())
		x.time("Initiated", u.began)
		x.end("Upload")
	}
	x.end("ListMultipartUploadsResult")
	return q.sendXML(&x)
}
