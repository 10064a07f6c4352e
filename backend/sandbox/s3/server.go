package s3

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Config configures a Server. Every field except AccessLog is required.
type Config struct {
	Region string
	Keys   *Keyring
	Now    func() time.Time
	Dir    string // an existing folder for large uploads; Close empties it
	// AccessLog receives one line per request in the format of S3's server access
	// logs. It includes the query string without signature and session token.
	AccessLog io.Writer
	// Elsewhere returns the region of a bucket that another server has; nil: none.
	Elsewhere func(bucket string) (region string, ok bool)
}

// Server is the http.Handler. It parses the request line as sent, so no
// middleware may rewrite the path.
type Server struct {
	verifier verifier
	now      func() time.Time
	dir      string
	log      *accessLog
	other    func(bucket string) (region string, ok bool)
	tokenKey [32]byte // seals continuation tokens

	ofBuckets, ofObjects []subresource

	mu      sync.RWMutex // guards the fields below; never held during the transfer of a body
	buckets map[string]*bucket
	uploads map[string]*upload // by upload id
}

// Format hides keys and object names from every verb of fmt.
func (s *Server) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "s3.Server") }

// New returns a server without buckets. The error names a missing field of c.
func New(c Config) (*Server, error) {
	switch {
	case c.Region == "":
		return nil, errors.New("s3: Region is not set")
	case c.Keys == nil:
		return nil, errors.New("s3: Keys is not set")
	case c.Now == nil:
		return nil, errors.New("s3: Now is not set")
	case c.Dir == "":
		return nil, errors.New("s3: Dir is not set")
	}
	s := &Server{
		verifier: verifier{region: c.Region, keys: c.Keys, equal: constantTimeEqual},
		now:      c.Now,
		dir:      c.Dir,
		other:    c.Elsewhere,
		buckets:  map[string]*bucket{},
		uploads:  map[string]*upload{},

		ofBuckets: bucketSubresources(), ofObjects: objectSubresources(),
	}
	if c.AccessLog != nil {
		s.log = &accessLog{w: c.AccessLog}
	}
	_, _ = rand.Read(s.tokenKey[:])
	return s, nil
}

// Close removes every object and the files of uploads. Requests in progress may
// fail.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.buckets {
		for _, block := range b.objects.blocks {
			for _, o := range block {
				release(o.content)
			}
		}
		for _, earlier := range b.older {
			for _, o := range earlier {
				release(o.content)
			}
		}
	}
	for _, u := range s.uploads {
		u.release()
	}
	clear(s.buckets)
	clear(s.uploads)
	return nil
}

// request is the state of one request.
type request struct {
	srv       *Server
	w         *recorder
	r         *http.Request
	id        string
	now       time.Time // the same instant for all decisions of this request
	target    target
	id4       identity
	operation string // name in the access log
	source    string // BUCKET/KEY of the source of a copy
	errorCode string
	objSize   int64 // -1: no object
	bodyRead  bool
}

// ServeHTTP serves one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := &request{srv: s, w: &recorder{ResponseWriter: w}, r: r, id: requestID(), now: s.now(), objSize: -1}
	began := time.Now()
	// net/http sends "100 Continue" when a body is read, so never for an empty
	// body. The client would wait for its timeout.
	if r.ContentLength == 0 && strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		w.WriteHeader(http.StatusContinue)
	}
	h := w.Header()
	h["x-amz-request-id"] = []string{q.id}
	h["x-amz-id-2"] = []string{hostID(q.id)}
	h.Set("Server", "AmazonS3")
	h.Set("Date", q.now.UTC().Format(http.TimeFormat))
	if s.log != nil {
		defer func() { s.log.write(q, time.Since(began)) }()
	}
	if err := q.serve(); err != nil {
		if q.w.status != 0 { // the headers are sent: truncate the body
			panic(http.ErrAbortHandler)
		}
		q.refuse(err)
	}
}

func (q *request) serve() error {
	var err error
	if q.target, err = parseTarget(q.r); err != nil {
		return err
	}
	if q.r.Method == http.MethodOptions {
		q.operation = "REST.OPTIONS.PREFLIGHT"
		return fail("AccessForbidden", "CORSResponse: CORS is not enabled for this bucket.")
	}
	op, refusal := q.route() // first, so that the log contains the operation
	if s := q.srv; s.other != nil && q.target.bucket != "" {
		if region, ok := s.other(q.target.bucket); ok {
			// SPEC: S3 user guide, "Making requests", redirects: a bucket in another
			// region is a permanent redirect with its region, before any other check.
			q.w.Header().Set("x-amz-bucket-region", region)
			return fail("PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.",
				field{"Bucket", q.target.bucket}, field{"Endpoint", "s3." + region + ".amazonaws.com"})
		}
	}
	if q.id4, err = q.srv.verifier.verify(q.r, q.target, q.now); err != nil {
		return err
	}
	if refusal != nil {
		return refusal
	}
	if err := q.expectedOwner(); err != nil {
		return err
	}
	if q.id4.readOnly && q.r.Method != http.MethodGet && q.r.Method != http.MethodHead {
		return fail("AccessDenied", "Access Denied")
	}
	if !q.permitted(q.action()) {
		return fail("AccessDenied", "Access Denied")
	}
	err = op(q)
	if refused := (*apiError)(nil); errors.As(err, &refused) && refused.code == "NoSuchKey" && !q.permitted(q.listing()) {
		// SPEC: S3 API reference, HeadObject, Permissions: without s3:ListBucket an
		// absent object is 403.
		return fail("AccessDenied", "Access Denied")
	}
	return err
}

// recorder records status and length for the access log. It exposes the
// connection's ReadFrom to io.Copy.
type recorder struct {
	http.ResponseWriter
	status int
	n      int64
}

func (w *recorder) WriteHeader(status int) {
	w.status = status
	lowerAmazon(w.Header())
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	w.n += int64(n)
	return n, err
}

// lowerAmazon changes the names of x-amz-* headers to lower case, as in S3.
// Clients derive the names of metadata from them.
func lowerAmazon(h http.Header) {
	for name, values := range h {
		if strings.HasPrefix(name, "X-Amz-") {
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
	}
}

func (w *recorder) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(w.ResponseWriter, r)
	w.n += n
	return n, err
}

func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
