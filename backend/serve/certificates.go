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

// checkEvery is the minimum interval between checks of the certificate's files.
// Connections trigger the checks.
const checkEvery = time.Second

// certificates provides the certificate from two files and reloads it when they
// change. While certificate and key do not match, as between two renames, the
// previous certificate stays in use.
type certificates struct {
	now func() time.Time
	log *slog.Logger

	mu      sync.Mutex
	files   TLS
	pair    *tls.Certificate
	read    [2]fs.FileInfo // files of pair
	checked time.Time
	refused string // last logged error
}

func newCertificates(files TLS, d Deps) (*certificates, error) {
	c := &certificates{now: d.Now, log: d.Log, checked: d.Now()}
	return c, c.use(files)
}

// use loads new files. After an error, the previous certificate stays in use.
func (c *certificates) use(files TLS) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.load(files)
}

// load does the work of use; c.mu is held.
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

// get implements tls.Config.GetCertificate.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if age := now.Sub(c.checked); age < 0 || age >= checkEvery {
		c.checked = now
		c.reloadIfChanged()
	}
	if c.pair == nil {
		return nil, errors.New("no certificate is loaded")
	}
	return c.pair, nil
}

func (c *certificates) reloadIfChanged() {
	if unchanged(c.files.Cert, c.read[0]) && unchanged(c.files.Key, c.read[1]) {
		return
	}
	err := c.load(c.files)
	switch {
	case err == nil:
		c.log.Info("new certificate in use", "file", safetext.New(c.files.Cert), "until", c.pair.Leaf.NotAfter)
	case err.Error() != c.refused:
		c.refused = err.Error()
		c.log.Error("new certificate refused; the previous one stays in use", "error", safetext.New(c.refused))
	}
}

func unchanged(path string, read fs.FileInfo) bool {
	info, err := os.Stat(path)
	return err == nil && os.SameFile(info, read) && info.Size() == read.Size() && info.ModTime().Equal(read.ModTime())
}

// paths returns the paths in use.
func (c *certificates) paths() TLS {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files
}
