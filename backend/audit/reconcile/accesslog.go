package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Positions of the fields of an access log as text. New fields come at the end.
// SPEC: S3 user guide, "Amazon S3 server access log format".
const (
	atBucket = 1 + iota
	atTime
	atAddress
	atRequester
	atRequestID
	atOperation
	atKey
	atURI
	atStatus
	atError
	atBytes
	atSize
	atTotal
	atTurn
	atReferer
	atAgent
	atVersion
	atHostID
	atSignature
	atCipher
	atAuthentication
	atHost

	leastFields = atVersion + 1
)

var errShort = errors.New("an access log line has at least 18 fields")

// accessText parses a line of an access log as text.
func accessText(text string) (Line, error) {
	fields, err := split(text)
	if err != nil {
		return Line{}, err
	}
	if len(fields) < leastFields {
		return Line{}, errShort
	}
	at, err := time.Parse("02/Jan/2006:15:04:05 -0700", fields[atTime])
	if err != nil {
		return Line{}, fmt.Errorf("the time is not one: %w", err)
	}
	l := Line{
		Kind: AccessLog, Time: at.UTC(), Bucket: fields[atBucket], Address: fields[atAddress], Requester: fields[atRequester],
		RequestID: fields[atRequestID], Operation: fields[atOperation], Error: fields[atError], Agent: fields[atAgent], Version: fields[atVersion],
	}
	if l.Status, err = number[int](fields[atStatus]); err != nil {
		return Line{}, fmt.Errorf("the status is not a number: %w", err)
	}
	if l.Bytes, err = number[int64](fields[atBytes]); err != nil {
		return Line{}, fmt.Errorf("the bytes are not a number: %w", err)
	}
	host := ""
	if len(fields) > atHost {
		host = fields[atHost]
	}
	l.request(fields[atURI], host)
	l.named(fields[atKey])
	return l, nil
}

// number parses a field; an absent one is 0.
func number[T int | int64](field string) (T, error) {
	if field == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(field, 10, 64)
	if err == nil && n < 0 {
		err = strconv.ErrRange
	}
	return T(n), err
}

// split returns the fields of a line: separated by spaces, in brackets or in
// quotes. An absent field ("-") is empty. S3 does not escape quotes, so a quoted
// field ends at a quote before a space.
func split(text string) ([]string, error) {
	var fields []string
	for text != "" {
		var field string
		switch text[0] {
		case ' ':
			text = text[1:]
			continue
		case '[':
			end := strings.IndexByte(text, ']')
			if end < 0 {
				return nil, errors.New("a bracket is not closed")
			}
			field, text = text[1:end], text[end+1:]
		case '"':
			end := strings.Index(text[1:], `" `) + 1
			if end == 0 {
				if end = len(text) - 1; end == 0 || text[end] != '"' {
					return nil, errors.New("a quote is not closed")
				}
			}
			field, text = text[1:end], text[end+1:]
		default:
			field, text, _ = strings.Cut(text, " ")
		}
		if field == "-" {
			field = ""
		}
		fields = append(fields, field)
	}
	return fields, nil
}

// accessJSON parses a record of CloudWatch Logs.
// SPEC: S3 user guide, "Log format in CloudWatch Logs".
func accessJSON(raw []byte) (Line, error) {
	var r struct {
		Bucket    string `json:"bucket_name"`
		Time      string `json:"request_time"`
		Address   string `json:"remote_ip"`
		Requester string `json:"requester"`
		RequestID string `json:"request_id"`
		Operation string `json:"operation"`
		Key       string `json:"key_name"`
		URI       string `json:"request_uri"`
		Status    int    `json:"http_status"`
		Error     string `json:"error_code"`
		Bytes     int64  `json:"bytes_sent_size"`
		Agent     string `json:"user_agent"`
		Version   string `json:"version_id"`
		Host      string `json:"host_header"`
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return Line{}, err
	}
	at, err := time.Parse(time.RFC3339, r.Time)
	if err != nil {
		return Line{}, fmt.Errorf("the time is not one: %w", err)
	}
	l := Line{
		Kind: AccessLog, Time: at.UTC(), Bucket: r.Bucket, Address: r.Address, Requester: r.Requester, RequestID: r.RequestID,
		Operation: r.Operation, Status: r.Status, Error: r.Error, Bytes: max(r.Bytes, 0), Agent: r.Agent, Version: r.Version,
	}
	if l.Requester == "-" {
		l.Requester = ""
	}
	l.request(r.URI, r.Host)
	l.named(r.Key)
	return l, nil
}
