package demo

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"usher/backend/api/shape"
	"usher/backend/sandbox"
)

// Storage is an S3 server outside of the demo.
type Storage = sandbox.Storage

// usable returns s with its endpoint as an origin. It refuses each address that
// clients refuse: they use plain HTTP for loopback addresses only.
func usable(s Storage) (*Storage, error) {
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" ||
		u.Scheme != "https" && u.Scheme != "http" || !validPort(u) {
		return nil, errors.New("the S3 endpoint must be an origin like http://127.0.0.1:9000 or https://s3.example.com")
	}
	if u.Scheme == "http" && !shape.Loopback(u.Hostname()) {
		return nil, errors.New("the S3 endpoint must begin with https:// unless it is on this machine (127.0.0.1, ::1 or localhost)")
	}
	if (s.AccessKey == "") != (s.SecretKey == "") {
		return nil, errors.New("an access key and its secret key are required together")
	}
	s.Endpoint = u.Scheme + "://" + strings.ToLower(u.Host)
	return &s, nil
}

// validPort reports whether an address has no port, or one that can be dialed.
func validPort(u *url.URL) bool {
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return !strings.HasSuffix(u.Host, ":") && (u.Port() == "" || err == nil && port > 0)
}
