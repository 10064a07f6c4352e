package objecttest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Listing is one page before it is sent. A test may change every field.
type Listing struct {
	Query     url.Values
	Rows      []Row
	Truncated string              // true or false
	Token     string              // NextContinuationToken; "": not sent
	Encoded   bool                // names are URL-encoded
	SayNone   bool                // EncodingType is not sent
	Status    int                 // 0 means 200
	Body      string              // "": made from the other fields
	Change    func(string) string // changes the body; may be nil
}

// Row is an object or a common prefix.
type Row struct {
	Folder                                   bool
	Name, ETag, Modified, Size, Class, Extra string // Extra is XML
}

func (s *Storage) list(w http.ResponseWriter, r *http.Request, bucket string) {
	l := s.page(bucket, r.URL.Query())
	s.mu.Lock()
	change := s.OnList
	s.mu.Unlock()
	if change != nil {
		change(l)
	}
	body := l.Body
	if body == "" {
		body = l.xml(bucket, r.Header.Get("X-Amz-Optional-Object-Attributes") != "")
	}
	if l.Change != nil {
		body = l.Change(body)
	}
	w.Header().Set("Content-Type", "application/xml")
	if l.Status != 0 {
		w.WriteHeader(l.Status)
	}
	_, _ = w.Write([]byte(body))
}

// page returns the correct page.
func (s *Storage) page(bucket string, q url.Values) *Listing {
	prefix, delimiter := q.Get("prefix"), q.Get("delimiter")
	most, err := strconv.Atoi(q.Get("max-keys"))
	if err != nil {
		most = 1000
	}
	after := q.Get("start-after")
	if token := q.Get("continuation-token"); token != "" {
		after = strings.TrimPrefix(token, "T:")
	}
	l := &Listing{Query: q, Truncated: "false", Encoded: q.Get("encoding-type") == "url"}
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for key := range s.objects[bucket] {
		names = append(names, key)
	}
	slices.Sort(names)
	for _, key := range names {
		if !strings.HasPrefix(key, prefix) || key <= after {
			continue
		}
		row := Row{Name: key}
		if cut := strings.Index(key[len(prefix):], delimiter); delimiter != "" && cut >= 0 {
			row = Row{Folder: true, Name: key[:len(prefix)+cut+len(delimiter)]}
			if n := len(l.Rows); n > 0 && l.Rows[n-1].Name == row.Name || strings.HasPrefix(after, row.Name) && q.Get("start-after") == "" {
				continue
			}
		} else {
			o := s.objects[bucket][key]
			row.ETag, row.Modified, row.Size, row.Class = o.ETag, o.Modified, o.Size, o.Class
			if o.Restore != "" {
				row.Extra = "<RestoreStatus><IsRestoreInProgress>" + strconv.FormatBool(!strings.Contains(o.Restore, `"false"`)) + "</IsRestoreInProgress>"
				if strings.Contains(o.Restore, "expiry-date") {
					row.Extra += "<RestoreExpiryDate>2027-12-21T00:00:00.000Z</RestoreExpiryDate>"
				}
				row.Extra += "</RestoreStatus>"
			}
		}
		if len(l.Rows) == most {
			l.Truncated, l.Token = "true", "T:"+l.Rows[most-1].Name
			break
		}
		l.Rows = append(l.Rows, row)
	}
	return l
}

var escapeXML = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace

func (l *Listing) xml(bucket string, attributes bool) string {
	name := escapeXML
	if l.Encoded {
		name = encode
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>%s</Name><Prefix>%s</Prefix><IsTruncated>%s</IsTruncated>`,
		bucket, name(l.Query.Get("prefix")), l.Truncated)
	if l.Encoded && !l.SayNone {
		b.WriteString("<EncodingType>url</EncodingType>")
	}
	if l.Token != "" {
		fmt.Fprintf(&b, "<NextContinuationToken>%s</NextContinuationToken>", escapeXML(l.Token))
	}
	for _, r := range l.Rows {
		if r.Folder {
			fmt.Fprintf(&b, "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>", name(r.Name))
			continue
		}
		fmt.Fprintf(&b, "<Contents><Key>%s</Key>", name(r.Name))
		for _, el := range [][2]string{{"LastModified", r.Modified}, {"ETag", r.ETag}, {"Size", r.Size}, {"StorageClass", r.Class}} {
			if el[1] != Absent {
				fmt.Fprintf(&b, "<%s>%s</%s>", el[0], escapeXML(el[1]), el[0])
			}
		}
		if attributes {
			b.WriteString(r.Extra)
		}
		b.WriteString("</Contents>")
	}
	b.WriteString("</ListBucketResult>")
	return b.String()
}

// Absent is the value of a Row field whose element is not sent.
const Absent = "\x00absent"
