package serve

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"usher/backend/safetext"
)

// lookAgain is how often the certificate's files are looked at, when people
// connect.
const lookAgain = time.Second

// certificates serves the certificate of two files, and takes new ones when
// the files change. While they do not fit, as between two renames, the
// certificate before serves on.
type certificates struct {
	now func() time.Time
	log *slog.Logger

	mu      sync.Mutex
	files   TLS
	pair    *tls.Certificate
	read    [2]fs.FileInfo // of which pair is
	looked  time.Time
	refused string // the cause that the log has
}

func newCertificates(files TLS, w World) (*certificates, error) {
	c := &certificates{now: w.Now, log: w.Log, looked: w.Now()}
	return c, c.use(files)
}

// use loads these files, or keeps those before.
func (c *certificates) use(files TLS) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.load(files)
}

// load is use; c.mu is held.
func (c *certificates) load(files TLS) error {
	var read [2]fs.FileInfo
	for i, path := range []string{files.Cert, files.Key} {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("reading the certificate: %w", err)
		}
		read[i] = info
	}
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return fmt.Errorf("reading the certificate %s: %w", files.Cert, err)
	}
	c.files, c.pair, c.read, c.refused = files, &pair, read, ""
	return nil
}

// get is tls.Config.GetCertificate.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if age := now.Sub(c.looked); age < 0 || age >= lookAgain {
		c.looked = now
		c.look()
	}
	if c.pair == nil {
		return nil, errors.New("there is no certificate")
	}
	return c.pair, nil
}

func (c *certificates) look() {
	if unchanged(c.files.Cert, c.read[0]) && unchanged(c.files.Key, c.read[1]) {
		return
	}
	err := c.load(c.files)
	switch {
	case err == nil:
		c.log.Info("a new certificate serves", "file", safetext.New(c.files.Cert), "until", c.pair.Leaf.NotAfter)
	case err.Error() != c.refused:
		c.refused = err.Error()
		c.log.Error("the new certificate is refused, and the one before serves", "error", safetext.New(c.refused))
	}
}

func unchanged(path string, read fs.FileInfo) bool {
	info, err := os.Stat(path)
	return err == nil && os.SameFile(info, read) && info.Size() == read.Size() && info.ModTime().Equal(read.ModTime())
}

// paths are the files in use.
func (c *certificates) paths() TLS {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files
}
