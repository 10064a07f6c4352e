package api

import (
	"fmt"
	"strings"

	"usher/backend/api/shape"
	"usher/backend/safetext"
)

// Path is an object or a folder in a bucket. Key holds the literal bytes of an
// S3 key: "a//b", "a/../b" and "a/./b" are three keys. A folder's key is empty
// or ends in "/". The zero Path is the root, which holds the buckets.
type Path struct{ Bucket, Key string }

// PathError is the refusal of a text by ParsePath.
type PathError struct {
	Text    safetext.Text
	Problem string // such as "a bucket's name has 3 to 63 characters"
}

func (e *PathError) Error() string {
	return fmt.Sprintf("%s is not a path in a bucket: %s. Write it like bucket/folder/file.", e.Text, e.Problem)
}

// Short returns the message without the text, for a page that shows the text.
func (e *PathError) Short() string {
	return strings.ToUpper(e.Problem[:1]) + e.Problem[1:] + ". A path is bucket/key."
}

// Exit returns the exit code of a command that ends with this error.
func (e *PathError) Exit() int { return ExitUsage }

// ParsePath parses bucket/key. s3://bucket/key, arn:aws:s3:::bucket/key and
// /bucket/key are the same path; "" and "/" are the root. The key is not
// cleaned. A refusal is a *PathError.
func ParsePath(s string) (Path, error) {
	rest, problem := shape.TrimScheme(s)
	if problem != "" {
		return Path{}, &PathError{safetext.New(s), problem}
	}
	if rest == "" {
		return Path{}, nil
	}
	bucket, key, _ := strings.Cut(rest, "/")
	switch {
	case bucket == "." || bucket == ".." || strings.HasPrefix(bucket, "~") || strings.Contains(bucket, `\`):
		problem = "it names a file on this machine"
	case strings.ContainsAny(bucket, "*?[{"):
		problem = "it has a wildcard in the bucket's name"
	default:
		if problem = shape.KeyProblem(key); problem == "" {
			problem = shape.BucketProblem(bucket)
		}
	}
	if problem != "" {
		return Path{}, &PathError{safetext.New(s), problem}
	}
	return Path{bucket, key}, nil
}

// String returns the form that ParsePath accepts: bucket/key, "" for the root.
func (p Path) String() string {
	if p.Bucket == "" {
		return ""
	}
	return p.Bucket + "/" + p.Key
}

// IsRoot reports whether the path holds the buckets.
func (p Path) IsRoot() bool { return p.Bucket == "" }

// IsFolder reports whether the path is the root, a bucket or a folder.
func (p Path) IsFolder() bool { return p.Key == "" || strings.HasSuffix(p.Key, "/") }

// Parent returns the folder that contains the path. The parent of a bucket and
// of the root is the root.
func (p Path) Parent() Path {
	if p.Key == "" {
		return Path{}
	}
	cut := strings.LastIndexByte(strings.TrimSuffix(p.Key, "/"), '/') + 1
	return Path{p.Bucket, p.Key[:cut]}
}

// Base returns the last element, without the slash of a folder: the bucket's
// name for a bucket, "" for the root.
func (p Path) Base() string {
	if p.Key == "" {
		return p.Bucket
	}
	name := strings.TrimSuffix(p.Key, "/")
	return name[strings.LastIndexByte(name, '/')+1:]
}

// Join returns the path of an entry of this folder. name is as in the listing.
func (p Path) Join(name string) Path {
	if p.IsRoot() {
		return Path{Bucket: strings.TrimSuffix(name, "/")}
	}
	return Path{p.Bucket, p.Key + name}
}

// IsMarker reports whether an object of this size is a folder marker. SPEC: S3
// user guide, "Organizing objects by using folders": a zero-byte object whose
// key ends in "/". An object with bytes is a file.
func (p Path) IsMarker(size int64) bool { return size == 0 && strings.HasSuffix(p.Key, "/") }
